"""What capture and detect say to each other about frames, and sound (core/ipc/slots.py)."""

from __future__ import annotations

import fcntl

import msgspec

from roeh.core.types import Frame

MAX_PACKET_BYTES = 4096

#: F_SEAL_FUTURE_WRITE of fcntl(2), Linux 5.1; Python does not name it yet.
_SEAL_FUTURE_WRITE = 0x10
#: Nobody resizes the memory, nobody maps it writable from now on, nobody adds a seal.
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | _SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL


class RingOpened(msgspec.Struct, frozen=True, tag=True):
    """Capture to detect, with the memory's descriptor: a camera's slots."""

    camera_id: str
    generation: int
    slot_bytes: int
    stride_bytes: int
    slot_count: int


class RingClosed(msgspec.Struct, frozen=True, tag=True):
    """Capture to detect: no more frames from this ring."""

    generation: int


class FrameOffered(msgspec.Struct, frozen=True, tag=True):
    """The doorbell: this slot is detect's now."""

    generation: int
    slot: int
    size_bytes: int
    frame: Frame


class FrameReleased(msgspec.Struct, frozen=True, tag=True):
    """Detect to capture: the slot is free."""

    generation: int
    slot: int


class SoundHeard(msgspec.Struct, frozen=True, tag=True):
    """Capture to detect: how loud it was since it said so last, whether pictures come or not.

    `level_db` is of the loudest 125 ms, as the microphone is calibrated.
    """

    level_db: float


ToDetect = RingOpened | RingClosed | FrameOffered | SoundHeard
