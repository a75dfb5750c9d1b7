"""The bag round a bundle (BagIt, RFC 8493): that its files are those that its manifests name.

Pure but for reading the small files of the bag itself.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable

from roeh.bundle import layout
from roeh.verify.bundles.bag import Bag, FileHash
from roeh.verify.report import Aspect, Finding, Weight

#: A line a file, some hundred bytes each: a week of sixteen cameras.
_MAX_MANIFEST_BYTES = 256 << 20
_MAX_TAG_BYTES = 1 << 20
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
#: What bag-info.txt may say; nobody signs it, so it may say nothing else.
_INFO_FIELDS = {
    "Bag-Software-Agent",
    "Bagging-Date",
    "External-Identifier",
    "Internal-Sender-Identifier",
    "Payload-Oxum",
}
_US_PER_S = 1_000_000


class BagItCheck:
    """Of one bag.

    Attributes:
        manifest: the bytes of manifest-sha256.txt; empty when there is none.
        findings: so far.
    """

    def __init__(self, bag: Bag) -> None:
        self._bag = bag
        self.findings: list[Finding] = []
        self.manifest = self._read(layout.MANIFEST, _MAX_MANIFEST_BYTES)
        self._payload = self._parsed(layout.MANIFEST, self.manifest, is_payload=True)
        tags = self._read(layout.TAG_MANIFEST, _MAX_MANIFEST_BYTES)
        self._tags = self._parsed(layout.TAG_MANIFEST, tags, is_payload=False)

    def check(self, document: layout.ExportDocument | None) -> None:
        """Everything but the hashes: which files there are, and what the bag says of itself."""
        if self._read(layout.BAGIT, _MAX_TAG_BYTES) != layout.BAGIT_TEXT.encode():
            self._find("bag_declaration_wrong", "is not what a bag begins with", layout.BAGIT)
        self._check_info(document)
        self._check_alike()
        here = set(self._bag.contents)
        listed = self._payload.keys() | self._tags.keys() | {layout.TAG_MANIFEST}
        for path in sorted(listed - here):
            self._find("file_missing", "is named by the bag's manifest and is not there", path)
        for path in sorted(here - listed):
            self._find("file_unlisted", "no manifest names it: it was put here", path)
        for path in sorted(here & listed):
            if layout.is_known_path(path):
                continue
            if layout.is_payload(path):
                detail = "is no file of a bundle as this version knows it: what it says is unknown"
                self._find("file_unknown", detail, path)
            else:
                self._find("file_unlisted", "no signature is over it: it was put here", path)

    def check_order(self) -> None:
        """Of files in a zip: as the manifests have them, these at their place."""
        wanted = [*self._payload, *self._tags, layout.TAG_MANIFEST]
        found = list(self._bag.contents)
        for path, other in zip(found, wanted, strict=False):
            if path != other and set(found) == set(wanted):
                self._find("zip_inexact", f"stands in the zip where {other} belongs", path)
                return

    def take(self, path: str, found: FileHash | None) -> None:
        """The hash of a file that is here; None: it could not be read."""
        if found is None:
            self._find("unreadable", "cannot be read to its end", path)
            return
        listed = self._payload.get(path) or self._tags.get(path)
        if listed is not None and listed != found.sha256:
            manifest = layout.MANIFEST if layout.is_payload(path) else layout.TAG_MANIFEST
            self._find("file_changed", f"these are not the bytes whose hash {manifest} has", path)

    def payload_sha256(self, path: str) -> str:
        """As the signed manifest has it; empty when it does not name this file."""
        return self._payload.get(path, "")

    def payload_paths(self) -> Iterable[str]:
        """In the order of the manifest."""
        return self._payload.keys()

    def _read(self, path: str, max_bytes: int) -> bytes:
        return self._bag.read(path, max_bytes) or b""

    def _parsed(self, name: str, content: bytes, *, is_payload: bool) -> dict[str, str]:
        """Hash by path."""
        found: dict[str, str] = {}
        lines = content.decode("utf-8", "replace").split("\n")
        if lines.pop() or not lines:
            self._find("manifest_wrong", "is empty, or its last line has no end", name)
        for number, line in enumerate(lines, 1):
            parts = _LINE.fullmatch(line)
            if parts is None:
                self._find("manifest_wrong", f"line {number} is not a hash and a path", name)
                continue
            sha256, path = parts.groups()
            if _is_unsafe(path) or layout.is_payload(path) is not is_payload:
                self._find("path_unsafe", f"line {number} names {path}, no file of its own", name)
            elif path in found:
                self._find("manifest_wrong", f"line {number} names {path} again", name)
            else:
                found[path] = sha256
        return found

    def _check_alike(self) -> None:
        """Names that some file systems take for one: whoever unpacks has only one of the files."""
        seen: dict[str, str] = {}
        for path in sorted(self._bag.contents):
            folded = unicodedata.normalize("NFKC", path).casefold()
            if folded in seen:
                self._find("path_unsafe", f"differs from {seen[folded]} only in its letters", path)
            seen[folded] = path

    def _check_info(self, document: layout.ExportDocument | None) -> None:
        fields: dict[str, str] = {}
        written = self._read(layout.BAG_INFO, _MAX_TAG_BYTES).decode("utf-8", "replace")
        for line in written.removesuffix("\n").split("\n"):
            name, _, value = line.partition(": ")
            if name in fields or name not in _INFO_FIELDS:
                detail = f"says {line[:100]!r}, which no bundle says there"
                self._find("bag_info_wrong", detail, layout.BAG_INFO)
            fields[name] = value
        payload = [path for path in self._bag.contents if layout.is_payload(path)]
        try:
            size_bytes = sum(self._bag.contents[path].size_bytes() for path in payload)
        except OSError:
            size_bytes = -1
        oxum = f"{size_bytes}.{len(payload)}"
        if fields.get("Payload-Oxum") != oxum:
            stated = fields.get("Payload-Oxum", "nothing")
            self._find(
                "payload_oxum_wrong",
                f"says {stated} of bytes and files, found {oxum}",
                layout.BAG_INFO,
            )
        if document is not None:
            self._check_info_fields(document, fields)

    def _check_info_fields(self, document: layout.ExportDocument, fields: dict[str, str]) -> None:
        """That it says nothing else than the signed files."""
        if fields.get("External-Identifier") != document.export_id:
            detail = f"is not that of export {document.export_id}"
            self._find("bag_info_wrong", detail, layout.BAG_INFO)
        wanted = {
            "Internal-Sender-Identifier": {f"{document.site}/{document.node}"},
            "Bag-Software-Agent": {f"roeh {document.software}"},
            "Bagging-Date": _days_round(document.clock.t_utc_us),
        }
        for name, values in wanted.items():
            value = fields.get(name)
            if value is not None and value not in values:
                detail = f"says {name}: {value[:100]!r}, and {layout.EXPORT} does not"
                self._find("bag_info_wrong", detail, layout.BAG_INFO)

    def _find(self, what: str, detail: str, path: str) -> None:
        against_completeness = {
            "file_missing",
            "file_unlisted",
            "file_unknown",
            "payload_oxum_wrong",
        }
        self.findings.append(
            Finding(
                aspect=Aspect.COMPLETE if what in against_completeness else Aspect.BYTES,
                weight=Weight.NOT_CHECKED if what == "file_unknown" else Weight.FAIL,
                what=what,
                detail=detail,
                path=path,
            )
        )


def _is_unsafe(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts)


def _days_round(t_utc_us: int) -> set[str]:
    """The day of a moment and those beside it: a bag is finished after its documents."""
    try:
        moment = datetime.datetime.fromtimestamp(t_utc_us // _US_PER_S, datetime.timezone.utc)
        days = (moment + datetime.timedelta(days=each) for each in (-1, 0, 1))
        return {f"{day:%Y-%m-%d}" for day in days}
    except (OverflowError, ValueError, OSError):
        return set()
