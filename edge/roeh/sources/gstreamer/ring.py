"""Slots in sealed memory into which GStreamer's child writes frames, and who holds which.

A slot is the reader's from the child's word until its lease is let go. The memory can neither
grow nor shrink, so no read of it can fail, whatever the child does.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import weakref
from collections.abc import Callable

import numpy as np

from roeh.media.decode import PictureFormat
from roeh.media.frames import UInt8Image

#: Slots of a ring. The mailbox keeps four frames, one is being looked at, one is written.
SLOTS = 8
# So many are left to the child: before that, what is held longest is copied out.
_LEFT_FREE = 2
#: Nobody changes the size of such memory, nor this rule.
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class FrameLease:
    """The pixels of one frame, in a slot or, when slots grow short, in memory of their own.

    Args:
        pixels: the slot.
        layout: of the pixels.
        let_go: gives the slot back; called once, in whatever thread is the last to hold it.
    """

    def __init__(
        self, pixels: UInt8Image, layout: PictureFormat, let_go: Callable[[], None]
    ) -> None:
        self._pixels = pixels
        self._layout = layout
        self._lock = threading.Lock()
        self._let_go = weakref.finalize(self, let_go)
        self._let_go.atexit = False

    def write_into(self, out: UInt8Image) -> None:
        """Write the pixels into an array of the frames' shape."""
        with self._lock:
            np.copyto(out, self._pixels)

    def copy_out(self) -> None:
        """Keep the pixels elsewhere and give the slot back."""
        with self._lock:
            self._pixels = self._pixels.copy()
        self._let_go()


class FrameRing:
    """The memory for frames, and who holds which slot.

    Args:
        layout: of all frames.

    Attributes:
        descriptor: of the memory, for the child.
        stride_bytes: from slot to slot.
    """

    def __init__(self, layout: PictureFormat) -> None:
        self._shape = layout.shape()
        self._layout = layout
        self._slot_bytes = int(np.prod(self._shape))
        self.stride_bytes = -(-self._slot_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        size_bytes = self.stride_bytes * SLOTS
        self.descriptor = os.memfd_create("roeh-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, size_bytes)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, SEALS)
            self._memory = mmap.mmap(self.descriptor, size_bytes, prot=mmap.PROT_READ)
        except BaseException:
            self.close()
            raise
        self._leases: dict[int, weakref.ref[FrameLease]] = {}

    def lease(self, slot: int, let_go: Callable[[], None]) -> FrameLease:
        """The frame that now lies in a slot; makes room when too few are free."""
        start = slot * self.stride_bytes
        pixels: UInt8Image = np.frombuffer(self._memory, np.uint8, self._slot_bytes, start).reshape(
            self._shape
        )
        lease = FrameLease(pixels, self._layout, let_go)
        self._leases.pop(slot, None)
        # In order of time: the first one is held longest.
        self._leases = {key: one for key, one in self._leases.items() if one() is not None}
        self._leases[slot] = weakref.ref(lease)
        for key in list(self._leases)[: max(0, len(self._leases) - (SLOTS - _LEFT_FREE))]:
            oldest = self._leases.pop(key)()
            if oldest is not None:
                oldest.copy_out()
        return lease

    def close(self) -> None:
        """Let go of the descriptor; frames keep what they map."""
        os.close(self.descriptor)
