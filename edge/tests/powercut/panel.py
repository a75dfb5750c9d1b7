"""A few numbers that the disk, the writer and the suite share, in memory.

The disk must answer the kernel while the writer waits for it, so neither may ask the
other: they look at the panel.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

#: Not before any write or flush that will ever be.
NEVER = 2**62


class _Numbers(ctypes.Structure):
    _fields_ = (
        ("writes", ctypes.c_uint64),
        ("flushes", ctypes.c_uint64),
        ("cut_at_write", ctypes.c_uint64),
        ("fail_write", ctypes.c_uint64),
        ("fail_from_flush", ctypes.c_uint64),
        ("has_failed", ctypes.c_uint64),
        ("is_cut", ctypes.c_uint64),
        ("acknowledged", ctypes.c_uint64),
        ("acknowledged_bytes", ctypes.c_uint64),
        ("unflushed_sectors", ctypes.c_uint64),
        ("kept_sectors", ctypes.c_uint64),
    )


class Panel:
    """The numbers, and the file of acknowledgements that they speak of.

    Attributes of `numbers`:
        writes, flushes: what the disk was asked for so far.
        cut_at_write: the power goes at this write.
        fail_write: this write fails, and no other.
        fail_from_flush: this flush and all later ones fail, without a cut.
        has_failed: a flush or write was made to fail.
        is_cut: the power is off.
        acknowledged: things so far, to see that it goes on.
        acknowledged_bytes: how long the file of acknowledgements was when it went.
        unflushed_sectors, kept_sectors: what was in the cache then, and what stayed of it.
    """

    def __init__(self, path: Path, acknowledgements: Path) -> None:
        self.path = path
        self.acknowledgements = acknowledgements
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(file, mmap.PAGESIZE)
            self.numbers = _Numbers.from_buffer(mmap.mmap(file, mmap.PAGESIZE))
        finally:
            os.close(file)

    def __reduce__(self) -> tuple[type[Panel], tuple[Path, Path]]:
        return Panel, (self.path, self.acknowledgements)

    def reset(self) -> None:
        """Before the power comes on."""
        for name, _ in _Numbers._fields_:
            setattr(self.numbers, name, 0)
        self.numbers.cut_at_write = NEVER
        self.numbers.fail_write = NEVER
        self.numbers.fail_from_flush = NEVER

    @property
    def is_over(self) -> bool:
        """Whether the disk takes nothing any more, or loses what it takes."""
        flushes_fail = self.numbers.flushes >= self.numbers.fail_from_flush
        return bool(self.numbers.is_cut or flushes_fail)

    @property
    def is_excused(self) -> bool:
        """Whether there is reason enough for refusing, and for ending."""
        return bool(self.numbers.is_cut or self.numbers.has_failed)

    def mark_cut(self) -> None:
        """The power goes now: only what is acknowledged already was promised."""
        if self.numbers.is_cut:
            return
        self.numbers.acknowledged_bytes = self.acknowledgements.stat().st_size
        self.numbers.is_cut = 1
