"""The one form in which a bundle's zip is written: every byte that is not a member's own.

APPNOTE 6.3.10. Members are stored, their sizes and CRC stand behind them (bit 3), ZIP64
always, no times, no comments. So the zip round given members is determined, whichever
release wrote it: the verifier makes these bytes anew and compares.
"""

from __future__ import annotations

import re
import struct
from typing import Final

import msgspec

_VERSION: Final = 45
#: Made on Unix, so that `_ATTRIBUTES` are understood: a plain file that all may read.
_MADE_BY: Final = 3 << 8 | _VERSION
_ATTRIBUTES: Final = 0o100644 << 16
_BEHIND: Final = 0x0008
_STORED: Final = 0
#: 1980-01-01, the first day that a zip can tell.
_TIME: Final = 0
_DATE: Final = 1 << 5 | 1
_NOT_HERE: Final = 0xFFFFFFFF
_ZIP64: Final = 0x0001

_LOCAL: Final = struct.Struct("<4sHHHHHLLLHH")
_LOCAL_EXTRA: Final = struct.Struct("<HHQQ")
_DESCRIPTOR: Final = struct.Struct("<4sLQQ")
_CENTRAL: Final = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_CENTRAL_EXTRA: Final = struct.Struct("<HHQQQ")
_END64: Final = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END: Final = struct.Struct("<4sHHHHLLH")

MAX_NAME_BYTES: Final = 300
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")

#: What stands behind the directory, always.
END_BYTES: Final = _END64.size + _LOCATOR.size + _END.size
CENTRAL_BYTES: Final = _CENTRAL.size
DESCRIPTOR_BYTES: Final = _DESCRIPTOR.size


class ZipMember(msgspec.Struct, frozen=True):
    """One file in a zip. `offset_bytes` is of its local header, `name` its path."""

    name: str
    offset_bytes: int
    size_bytes: int
    crc32: int

    @property
    def content_bytes(self) -> int:
        """Where its content begins in the zip."""
        return self.offset_bytes + len(local_header(self.name))

    @property
    def end_bytes(self) -> int:
        """Where the next header stands."""
        return self.content_bytes + self.size_bytes + DESCRIPTOR_BYTES


class ZipEnd(msgspec.Struct, frozen=True):
    """How many members there are, and where their directory stands."""

    members: int
    directory_bytes: int
    offset_bytes: int


def is_plain_name(name: str) -> bool:
    """Whether it can be a member's: relative, no part begins with a dot, letters everywhere."""
    return len(name) <= MAX_NAME_BYTES and _NAME.fullmatch(name) is not None


def local_header(name: str) -> bytes:
    """What stands before a member's content."""
    encoded = name.encode("ascii")
    extra = _LOCAL_EXTRA.pack(_ZIP64, _LOCAL_EXTRA.size - 4, 0, 0)
    head = _LOCAL.pack(
        b"PK\x03\x04",
        _VERSION,
        _BEHIND,
        _STORED,
        _TIME,
        _DATE,
        0,
        _NOT_HERE,
        _NOT_HERE,
        len(encoded),
        len(extra),
    )
    return head + encoded + extra


def descriptor(member: ZipMember) -> bytes:
    """What stands behind a member's content."""
    return _DESCRIPTOR.pack(b"PK\x07\x08", member.crc32, member.size_bytes, member.size_bytes)


def central_entry(member: ZipMember) -> bytes:
    """A member's line in the directory."""
    encoded = member.name.encode("ascii")
    extra = _CENTRAL_EXTRA.pack(
        _ZIP64,
        _CENTRAL_EXTRA.size - 4,
        member.size_bytes,
        member.size_bytes,
        member.offset_bytes,
    )
    head = _CENTRAL.pack(
        b"PK\x01\x02",
        _MADE_BY,
        _VERSION,
        _BEHIND,
        _STORED,
        _TIME,
        _DATE,
        member.crc32,
        _NOT_HERE,
        _NOT_HERE,
        len(encoded),
        len(extra),
        0,
        0,
        0,
        _ATTRIBUTES,
        _NOT_HERE,
    )
    return head + encoded + extra


def ending(end: ZipEnd) -> bytes:
    """What stands behind the directory."""
    record = _END64.pack(
        b"PK\x06\x06",
        _END64.size - 12,
        _MADE_BY,
        _VERSION,
        0,
        0,
        end.members,
        end.members,
        end.directory_bytes,
        end.offset_bytes,
    )
    locator = _LOCATOR.pack(b"PK\x06\x07", 0, end.offset_bytes + end.directory_bytes, 1)
    return record + locator + _END.pack(b"PK\x05\x06", 0, 0, *([0xFFFF] * 2), *([_NOT_HERE] * 2), 0)


def parse_ending(content: bytes) -> ZipEnd | None:
    """What `ending` wrote; None when it did not write this."""
    if len(content) != END_BYTES:
        return None
    fields = _END64.unpack_from(content)
    end = ZipEnd(members=fields[6], directory_bytes=fields[8], offset_bytes=fields[9])
    try:
        return end if ending(end) == content else None
    except struct.error:  # sizes that together fit into no field
        return None


def entry_bytes(content: bytes) -> int | None:
    """How long the line of the directory is that begins so; None when none begins so.

    Args:
        content: CENTRAL_BYTES at least.
    """
    fields = _CENTRAL.unpack_from(content)
    if fields[0] != b"PK\x01\x02" or fields[10] > MAX_NAME_BYTES:
        return None
    return _CENTRAL.size + int(fields[10]) + _CENTRAL_EXTRA.size


def parse_entry(content: bytes) -> ZipMember | None:
    """What `central_entry` wrote; None when it did not write this."""
    fields = _CENTRAL.unpack_from(content)
    name = content[_CENTRAL.size : -_CENTRAL_EXTRA.size].decode("ascii", errors="replace")
    if not is_plain_name(name):
        return None
    extra = _CENTRAL_EXTRA.unpack_from(content, len(content) - _CENTRAL_EXTRA.size)
    member = ZipMember(name=name, offset_bytes=extra[4], size_bytes=extra[2], crc32=fields[7])
    return member if central_entry(member) == content else None
