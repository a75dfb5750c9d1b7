"""The manifest of a bundle, as evidence writes it: of the files told, of this export alone.

What retrieve tells is not believed where it matters: what persons signed is by the hashes that
evidence has, no path stands there twice, and no original is of another camera or another time.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3

import msgspec

from roeh.core.errors import ExportFailed
from roeh.core.retrieval import ExportRequest, SealedFile
from roeh.ledger import export_files
from roeh.ledger import export_rows as rows
from roeh.ledger.database import NodeDatabase

_PAGE = 500
_SEGMENT = re.compile(r"data/segments/([^/]+)/([0-9]{8,})\.mp4")
_ORIGINALS = ("data/segments/", "data/video")
#: A segment that ends so long before the span, or begins so long after it, is none of it.
_BESIDE_US = 3_600_000_000


class Manifest(msgspec.Struct, frozen=True):
    """What is signed.

    Attributes:
        content: of manifest-sha256.txt.
        files: how many lines it has.
        damaged: how many segments in it are not as recorded.
    """

    content: bytes
    files: int
    damaged: int


def manifest_of(database: NodeDatabase, known: rows.KnownExport) -> Manifest:
    """The manifest of the files told, in the order told.

    Raises:
        ExportFailed: a file is not what was signed, stands there twice, or is not of this export.
    """
    checked = _Checked(known)
    lines: list[bytes] = []
    damaged = 0
    while True:
        with database.reading() as connection:
            page = export_files.files_after(connection, known.shown.row, len(lines), _PAGE)
            damaged += sum(checked.is_damaged(connection, file) for file in page)
        if not page:
            return Manifest(b"".join(lines), len(lines), damaged)
        for file in page:
            checked.check(file)
            lines.append(f"{file.sha256}  {file.path}\n".encode("ascii"))


class _Checked:
    """The files of one export, one after the other."""

    def __init__(self, known: rows.KnownExport) -> None:
        self._export_id = known.shown.id
        self._request = msgspec.json.decode(known.shown.request, type=ExportRequest)
        self._own = _own_hashes(known)
        self._seen: set[str] = set()

    def check(self, file: SealedFile) -> None:
        if self._own.get(file.path, file.sha256) != file.sha256:
            raise self._wrong("it is not what was signed", file.path)
        if file.path in self._seen:
            raise self._wrong("it was told twice", file.path)
        if self._request.kind == "redacted" and file.path.startswith(_ORIGINALS):
            raise self._wrong("it is an original, where a redacted copy was agreed to", file.path)
        self._seen.add(file.path)

    def is_damaged(self, connection: sqlite3.Connection, file: SealedFile) -> bool:
        """Whether an original segment is not as its record says."""
        named = _SEGMENT.fullmatch(file.path)
        if named is None:
            return False
        found = connection.execute(
            "SELECT json, segment.t_utc_us - utc_error_us,"
            " segment.t_utc_us + utc_error_us + t_end_mono_us - t_first_mono_us FROM segment"
            " LEFT JOIN record ON record.leaf = segment.leaf WHERE camera_id = ? AND number = ?",
            (named[1], int(named[2])),
        ).fetchone()
        if found is None or named[1] not in self._request.cameras or not self._is_of_span(found):
            raise self._wrong("it is not of the span that was agreed to", file.path)
        return found[0] is None or _RECORDED.decode(found[0]).body.sha256 != file.sha256

    def _is_of_span(self, found: tuple[bytes, int, int]) -> bool:
        _, first_us, end_us = found
        return (
            end_us > self._request.from_utc_us - _BESIDE_US
            and first_us < self._request.to_utc_us + _BESIDE_US
        )

    def _wrong(self, what: str, path: str) -> ExportFailed:
        return ExportFailed(
            what=what,
            which=f"{path} of export {self._export_id}",
            remedy="build the bundle anew",
        )


def _own_hashes(known: rows.KnownExport) -> dict[str, str]:
    """What evidence itself holds of a bundle's files."""
    shown = known.shown
    hashes = {
        "data/request.json": shown.request_sha256,
        "data/approval.p7m": hashlib.sha256(shown.approval_p7m).hexdigest(),
        "data/trust-list.p7m": known.trust_sha256,
    }
    if shown.request_p7m:
        hashes["data/request.p7m"] = hashlib.sha256(shown.request_p7m).hexdigest()
    return hashes


class _RecordedBody(msgspec.Struct):
    sha256: str


class _Recorded(msgspec.Struct):
    """Of a segment's record what is compared."""

    body: _RecordedBody


_RECORDED = msgspec.json.Decoder(_Recorded)
