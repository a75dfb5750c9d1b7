"""A partition's file system, mounted where nobody sees it, for as long as it is written to.

It is mounted through a loop device over the stretch that was judged, whatever the kernel may
have made of the disk's table, without devices, programs or set-user-id files. It is attached to
no tree: whoever holds its descriptor reaches it, and it is unmounted when that is closed, however
the process ends (fsopen(2), fsmount(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from roeh.core.errors import ExportFailed
from roeh.usb.loop_device import loop_device
from roeh.usb.partitions import Partition

_FILE_SYSTEMS = ("ext4", "exfat", "vfat")
#: It is none of that kind, or this kernel does not know the kind.
_ANOTHER_KIND = (errno.EINVAL, errno.ENODEV)
#: The C library has no names for them everywhere; the numbers are those of every architecture.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
#: linux/mount.h.
_CLOEXEC = 1
_SET_STRING, _CMD_CREATE = 1, 6
_ATTR_NOSUID, _ATTR_NODEV, _ATTR_NOEXEC = 2, 4, 8
_LIBRARY = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def mounted(device: Path, partition: Partition) -> Iterator[Path]:
    """The partition's file system, as a directory that only this process has.

    Raises:
        ExportFailed: there is no file system that is taken.
        OSError: the disk is gone.
    """
    try:
        with loop_device(device, partition.start_bytes, partition.size_bytes) as block_device:
            root = _mounted(block_device)
    except OSError as error:
        raise ExportFailed(
            what=f"mounting failed ({error.strerror})",
            which=str(device),
            remedy="format its first partition with exFAT or ext4, and prepare it again",
        ) from error
    try:
        yield Path(f"/proc/self/fd/{root}")
    finally:
        os.close(root)


def sync_device(device: Path) -> None:
    """What was written to the device lies on it.

    Raises:
        OSError: it does not, or the device is gone.
    """
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mounted(block_device: Path) -> int:
    """The root of the first kind of file system that the kernel finds there."""
    for kind in _FILE_SYSTEMS:
        try:
            return _mounted_as(kind, block_device)
        except OSError as error:
            if error.errno not in _ANOTHER_KIND:
                raise
    raise OSError(errno.EINVAL, f"it has none of {', '.join(_FILE_SYSTEMS)}")


def _mounted_as(kind: str, block_device: Path) -> int:
    context = _called(_FSOPEN, kind.encode(), _CLOEXEC)
    try:
        _called(_FSCONFIG, context, _SET_STRING, b"source", bytes(block_device), 0)
        # The file system itself may ask for a panic at its first error.
        _called(_FSCONFIG, context, _SET_STRING, b"errors", b"remount-ro", 0)
        _called(_FSCONFIG, context, _CMD_CREATE, None, None, 0)
        return _called(_FSMOUNT, context, _CLOEXEC, _ATTR_NOSUID | _ATTR_NODEV | _ATTR_NOEXEC)
    finally:
        os.close(context)


def _called(number: int, *arguments: int | bytes | None) -> int:
    answer: int = _LIBRARY.syscall(number, *arguments)
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return answer
