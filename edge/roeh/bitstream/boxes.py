"""Boxes of MP4 (ISO/IEC 14496-12, 4.2), walked without believing a size they state."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, Protocol

import msgspec

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.nal import Octets

#: A moov or moof larger than this is not read: that of a day at 10 pictures a second is smaller.
MAX_HEADER_BYTES = 16 * 1024 * 1024


class Bytes(Protocol):
    """Something to read from, by offsets of the whole file."""

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        ...

    def read(self, offset: int, size: int) -> memoryview:
        """What is there: fewer bytes than asked for at the end."""
        ...


class Box(msgspec.Struct, frozen=True):
    """One box: where it and its content begin, and where both end."""

    kind: bytes
    offset: int
    start: int
    end: int


class InMemory:
    """Bytes that are already here; the first has the offset `base`."""

    def __init__(self, octets: Octets, base: int = 0) -> None:
        self._view = memoryview(octets)
        self._base = base

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self._base + len(self._view)

    def read(self, offset: int, size: int) -> memoryview:
        """A part, not copied."""
        start = offset - self._base
        return self._view[start : start + size]


class InFile:
    """A file that can be sought; what is asked for is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = file.seek(0, io.SEEK_END)

    @property
    def end(self) -> int:
        """The size of the file when it was opened."""
        return self._end

    def read(self, offset: int, size: int) -> memoryview:
        """A part; never more is asked for than the file holds."""
        self._file.seek(offset)
        return memoryview(self._file.read(max(0, min(size, self._end - offset))))


def opened(source: Octets | BinaryIO) -> Bytes:
    """Bytes or a binary file, to read from by offset."""
    if isinstance(source, bytes | bytearray | memoryview):
        return InMemory(source)
    return InFile(source)


def boxes(source: Bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes one after the other between two offsets.

    Raises:
        Malformed: at the offset of a box that is cut off or does not fit.
    """
    while start < end:
        header = source.read(start, min(16, end - start))
        if len(header) < 8:
            raise Malformed("half a box", start)
        size, kind = struct.unpack_from(">I4s", header)
        header_bytes = 8
        if size == 1:
            if len(header) < 16:
                raise Malformed("half a box", start)
            size = int.from_bytes(header[8:16], "big")
            header_bytes = 16
        elif size == 0:
            size = end - start
        if not header_bytes <= size <= end - start:
            raise Malformed(f"a box of {size} bytes where {end - start} are left", start)
        yield Box(kind, start, start + header_bytes, start + size)
        start += size


def loaded(source: Bytes, box: Box) -> InMemory:
    """A box of headers, all of it in memory.

    Raises:
        Malformed: it is larger than any that is meant, or the file became shorter.
    """
    size = box.end - box.start
    if size > MAX_HEADER_BYTES:
        raise Malformed(f"a header of {size} bytes", box.offset)
    content = source.read(box.start, size)
    if len(content) < size:
        raise Malformed("a file that became shorter", box.offset)
    return InMemory(content, box.start)


def child(source: Bytes, box: Box, *path: bytes) -> Box:
    """The first box of each kind down a path.

    Raises:
        Malformed: there is none.
    """
    for kind in path:
        found = next(children(source, box, kind), None)
        if found is None:
            raise Malformed(f"no {kind.decode()} box", box.offset)
        box = found
    return box


def children(source: Bytes, box: Box, kind: bytes) -> Iterator[Box]:
    """The boxes of a kind directly in a box."""
    return (inner for inner in boxes(source, box.start, box.end) if inner.kind == kind)


class Fields:
    """Reads the content of a box from its start, big endian.

    Every method raises Malformed when the box ends too early.
    """

    def __init__(self, source: Bytes, box: Box) -> None:
        # A copy: an iterator over a memoryview that the garbage collector takes down in a
        # cycle, as an exception makes one, ends CPython 3.11 with a segmentation fault.
        self._content = bytes(source.read(box.start, box.end - box.start))
        self._box = box
        self._at = 0

    @property
    def offset(self) -> int:
        """Where in the file the next field is."""
        return self._box.start + self._at

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size > len(self._content) - self._at:
            raise Malformed(f"a {self._box.kind!r} box that ends too early", self._box.offset)
        self._at += size
        return self._content[self._at - size : self._at]

    def unsigned(self, size: int) -> int:
        """The next number, of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def version_and_flags(self) -> tuple[int, int]:
        """What a full box begins with."""
        return self.unsigned(1), self.unsigned(3)

    def table(self, columns: str, count: int) -> Iterator[tuple[int, ...]]:
        """Rows of struct's format characters, which all have to be there."""
        row = struct.Struct(">" + columns)
        return row.iter_unpack(self.take(row.size * count))
