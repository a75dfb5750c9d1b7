"""A bundle's files by path, wherever they stand: below a directory, or in a stored zip."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from roeh.verify.bundles.contents import Content

_CHUNK_BYTES = 1 << 20
#: One line of JSON: a segment of ten minutes with its GOPs has some 500 kB.
MAX_LINE_BYTES = 8 << 20


class FileHash(msgspec.Struct, frozen=True):
    """Of a whole file; SHA-256 in lower-case hexadecimal."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Bag:
    """Files by path below the bag."""

    contents: Mapping[str, Content]

    def __contains__(self, path: object) -> bool:
        return path in self.contents

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """A whole file; None when it is not there, larger than that, or cannot be read."""
        content = self.contents.get(path)
        if content is None:
            return None
        try:
            with content.open() as file:
                found = file.read(max_bytes + 1)
        except OSError:
            return None
        return found if len(found) <= max_bytes else None

    def lines(self, path: str) -> Iterator[tuple[bytes, int]]:
        """Lines without their ends, each with its offset; the last may lack its end.

        One that is too long is given in pieces, which nobody can take for a line of ours.
        """
        content = self.contents.get(path)
        if content is None:
            return
        offset_bytes = 0
        try:
            with content.open() as file:
                while line := file.readline(MAX_LINE_BYTES):
                    yield line.removesuffix(b"\n"), offset_bytes
                    offset_bytes += len(line)
        except OSError:
            return

    def line_at(self, path: str, offset_bytes: int) -> bytes:
        """One line again; empty when it is not there any more."""
        content = self.contents.get(path)
        if content is None:
            return b""
        try:
            with content.open() as file:
                file.seek(offset_bytes)
                return file.readline(MAX_LINE_BYTES).removesuffix(b"\n")
        except OSError:
            return b""

    def hashed(self, path: str) -> FileHash | None:
        """A file's hash; None when it cannot be read to its end."""
        content = self.contents.get(path)
        if content is None:
            return None
        whole, size_bytes = hashlib.sha256(), 0
        try:
            with content.open() as file:
                while chunk := file.read(_CHUNK_BYTES):
                    whole.update(chunk)
                    size_bytes += len(chunk)
        except OSError:
            return None
        return FileHash(whole.hexdigest(), size_bytes)
