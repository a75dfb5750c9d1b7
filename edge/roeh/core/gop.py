"""Compressed video as it goes from capture to evidence: one group of pictures at a time.

Evidence holds no codec: what it stores are these bytes, and what it signs is what it
stored (edge/design/evidence-format.md).
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.types import Count, TimeUs, Uuid7

#: Ticks a second of `dts` and `pts`: those of MPEG systems (ISO/IEC 13818-1).
TICKS_PER_S = 90_000
#: The largest group of pictures that is taken: 15 s of a camera at 8 Mbit/s.
MAX_GOP_BYTES = 15 * 1024 * 1024
#: The most pictures in one.
MAX_GOP_UNITS = 2000

#: Ticks may start below zero where pictures are re-ordered.
Ticks = Annotated[int, Meta(ge=-(2**53), lt=2**53)]


class CodecConfig(msgspec.Struct, frozen=True):
    """What a decoder has to know before the first picture.

    `parameter_sets` are whole NAL units without start code or length: SPS then PPS for
    h264, VPS, SPS, PPS for h265. The size is that of the shown picture.
    """

    codec: Literal["h264", "h265"]
    parameter_sets: tuple[bytes, ...]
    width_px: Annotated[int, Meta(ge=16, le=16384)]
    height_px: Annotated[int, Meta(ge=16, le=16384)]


class AccessUnit(msgspec.Struct, frozen=True):
    """One coded picture: its NAL units, each behind its length in 4 bytes, big endian.

    `dts` and `pts` count ticks since the stream began; dts grows, pts is never before it.
    """

    nal_units: bytes
    dts: Ticks
    pts: Ticks
    is_key: bool


class Discontinuity(enum.Enum):
    """Why a group of pictures does not go on from the one before of the same camera."""

    CAPTURE_START = "capture_start"
    SOURCE_RECONNECTED = "source_reconnected"
    SOURCE_RESTARTED = "source_restarted"
    FORMAT_CHANGED = "format_changed"
    RING_FULL = "ring_full"
    GOP_TOO_LARGE = "gop_too_large"
    DAMAGED = "damaged"


class StreamEnd(enum.Enum):
    """Why no more pictures come from a camera for now."""

    SOURCE_ENDED = "source_ended"
    SOURCE_STALLED = "source_stalled"
    CAPTURE_STOPPED = "capture_stopped"


class Gop(msgspec.Struct, frozen=True, kw_only=True):
    """A key picture and those that follow up to the next one.

    Attributes:
        camera_id: the sensor.
        capture_id: of this run of capture; `seq` counts its groups for this camera from 1
            without holes as long as none was dropped.
        discontinuity: why it does not follow the one before; None when it does.
        is_complete: False when the stream ended inside it.
        t_first_mono_us: when the first picture was taken, in this boot.
        t_end_mono_us: when it ends, which is when the next picture was or would have been
            taken.
        t_utc_us: UTC of `t_first_mono_us`, off by at most `utc_error_us`.
        is_masked: whether the privacy masks are burnt into the pictures.
    """

    camera_id: str
    capture_id: Uuid7
    seq: Count
    discontinuity: Discontinuity | None
    is_complete: bool
    codec_config: CodecConfig
    units: Annotated[tuple[AccessUnit, ...], Meta(min_length=1, max_length=MAX_GOP_UNITS)]
    boot_id: str
    t_first_mono_us: TimeUs
    t_end_mono_us: TimeUs
    t_utc_us: TimeUs
    utc_error_us: TimeUs
    synchronised: bool
    is_masked: bool

    @property
    def size_bytes(self) -> int:
        """Bytes of its pictures."""
        return sum(len(unit.nal_units) for unit in self.units)
