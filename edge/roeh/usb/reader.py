"""The child that reads a raw disk: nobody, without privileges to gain, files, network or time.

Its standard input is the disk; it reads two stretches of it, parses them and writes one
ReadAnswer. Run as `python -m roeh.usb.reader SECTOR_BYTES DISK_BYTES` by usb/reading.py.
"""

from __future__ import annotations

import os
import sys

import msgspec

from roeh.core.errors import EXIT_OK, EXIT_USAGE, ExportFailed, RoehError
from roeh.core.parent import die_with_parent
from roeh.usb.order import MAX_ORDER_BYTES, ORDER_OFFSET_BYTES, decode_order
from roeh.usb.partitions import TABLE_BYTES, first_partition
from roeh.usb.reading import ReadAnswer

_DISK, _ANSWER = 0, 1


def main() -> int:
    """Read, parse, answer; the exit status."""
    if len(sys.argv) != 3 or not die_with_parent():
        return EXIT_USAGE
    sector_bytes, disk_bytes = int(sys.argv[1]), int(sys.argv[2])
    encoder = msgspec.msgpack.Encoder()
    try:
        answer = answered(_DISK, sector_bytes, disk_bytes)
    except RoehError as error:
        answer = ReadAnswer(
            code=error.code, what=error.what[:500], which=error.which[:500], remedy=error.remedy
        )
    _write(encoder.encode(answer))
    return EXIT_OK


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
    sys.exit(main())
