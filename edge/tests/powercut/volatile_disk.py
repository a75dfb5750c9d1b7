"""A disk whose write cache forgets: one file in a FUSE file system, for a loop device.

Every write is in the cache, every fsync is a flush (a barrier). At the write that the
panel names the power goes: the medium keeps a random part of what was not flushed, and
everything asked afterwards fails, so that nothing can be acknowledged any more.

One thread serves all: it touches memory only, so the kernel never waits for itself.
"""

from __future__ import annotations

import errno
import mmap
import os
import random
import stat
from pathlib import Path

from tests.powercut.panel import Panel
from tests.powercut.sectors import VolatileSectors

#: The disk's file in its mount point.
FILE_NAME = "disk"


def serve(image: Path, point: Path, panel: Panel, seed: int) -> None:
    """Be the disk with the medium `image`, as POINT/disk, until it is unmounted."""
    # Chosen here since the binding would take the older library where there are both.
    os.environ["FUSE_LIBRARY_NAME"] = "fuse3"
    import mfusepy  # noqa: PLC0415 - loads the library

    with image.open("r+b") as file, mmap.mmap(file.fileno(), 0) as medium:
        disk = VolatileDisk(medium, panel, random.Random(seed))
        mfusepy.FUSE(
            disk,
            str(point),
            foreground=True,
            nothreads=True,
            fsname=str(point),
            attr_timeout=86400,
        )
        disk.end()


class VolatileDisk:
    """The callbacks of the file system; its paths are / and /disk."""

    use_ns = True

    def __init__(self, medium: mmap.mmap, panel: Panel, chance: random.Random) -> None:
        self._sectors = VolatileSectors(medium)
        self._size_bytes = len(medium)
        self._panel = panel
        self._numbers = panel.numbers
        self._chance = chance

    def end(self) -> None:
        """The disk is taken out: the power goes with it, if it had not gone."""
        if not self._numbers.is_cut:
            self._forget()

    def getattr(self, path: str, fh: object = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == f"/{FILE_NAME}":
            mode = stat.S_IFREG | 0o600
            return {"st_mode": mode, "st_nlink": 1, "st_size": self._size_bytes}
        raise OSError(errno.ENOENT, "no such file")

    def read(self, path: str, size: int, offset: int, fh: object) -> bytes:
        return self._sectors.read(offset, size)

    def write(self, path: str, content: bytes, offset: int, fh: object) -> int:
        self._fail_without_power()
        self._numbers.writes += 1
        if self._numbers.writes == self._numbers.fail_write:
            self._numbers.has_failed = 1
            raise OSError(errno.EIO, "the write failed")
        self._sectors.write(offset, content)
        if self._numbers.writes >= self._numbers.cut_at_write:
            self._lose_power()
        return len(content)

    def fsync(self, path: str, datasync: int, fh: object) -> None:
        self._fail_without_power()
        self._numbers.flushes += 1
        if self._numbers.flushes >= self._numbers.fail_from_flush:
            self._numbers.has_failed = 1
            raise OSError(errno.EIO, "the flush failed")
        self._sectors.flush()

    def _fail_without_power(self) -> None:
        if self._numbers.is_cut:
            raise OSError(errno.EIO, "no power")

    def _lose_power(self) -> None:
        self._panel.mark_cut()
        self._forget()
        self._fail_without_power()

    def _forget(self) -> None:
        self._numbers.unflushed_sectors = self._sectors.unflushed
        self._numbers.kept_sectors = self._sectors.power_off(self._chance)
