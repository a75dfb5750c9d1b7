"""The files of a bundle on their way into its zip: hashed, listed in its manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from roeh.bundle.layout import MANIFEST, TAG_MANIFEST, bag_name, is_known_path, is_payload
from roeh.bundle.spill import Spills
from roeh.bundle.zip_file import ZipStream
from roeh.core.errors import ExportFailed
from roeh.core.retrieval import AddSealedFiles, SealedFile

#: So many are told at once.
_FILES_A_CALL: Final = 500


class BundledFile(msgspec.Struct, frozen=True):
    """A file that is in the zip."""

    path: str
    sha256: str
    size_bytes: int


class Payload:
    """Writes the files of one bag. Payload files are told to `tell` in the order written.

    Args:
        tell: EXPORT_FILES.
    """

    def __init__(
        self, export_id: str, spills: Spills, tell: Callable[[AddSealedFiles], None]
    ) -> None:
        self.files = 0
        self.size_bytes = 0
        self._export_id = export_id
        self._zip = ZipStream(spills.bytes())
        self._manifest = spills.bytes()
        self._tags: list[BundledFile] = []
        self._tell = tell
        self._untold: list[SealedFile] = []
        self._told = 0
        self.last = BundledFile("", "", 0)

    def file(self, path: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The zip's bytes of a file; `last` is that file once all were taken.

        Raises:
            ExportFailed: there is no place for it in a bundle.
        """
        if not is_known_path(path):
            raise ExportFailed(
                what="there is no place for this file in a bundle",
                which=path[:200],
                remedy="this is a fault of the software: report it",
            )
        hashed, size_bytes = hashlib.sha256(), 0

        def watched() -> Iterator[bytes]:
            nonlocal size_bytes
            for piece in pieces:
                hashed.update(piece)
                size_bytes += len(piece)
                yield piece

        yield from self._zip.member(f"{bag_name(self._export_id)}/{path}", watched())
        self.last = BundledFile(path, hashed.hexdigest(), size_bytes)
        if is_payload(path):
            self._list(self.last)
        elif path != TAG_MANIFEST:
            self._tags.append(self.last)

    def tell_rest(self) -> None:
        """Tell what was not told yet: before the seal is asked for."""
        if self._untold:
            self._tell(AddSealedFiles(self._export_id, self._told, tuple(self._untold)))
            self._told += len(self._untold)
            self._untold = []

    def manifest(self) -> Iterator[bytes]:
        """MANIFEST: every payload file, in the order told; `last` holds its hash then."""
        yield from self.file(MANIFEST, self._manifest.pieces())

    def end(self) -> Iterator[bytes]:
        """TAG_MANIFEST, and the end of the zip."""
        lines = "".join(f"{one.sha256}  {one.path}\n" for one in self._tags)
        yield from self.file(TAG_MANIFEST, [lines.encode("ascii")])
        yield from self._zip.end()

    def manifest_bytes(self) -> bytes:
        """MANIFEST again, whole."""
        return b"".join(self._manifest.pieces())

    def _list(self, listed: BundledFile) -> None:
        self.files += 1
        self.size_bytes += listed.size_bytes
        self._manifest.add(f"{listed.sha256}  {listed.path}\n".encode("ascii"))
        self._untold.append(SealedFile(listed.path, listed.sha256, listed.size_bytes))
        if len(self._untold) == _FILES_A_CALL:
            self.tell_rest()
