"""The order on a disk: a request, its approval and a trust list, at one fixed place.

Pure: bytes in, a frozen order out. What was signed is not looked into here; evidence alone
judges it. The layout is edge/design/usb.md's table.
"""

from __future__ import annotations

import hashlib
import struct

import msgspec

from roeh.core.errors import ExportFailed, MessageRefused
from roeh.core.retrieval import MAX_SIGNED_BYTES

#: Where on the raw device the order stands: behind partition tables, before the partitions.
ORDER_OFFSET_BYTES = 1024 * 1024
#: Before this no partition may begin, so that an order overwrites nobody's file system.
FIRST_PARTITION_BYTES = 4 * 1024 * 1024

_MAGIC = b"ROEH-USB-ORDER\r\n"
_VERSION = 1
#: Magic, version, three lengths, the trust list's version, SHA-256 of what follows.
_HEADER = struct.Struct(">16sIIIIQ32s")
#: The most that an order takes.
MAX_ORDER_BYTES = _HEADER.size + 3 * MAX_SIGNED_BYTES


class Order(msgspec.Struct, frozen=True):
    """What police ask a pole for, as they signed it.

    Attributes:
        request_p7m, approval_p7m: CMS, DER.
        trust_list_p7m: a trust list for the pole; empty: none.
        trust_list_version: what it says of itself, so that an older one is not offered;
            nothing rests on it.
    """

    request_p7m: bytes
    approval_p7m: bytes
    trust_list_p7m: bytes = b""
    trust_list_version: int = 0


def encode_order(order: Order) -> bytes:
    """The bytes that stand at ORDER_OFFSET_BYTES.

    Raises:
        MessageRefused: a part is empty that must be there, or too large.
    """
    parts = (order.request_p7m, order.approval_p7m, order.trust_list_p7m)
    for name, part in zip(("request", "approval", "trust list"), parts, strict=True):
        if len(part) > MAX_SIGNED_BYTES or (not part and name != "trust list"):
            raise MessageRefused(
                what=f"{len(part)} bytes, where 1 to {MAX_SIGNED_BYTES} are wanted",
                which=f"the {name} for the disk",
                remedy="name the file that roeh police wrote",
            )
    content = b"".join(parts)
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        *(len(part) for part in parts),
        order.trust_list_version,
        hashlib.sha256(content).digest(),
    )
    return header + content


def decode_order(raw: bytes) -> Order | None:
    """The order that begins with the first of these bytes; None: there is none, it is any disk.

    Args:
        raw: from ORDER_OFFSET_BYTES on, at most MAX_ORDER_BYTES of them.

    Raises:
        ExportFailed: it begins as an order and is none: cut short, another version, changed.
    """
    if not raw.startswith(_MAGIC):
        return None
    if len(raw) < _HEADER.size:
        raise _malformed("it is cut short")
    _, version, *sizes, trust_list_version, sha256 = _HEADER.unpack_from(raw)
    if version != _VERSION:
        raise _malformed(f"it is of version {version}, and this pole reads {_VERSION}")
    request_size, approval_size = sizes[:2]
    if not request_size or not approval_size or max(sizes) > MAX_SIGNED_BYTES:
        raise _malformed("its lengths cannot be")
    content = raw[_HEADER.size : _HEADER.size + sum(sizes)]
    if len(content) != sum(sizes):
        raise _malformed("it is cut short")
    if hashlib.sha256(content).digest() != sha256:
        raise _malformed("its checksum is wrong")
    return Order(
        request_p7m=content[:request_size],
        approval_p7m=content[request_size : request_size + approval_size],
        trust_list_p7m=content[request_size + approval_size :],
        trust_list_version=trust_list_version,
    )


def _malformed(why: str) -> ExportFailed:
    return ExportFailed(
        what=f"the order on the disk cannot be read ({why})",
        which=f"{ORDER_OFFSET_BYTES} bytes into the disk",
        remedy="prepare the disk again: roeh usb prepare",
    )
