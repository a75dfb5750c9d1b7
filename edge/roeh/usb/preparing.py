"""Preparing a disk for a pole: the order is written into the gap before its first partition."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from pathlib import Path

from roeh.core.errors import ExportFailed
from roeh.usb.order import (
    FIRST_PARTITION_BYTES,
    MAX_ORDER_BYTES,
    ORDER_OFFSET_BYTES,
    Order,
    decode_order,
    encode_order,
)
from roeh.usb.partitions import TABLE_BYTES, first_partition

_BLKSSZGET, _BLKGETSIZE64 = 0x1268, 0x80081272


def prepare_disk(device: Path, order: Order) -> None:
    """Write the order at its place, when nothing else is there; an order of before is replaced.

    Raises:
        ExportFailed: it is no whole disk, in use, without a partition table that leaves the
            gap, or something stands in the gap.
    """
    try:
        # Exclusively: the kernel refuses when it, or a partition of it, is mounted.
        descriptor = os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise _refused(device, error.strerror or str(error)) from error
    try:
        if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
            raise _refused(device, "it is no block device")
        _write(device, descriptor, encode_order(order))
    except OSError as error:
        raise _refused(device, error.strerror or str(error)) from error
    finally:
        os.close(descriptor)


def _write(device: Path, descriptor: int, encoded: bytes) -> None:
    sector_bytes = struct.unpack("i", fcntl.ioctl(descriptor, _BLKSSZGET, bytes(4)))[0]
    disk_bytes = struct.unpack("Q", fcntl.ioctl(descriptor, _BLKGETSIZE64, bytes(8)))[0]
    first_partition(os.pread(descriptor, TABLE_BYTES, 0), sector_bytes, disk_bytes)
    gap_bytes = FIRST_PARTITION_BYTES - ORDER_OFFSET_BYTES
    there = os.pread(descriptor, gap_bytes, ORDER_OFFSET_BYTES)
    if there.strip(b"\0") and not _is_order(there[:MAX_ORDER_BYTES]):
        raise _refused(device, "something stands before its first partition")
    # What an order of before leaves behind this one must not stay either.
    content = encoded.ljust(MAX_ORDER_BYTES, b"\0")
    if os.pwrite(descriptor, content, ORDER_OFFSET_BYTES) != len(content):
        raise _refused(device, "not all of the order could be written")
    os.fsync(descriptor)


def _is_order(there: bytes) -> bool:
    try:
        return decode_order(there) is not None
    except ExportFailed:
        # One that was cut short while it was written.
        return True


def _refused(device: Path, why: str) -> ExportFailed:
    return ExportFailed(
        what=f"the disk cannot be prepared ({why})",
        which=str(device),
        remedy="name a whole disk that is not mounted, its first partition from 4 MiB on",
    )
