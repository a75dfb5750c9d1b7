"""The child that reads a raw disk: nobody, in a sandbox, with two descriptors and no name.

Its standard input is the disk; it reads two stretches of it, parses them and writes one
ReadAnswer. Run as `python -m roeh.usb.reader SECTOR_BYTES DISK_BYTES` by usb/reading.py.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

import msgspec

from roeh.core.errors import EXIT_OK, EXIT_USAGE, ExportFailed, RoehError, RuntimeMissing
from roeh.core.parent import die_with_parent
from roeh.core.sandbox import SandboxLimits, SandboxMissing, confine
from roeh.usb.order import (
    MAX_ORDER_BYTES,
    ORDER_OFFSET_BYTES,
    Order,
    decode_order,
    encode_order,
)
from roeh.usb.partitions import TABLE_BYTES, first_partition
from roeh.usb.reading import MAX_ANSWER_BYTES, ReadAnswer

_DISK, _ANSWER = 0, 1
_LIMITS = SandboxLimits(
    memory_bytes=64 * 1024 * 1024, cpu_s=10, wall_s=60, file_bytes=MAX_ANSWER_BYTES
)
_ENCODER = msgspec.msgpack.Encoder()


def main() -> NoReturn:
    """Give up everything, read, parse, answer, end."""
    if len(sys.argv) != 3 or not die_with_parent():
        os._exit(EXIT_USAGE)
    sector_bytes, disk_bytes = int(sys.argv[1]), int(sys.argv[2])
    # What is used inside has been used once: nothing can be loaded any more then.
    _rehearse()
    try:
        confine(_LIMITS)
        answer = answered(_DISK, sector_bytes, disk_bytes)
    except SandboxMissing as error:
        answer = _refusal(
            RuntimeMissing(
                what=f"a disk is read in a sandbox alone, and there is none ({error})",
                which="seccomp",
                remedy="install libseccomp2, and roeh with the node extra",
            )
        )
    except RoehError as error:
        answer = _refusal(error)
    _write(_ENCODER.encode(answer))
    os._exit(EXIT_OK)


def _refusal(error: RoehError) -> ReadAnswer:
    return ReadAnswer(
        code=error.code, what=error.what[:500], which=error.which[:500], remedy=error.remedy
    )


def _rehearse() -> None:
    """Parse an order, a table, and one of each that cannot be."""
    written = encode_order(Order(request_p7m=b"r", approval_p7m=b"a"))
    decode_order(written)
    for table in (bytes(TABLE_BYTES), bytes(446) + bytes(64) + b"\x55\xaa"):
        with contextlib.suppress(ExportFailed):
            first_partition(table, 512, TABLE_BYTES)
    with contextlib.suppress(ExportFailed):
        decode_order(written[:-1])
    _ENCODER.encode(_refusal(ExportFailed(what="", which="", remedy="")))


def answered(descriptor: int, sector_bytes: int, disk_bytes: int) -> ReadAnswer:
    """What stands on the disk.

    Raises:
        ExportFailed: an order that cannot be read or answered.
    """
    order = decode_order(_read(descriptor, ORDER_OFFSET_BYTES, MAX_ORDER_BYTES))
    if order is None:
        return ReadAnswer()
    partition = first_partition(_read(descriptor, 0, TABLE_BYTES), sector_bytes, disk_bytes)
    return ReadAnswer(
        request_p7m=order.request_p7m,
        approval_p7m=order.approval_p7m,
        trust_list_p7m=order.trust_list_p7m,
        trust_list_version=order.trust_list_version,
        start_bytes=partition.start_bytes,
        size_bytes=partition.size_bytes,
    )


def _read(descriptor: int, offset: int, size_bytes: int) -> bytes:
    """That stretch, or what of it there is."""
    parts = []
    try:
        while size_bytes and (part := os.pread(descriptor, size_bytes, offset)):
            parts.append(part)
            offset, size_bytes = offset + len(part), size_bytes - len(part)
    except OSError as error:
        raise ExportFailed(
            what=f"the disk cannot be read ({error.strerror})",
            which=f"byte {offset}",
            remedy="put it in again, or take another disk",
        ) from None
    return b"".join(parts)


def _write(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(_ANSWER, view) :]


if __name__ == "__main__":
    main()
