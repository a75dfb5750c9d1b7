"""The bag round a bundle (BagIt, RFC 8493): that its files are those that its manifests name.

Pure but for reading the small files of the bag itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from roeh.bundle import layout
from roeh.verify.bag import Bag, FileHash
from roeh.verify.report import Aspect, Finding, Weight

#: A line a file, some hundred bytes each: a week of sixteen cameras.
_MAX_MANIFEST_BYTES = 256 << 20
_MAX_TAG_BYTES = 1 << 20
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


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

    def check(self, export_id: str | None) -> None:
        """Everything but the hashes: which files there are, and what the bag says of itself."""
        if self._read(layout.BAGIT, _MAX_TAG_BYTES) != layout.BAGIT_TEXT.encode():
            self._find("bag_declaration_wrong", "is not what a bag begins with", layout.BAGIT)
        self._check_info(export_id)
        here = set(self._bag.contents)
        listed = self._payload.keys() | self._tags.keys() | {layout.TAG_MANIFEST}
        for path in sorted(listed - here):
            self._find("file_missing", "is named by the bag's manifest and is not there", path)
        for path in sorted(here - listed):
            self._find("file_unlisted", "no manifest names it: it was put here", path)
        for path in sorted(here & listed):
            if not layout.is_known_path(path):
                self._find("file_unknown", "is no file of a bundle as this version knows it", path)

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

    def _check_info(self, export_id: str | None) -> None:
        fields: dict[str, str] = {}
        for line in (
            self._read(layout.BAG_INFO, _MAX_TAG_BYTES).decode("utf-8", "replace").split("\n")
        ):
            name, _, value = line.partition(": ")
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
        if export_id is not None and fields.get("External-Identifier") != export_id:
            self._find("bag_info_wrong", f"is not that of export {export_id}", layout.BAG_INFO)

    def _find(self, what: str, detail: str, path: str) -> None:
        against_completeness = {"file_missing", "file_unlisted", "payload_oxum_wrong"}
        self.findings.append(
            Finding(
                aspect=Aspect.COMPLETE if what in against_completeness else Aspect.BYTES,
                weight=Weight.NOTE if what == "file_unknown" else Weight.FAIL,
                what=what,
                detail=detail,
                path=path,
            )
        )


def _is_unsafe(path: str) -> bool:
    parts = path.split("/")
    return path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts)
