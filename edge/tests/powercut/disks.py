"""Disks whose power can be cut, each as a file system with something of its own to lose.

volatile: loses a random part of what was written and not flushed, in any order.
shutdown: ext4 stops at once (FS_IOC_SHUTDOWN); lost is what the kernel had not written.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.powercut import volatile_disk
from tests.powercut.forks import start
from tests.powercut.mounts import loop_device, mounted, unmount
from tests.powercut.panel import NEVER, Panel
from tests.waiting import wait_until

#: ioctl_xfs_goingdown(2), which ext4 has too: stop without writing the journal out.
_FS_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_JOURNAL = 2
#: /sys/block/*/stat: writes completed.
_WRITES_FIELD = 4
_LOOK_EACH_S = 0.0002
_PATIENCE_S = 20.0


class DiskKind(enum.Enum):
    """How the power goes."""

    VOLATILE = "volatile"
    SHUTDOWN = "shutdown"


@contextlib.contextmanager
def powered(
    kind: DiskKind, image: Path, place: Path, panel: Panel, seed: int = 0
) -> Iterator[Path]:
    """The file system in `image`, mounted, until the power goes or the block is left.

    Afterwards `image` is what is left. The panel says when the power is to go.
    """
    panel.reset()
    if kind is DiskKind.VOLATILE:
        with _volatile(image, place, panel, seed) as point:
            yield point
    else:
        with _shutdown(image, place, panel) as point:
            yield point


def cut_now(kind: DiskKind, point: Path, panel: Panel) -> None:
    """The power goes without waiting for a write of anybody's."""
    if kind is DiskKind.SHUTDOWN:
        cut_by_ioctl(point, panel)
        return
    panel.numbers.cut_at_write = 0
    with contextlib.suppress(OSError):
        file = os.open(point / "last-write", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def cut_by_ioctl(point: Path, panel: Panel) -> None:
    """ext4 stops."""
    with contextlib.suppress(OSError):  # it has stopped already
        directory = os.open(point, os.O_RDONLY)
        try:
            panel.mark_cut()
            fcntl.ioctl(directory, _FS_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_JOURNAL))
        finally:
            os.close(directory)


@contextlib.contextmanager
def _volatile(image: Path, place: Path, panel: Panel, seed: int) -> Iterator[Path]:
    device = place / "device"
    device.mkdir(exist_ok=True)
    server = start(volatile_disk.serve, image, device, panel, seed)
    disk = device / volatile_disk.FILE_NAME
    try:
        wait_until(lambda: disk.exists() or not server.is_alive(), _PATIENCE_S)
        with mounted(disk, place / "disk") as point:
            yield point
    finally:
        if device.is_mount():
            unmount(device)
        server.join(_PATIENCE_S)
        server.kill()
        server.join(_PATIENCE_S)


@contextlib.contextmanager
def _shutdown(image: Path, place: Path, panel: Panel) -> Iterator[Path]:
    over = threading.Event()
    with mounted(image, place / "disk") as point:
        statistics = Path("/sys/block", loop_device(point), "stat")
        watcher = threading.Thread(target=_cut_in_time, args=(statistics, point, panel, over))
        watcher.start()
        try:
            yield point
        finally:
            over.set()
            watcher.join()


def _cut_in_time(statistics: Path, point: Path, panel: Panel, over: threading.Event) -> None:
    """Watch the device's count of writes; nothing tells of each one by itself."""
    before = _writes(statistics)
    while not over.wait(_LOOK_EACH_S):
        panel.numbers.writes = _writes(statistics) - before
        if panel.numbers.is_cut:
            return
        if panel.numbers.writes >= panel.numbers.cut_at_write < NEVER:
            cut_by_ioctl(point, panel)
            return


def _writes(statistics: Path) -> int:
    return int(statistics.read_text(encoding="ascii").split()[_WRITES_FIELD])
