"""Where the first partition of a disk lies: MBR and GPT, read with bounds. Pure.

The kernel's own reading is not used: it sees a disk before anybody has agreed to look at it,
and some kernels read no partition tables. Source: UEFI 2.10, chapter 5.
"""

from __future__ import annotations

import itertools
import struct
import uuid
import zlib

import msgspec

from roeh.core.errors import ExportFailed
from roeh.usb.order import FIRST_PARTITION_BYTES

#: The whole of it is looked for in so many first bytes, whatever the sector size.
TABLE_BYTES = 64 * 1024

_MBR_SIGNATURE = b"\x55\xaa"
_MBR_ENTRIES_AT, _MBR_ENTRY_BYTES, _MBR_ENTRIES = 446, 16, 4
_MBR_ENTRY = struct.Struct("<B3sB3sII")
_PROTECTIVE = 0xEE
_EXTENDED = frozenset({0x05, 0x0F, 0x85})

_GPT_SIGNATURE = b"EFI PART"
_GPT_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_GPT_ENTRY = struct.Struct("<16s16sQQ")
_MAX_GPT_ENTRIES = 128
_UNUSED = uuid.UUID(int=0).bytes


class Partition(msgspec.Struct, frozen=True):
    """A stretch of the disk, in bytes."""

    start_bytes: int
    size_bytes: int


def first_partition(head: bytes, sector_bytes: int, disk_bytes: int) -> Partition:
    """The partition that begins first.

    Args:
        head: the first TABLE_BYTES of the disk.
        sector_bytes: a logical sector's.
        disk_bytes: the whole disk's.

    Raises:
        ExportFailed: there is no partition table, none in it, or one that begins before
            FIRST_PARTITION_BYTES or ends behind the disk.
    """
    found = sorted(
        _gpt(head, sector_bytes) if _is_protective(head) else _mbr(head, sector_bytes),
        key=lambda partition: partition.start_bytes,
    )
    if not found:
        raise _unusable("there is no partition on it")
    if found[0].start_bytes < FIRST_PARTITION_BYTES:
        raise _unusable(f"its first partition begins at byte {found[0].start_bytes}")
    for before, after in itertools.pairwise(found):
        if before.start_bytes + before.size_bytes > after.start_bytes:
            raise _unusable("its partitions overlap")
    if found[-1].start_bytes + found[-1].size_bytes > disk_bytes:
        raise _unusable("a partition ends behind the end of the disk")
    return found[0]


def _mbr_entries(head: bytes) -> list[tuple[int, int, int]]:
    """Type, first sector and sectors of those in use.

    Raises:
        ExportFailed: no table.
    """
    if len(head) < 512 or head[510:512] != _MBR_SIGNATURE:
        raise _unusable("there is no partition table on it")
    entries = []
    for index in range(_MBR_ENTRIES):
        status, _, kind, _, start, sectors = _MBR_ENTRY.unpack_from(
            head, _MBR_ENTRIES_AT + index * _MBR_ENTRY_BYTES
        )
        if status not in (0x00, 0x80):
            # A file system that begins at the first sector ends it with the same signature.
            raise _unusable("there is no partition table on it")
        if kind:
            entries.append((kind, start, sectors))
    return entries


def _is_protective(head: bytes) -> bool:
    return any(kind == _PROTECTIVE for kind, _, _ in _mbr_entries(head))


def _mbr(head: bytes, sector_bytes: int) -> list[Partition]:
    partitions = []
    for kind, start, sectors in _mbr_entries(head):
        if kind in _EXTENDED:
            raise _unusable("it has an extended partition")
        if not start or not sectors:
            raise _unusable("its partition table is damaged")
        partitions.append(Partition(start * sector_bytes, sectors * sector_bytes))
    return partitions


def _gpt(head: bytes, sector_bytes: int) -> list[Partition]:
    header = head[sector_bytes : sector_bytes + _GPT_HEADER.size]
    if len(header) < _GPT_HEADER.size:
        raise _unusable("its partition table is damaged")
    fields = _GPT_HEADER.unpack(header)
    signature, _, header_size, header_crc, _, own_sector = fields[:6]
    entries_sector, count, entry_size, entries_crc = fields[-4:]
    blank = header[:16] + bytes(4) + header[20:]
    if (
        signature != _GPT_SIGNATURE
        or header_size != _GPT_HEADER.size
        or own_sector != 1
        or zlib.crc32(blank) != header_crc
        or entry_size != 128
        or not 1 <= count <= _MAX_GPT_ENTRIES
    ):
        raise _unusable("its partition table is damaged")
    start = entries_sector * sector_bytes
    entries = head[start : start + count * entry_size]
    if len(entries) != count * entry_size or zlib.crc32(entries) != entries_crc:
        raise _unusable("its partition table is damaged")
    partitions = []
    for at in range(0, len(entries), entry_size):
        kind, _, first, last = _GPT_ENTRY.unpack_from(entries, at)
        if kind == _UNUSED:
            continue
        if last < first:
            raise _unusable("its partition table is damaged")
        partitions.append(Partition(first * sector_bytes, (last - first + 1) * sector_bytes))
    return partitions


def _unusable(why: str) -> ExportFailed:
    return ExportFailed(
        what=f"the disk cannot take an export ({why})",
        which="its partition table",
        remedy=f"partition it anew, the first partition from {FIRST_PARTITION_BYTES} bytes on",
    )
