"""A partition, mounted where nobody else sees it, for as long as something is written to it.

It is mounted through a loop device over the stretch that was judged, whatever the kernel may
have made of the disk's table, without devices, programs or set-user-id files, in a mount
namespace of this process's own: when the process ends, however it does, it is unmounted.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from roeh.core.errors import ExportFailed
from roeh.usb.partitions import Partition

_CLONE_NEWNS = 0x0002_0000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_FILE_SYSTEMS = "ext4,exfat,vfat"
_SYNC_TIMEOUT_S = 600.0


@contextlib.contextmanager
def mounted(device: Path, partition: Partition) -> Iterator[Path]:
    """The partition's file system; synced and unmounted when this is left without an error.

    Raises:
        ExportFailed: there is no file system that is taken, or it cannot be unmounted.
    """
    _leave_shared_mounts()
    point = Path(tempfile.mkdtemp(prefix="roeh-usb-"))
    try:
        # The file system itself may ask for a panic at its first error.
        options = (
            "rw,nosuid,nodev,noexec,errors=remount-ro,loop,"
            f"offset={partition.start_bytes},sizelimit={partition.size_bytes}"
        )
        _run(["mount", "-t", _FILE_SYSTEMS, "-o", options, str(device), str(point)], device)
        try:
            yield point
        except BaseException:
            # The disk may be gone: whatever is left of it must not keep this from ending.
            subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)
            raise
        _run(["umount", str(point)], device)
    finally:
        # Only if it is empty: what may still be mounted there is somebody's.
        with contextlib.suppress(OSError):
            point.rmdir()


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


def _leave_shared_mounts() -> None:
    """From here on what is mounted is this process's alone (unshare(2), mount(2))."""
    library = ctypes.CDLL(None, use_errno=True)
    if (
        library.unshare(_CLONE_NEWNS) != 0
        or library.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) != 0
    ):
        number = ctypes.get_errno()
        raise ExportFailed(
            what=f"cannot mount for itself alone ({os.strerror(number)})",
            which="unshare",
            remedy="run it as root, as its unit does",
        )


def _run(command: list[str], device: Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SYNC_TIMEOUT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or error).strip().splitlines()
        raise ExportFailed(
            what=f"{command[0]} failed ({said[-1] if said else 'without a word'})",
            which=str(device),
            remedy="format its first partition with exFAT or ext4, and prepare it again",
        ) from error
