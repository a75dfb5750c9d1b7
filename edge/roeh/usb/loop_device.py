"""A loop device over a stretch of a disk: a block device that ends where the stretch does.

linux/loop.h, loop(4). The device is freed by the kernel when nobody has it open or mounted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_LOOP_CONFIGURE, _LOOP_CTL_GET_FREE = 0x4C0A, 0x4C82
_LO_FLAGS_AUTOCLEAR = 4
#: struct loop_config: file, block size, struct loop_info64 (device, inode, rdevice, offset, size
#: limit, number, encryption's type and key size, flags, two names, key, two words), reserved.
_CONFIG = struct.Struct("II QQQQQ IIII 64s64s32s QQ 64x")
#: Somebody else may take the one that was free.
_ATTEMPTS = 16


@contextlib.contextmanager
def loop_device(disk: Path, start_bytes: int, size_bytes: int) -> Iterator[Path]:
    """The name of a loop device over that stretch, its own as long as it is open or mounted.

    Raises:
        OSError: there is none to be had, or the disk cannot be opened.
    """
    backing = os.open(disk, os.O_RDWR | os.O_CLOEXEC)
    try:
        path, descriptor = _configured(backing, start_bytes, size_bytes)
    finally:
        os.close(backing)
    try:
        yield path
    finally:
        os.close(descriptor)


def _configured(backing: int, start_bytes: int, size_bytes: int) -> tuple[Path, int]:
    config = _CONFIG.pack(
        backing, 0,
        0, 0, 0, start_bytes, size_bytes,
        0, 0, 0, _LO_FLAGS_AUTOCLEAR,
        b"", b"", b"",
        0, 0,
    )  # fmt: skip
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            path = Path(f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}")
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(descriptor, _LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(descriptor)
                if error.errno != errno.EBUSY:
                    raise
            else:
                return path, descriptor
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
