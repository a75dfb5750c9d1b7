"""A bundle's zip: written as a stream in one pass, and read back without believing it.

What stands round the members is bundle/zip_framing.py's. `read_zip` accounts for every byte
of a file: each is a member's own, or what the writer would have put there.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from roeh.bundle.spill import Spill
from roeh.bundle.zip_framing import (
    CENTRAL_BYTES,
    END_BYTES,
    ZipEnd,
    ZipMember,
    central_entry,
    descriptor,
    ending,
    entry_bytes,
    is_plain_name,
    local_header,
    parse_ending,
    parse_entry,
)
from roeh.core.errors import BundleRefused, ExportFailed

_PIECE_BYTES: Final = 1 << 18


class ZipStream:
    """Makes the bytes of a zip, member by member; nothing is gone back to.

    Args:
        directory: where the lines of its directory are put aside.
    """

    def __init__(self, directory: Spill) -> None:
        self._directory = directory
        self._members = 0
        self.size_bytes = 0

    def member(self, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The bytes of the next member; all of them are to be taken before the next call.

        Raises:
            ExportFailed: no zip of ours has such a name.
        """
        if not is_plain_name(name):
            raise ExportFailed(
                what="a file cannot have this name in a bundle",
                which=repr(name[:200]),
                remedy="this is a fault of the software: report it",
            )
        offset_bytes, size_bytes, crc32 = self.size_bytes, 0, 0
        yield self._counted(local_header(name))
        for piece in pieces:
            crc32 = zlib.crc32(piece, crc32)
            size_bytes += len(piece)
            yield self._counted(piece)
        member = ZipMember(name, offset_bytes, size_bytes, crc32)
        self._directory.add(central_entry(member))
        self._members += 1
        yield self._counted(descriptor(member))

    def end(self) -> Iterator[bytes]:
        """The directory and what stands behind it: the last bytes."""
        end = ZipEnd(self._members, self._directory.size_bytes, self.size_bytes)
        for piece in self._directory.pieces():
            yield self._counted(piece)
        yield self._counted(ending(end))

    def _counted(self, piece: bytes) -> bytes:
        self.size_bytes += len(piece)
        return piece


class ZipFault(msgspec.Struct, frozen=True):
    """A byte of a zip that is not what the writer would have put there.

    `name`: of the member that it stands before or behind; `offset_bytes`: in the file.
    """

    name: str
    offset_bytes: int
    what: str


class ZipContents(msgspec.Struct, frozen=True):
    """The members in the order of the file, and what is wrong round them."""

    members: tuple[ZipMember, ...]
    faults: tuple[ZipFault, ...]


def read_zip(source: BinaryIO) -> ZipContents:
    """The members of a zip, every byte round them compared with what the writer writes.

    The members' own bytes are not read: see `member_pieces`.

    Raises:
        BundleRefused: its directory is not one that the writer writes, so that it cannot be
            told where members stand.
        OSError: it cannot be read.
    """
    size_bytes = source.seek(0, os.SEEK_END)
    end = _end(source, size_bytes)
    members = tuple(_entries(source, end))
    faults: list[ZipFault] = []
    place = 0
    seen: set[str] = set()
    for member in members:
        if member.offset_bytes != place:
            faults.append(ZipFault(member.name, place, "bytes that belong to no file"))
        if member.name in seen:
            faults.append(ZipFault(member.name, member.offset_bytes, "a file of a name twice"))
        seen.add(member.name)
        place = max(place, member.end_bytes)
        if member.offset_bytes < 0 or place > end.offset_bytes:
            raise _refused("a file that is said to go on into the directory", member.offset_bytes)
        header = local_header(member.name)
        faults += _differing(source, member.name, member.offset_bytes, header, "before")
        behind = member.content_bytes + member.size_bytes
        faults += _differing(source, member.name, behind, descriptor(member), "behind")
    if place != end.offset_bytes:
        name = members[-1].name if members else ""
        faults.append(ZipFault(name, place, "bytes that belong to no file"))
    return ZipContents(members, tuple(faults))


def member_pieces(source: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    """The content of a member. Its hash is in the manifest; its CRC is compared at the end.

    Raises:
        BundleRefused: its CRC is not what stands in the zip; all pieces were given before.
        OSError: it cannot be read.
    """
    crc32, left_bytes, place = 0, member.size_bytes, member.content_bytes
    while left_bytes:
        source.seek(place)
        piece = source.read(min(_PIECE_BYTES, left_bytes))
        if not piece:
            break
        crc32 = zlib.crc32(piece, crc32)
        left_bytes -= len(piece)
        place += len(piece)
        yield piece
    if left_bytes or crc32 != member.crc32:
        raise _refused(f"the CRC of {member.name} is another one", member.content_bytes)


def _end(source: BinaryIO, size_bytes: int) -> ZipEnd:
    begins = size_bytes - END_BYTES
    end = None
    if begins >= 0:
        source.seek(begins)
        end = parse_ending(source.read(END_BYTES))
    if end is None or end.offset_bytes + end.directory_bytes != begins:
        raise _refused("its end is not that of a bundle's zip", max(0, begins))
    return end


def _entries(source: BinaryIO, end: ZipEnd) -> Iterator[ZipMember]:
    place, stop = end.offset_bytes, end.offset_bytes + end.directory_bytes
    count = 0
    while place < stop:
        source.seek(place)
        head = source.read(min(CENTRAL_BYTES, stop - place))
        length = entry_bytes(head) if len(head) == CENTRAL_BYTES else None
        if length is None or place + length > stop:
            raise _refused("its directory is damaged", place)
        member = parse_entry(head + source.read(length - CENTRAL_BYTES))
        if member is None:
            raise _refused("its directory is damaged", place)
        yield member
        place += length
        count += 1
    if count != end.members:
        raise _refused(f"its directory has {count} files and says {end.members}", place)


def _differing(
    source: BinaryIO, name: str, offset_bytes: int, wanted: bytes, where: str
) -> Iterator[ZipFault]:
    source.seek(offset_bytes)
    found = source.read(len(wanted))
    if found == wanted:
        return
    first = next(
        (n for n, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other),
        min(len(found), len(wanted)),
    )
    yield ZipFault(name, offset_bytes + first, f"the zip's own bytes {where} a file differ")


def _refused(what: str, offset_bytes: int) -> BundleRefused:
    return BundleRefused(
        what=what,
        which=f"the zip, at byte {offset_bytes}",
        remedy="get the bundle again from the pole: it is not as it was written",
    )
