"""Whether a group of pictures goes on from the one before, and why not if it does not.

Pure: what was, what came, and the answer. A camera's time is covered by segments and gaps;
this is what decides between them.
"""

from __future__ import annotations

import enum

import msgspec

from roeh.core.gop import TICKS_PER_S, CodecConfig, Discontinuity, Gop, StreamEnd

_US_PER_S = 1_000_000
#: Between two groups that follow each other: what a camera's own rhythm may vary by.
_TOLERANCE_US = 500_000
#: The same where something is said to have happened in between.
_TOLERANCE_WHEN_BROKEN_US = 100_000
#: By how much ticks and monotonic time may disagree between two groups of one file.
_TICKS_TOLERANCE = TICKS_PER_S


class EndReason(enum.Enum):
    """Why a segment ended: `end_reason` of its record."""

    FULL = "full"
    FORMAT_CHANGED = "format_changed"
    DISCONTINUITY = "discontinuity"
    SOURCE_ENDED = "source_ended"
    SOURCE_STALLED = "source_stalled"
    CAPTURE_STOPPED = "capture_stopped"
    STOPPED = "stopped"
    RECOVERED = "recovered"
    STORAGE_FULL = "storage_full"
    SYNC_FAILED = "sync_failed"


#: What a camera's stream ends with, as the end of its segment.
STREAM_ENDS = {end: EndReason(end.value) for end in StreamEnd}

#: Ends that explain why nothing followed; the others only close one file of several.
EXPLAINING_ENDS = frozenset(
    {
        EndReason.SOURCE_ENDED,
        EndReason.SOURCE_STALLED,
        EndReason.CAPTURE_STOPPED,
        EndReason.STOPPED,
        EndReason.STORAGE_FULL,
        EndReason.SYNC_FAILED,
    }
)


class GapReason(enum.Enum):
    """Why nothing was recorded: `reason` of a gap record."""

    POWER_CUT = "power_cut"
    STOPPED = "stopped"
    EVIDENCE_RESTART = "evidence_restart"
    CAPTURE_RESTART = "capture_restart"
    CAPTURE_STOPPED = "capture_stopped"
    SOURCE_ENDED = "source_ended"
    SOURCE_STALLED = "source_stalled"
    SOURCE_RECONNECTED = "source_reconnected"
    SOURCE_RESTARTED = "source_restarted"
    FORMAT_CHANGED = "format_changed"
    RING_FULL = "ring_full"
    GOP_TOO_LARGE = "gop_too_large"
    DAMAGED = "damaged"
    STORAGE_FULL = "storage_full"
    SYNC_FAILED = "sync_failed"


_OF_DISCONTINUITY = {
    Discontinuity.CAPTURE_START: GapReason.CAPTURE_RESTART,
    Discontinuity.SOURCE_RECONNECTED: GapReason.SOURCE_RECONNECTED,
    Discontinuity.SOURCE_RESTARTED: GapReason.SOURCE_RESTARTED,
    Discontinuity.FORMAT_CHANGED: GapReason.FORMAT_CHANGED,
    Discontinuity.RING_FULL: GapReason.RING_FULL,
    Discontinuity.GOP_TOO_LARGE: GapReason.GOP_TOO_LARGE,
    Discontinuity.DAMAGED: GapReason.DAMAGED,
}


class CameraEnd(msgspec.Struct, frozen=True):
    """Where a camera's recording stands: its newest group and what became of it.

    `end_reason` is that of its newest segment; None while that is open.
    """

    capture_id: str
    capture_seq: int
    boot_id: str
    t_end_mono_us: int
    t_end_utc_us: int
    end_reason: EndReason | None


def is_gap(before: CameraEnd, gop: Gop) -> bool:
    """Whether time went by that no picture covers."""
    if before.boot_id != gop.boot_id:
        return True
    follows = (
        gop.discontinuity is None
        and before.capture_id == gop.capture_id
        and gop.seq == before.capture_seq + 1
    )
    tolerance_us = _TOLERANCE_US if follows else _TOLERANCE_WHEN_BROKEN_US
    return gop.t_first_mono_us - before.t_end_mono_us > tolerance_us


def gap_reason(before: CameraEnd, gop: Gop, refused: EndReason | None) -> GapReason:
    """Why there was nothing between the two.

    `refused` is why the store itself took nothing lately, None if it did.
    """
    if refused is not None:
        return GapReason(refused.value)
    if before.end_reason is not None and before.end_reason in EXPLAINING_ENDS:
        return GapReason(before.end_reason.value)
    if before.boot_id != gop.boot_id:
        return GapReason.POWER_CUT
    if gop.discontinuity is not None:
        return _OF_DISCONTINUITY[gop.discontinuity]
    if before.capture_id != gop.capture_id:
        return GapReason.CAPTURE_RESTART
    return _unsaid_reason(before, gop)


def _unsaid_reason(before: CameraEnd, gop: Gop) -> GapReason:
    """Why time is missing in a stream that says it goes on."""
    if gop.seq != before.capture_seq + 1:
        return GapReason.RING_FULL
    if before.end_reason is EndReason.RECOVERED:
        return GapReason.EVIDENCE_RESTART
    return GapReason.SOURCE_STALLED


class FileSoFar(msgspec.Struct, frozen=True):
    """What an open segment holds, as far as it decides whether a group goes on in it.

    `last_dts` and `end_dts` are those of its last picture, on the scale of the stream.
    """

    capture_id: str
    capture_seq: int
    boot_id: str
    codec_config: CodecConfig
    is_masked: bool
    t_first_mono_us: int
    t_end_mono_us: int
    first_dts: int
    last_dts: int
    end_dts: int


def begun_by(gop: Gop) -> FileSoFar:
    """A file that holds this group alone."""
    return FileSoFar(
        capture_id=gop.capture_id,
        capture_seq=gop.seq,
        boot_id=gop.boot_id,
        codec_config=gop.codec_config,
        is_masked=gop.is_masked,
        t_first_mono_us=gop.t_first_mono_us,
        t_end_mono_us=gop.t_end_mono_us,
        first_dts=gop.units[0].dts,
        last_dts=gop.units[-1].dts,
        end_dts=end_dts(gop),
    )


def continued_by(file: FileSoFar, gop: Gop) -> FileSoFar:
    """The file with this group behind the others."""
    return msgspec.structs.replace(
        file,
        capture_seq=gop.seq,
        t_end_mono_us=gop.t_end_mono_us,
        last_dts=gop.units[-1].dts,
        end_dts=end_dts(gop),
    )


def why_not_into(file: FileSoFar, gop: Gop, segment_s: float) -> EndReason | None:
    """Why a group cannot go into the open file; None when it can."""
    if (
        gop.codec_config != file.codec_config
        or gop.is_masked != file.is_masked
        or gop.discontinuity is Discontinuity.FORMAT_CHANGED
    ):
        return EndReason.FORMAT_CHANGED
    if (
        gop.discontinuity is not None
        or gop.capture_id != file.capture_id
        or gop.seq != file.capture_seq + 1
        or gop.boot_id != file.boot_id
        or gop.t_first_mono_us - file.t_end_mono_us > _TOLERANCE_US
        or gop.units[0].dts <= file.last_dts
        or gop.units[0].dts - file.end_dts > _TICKS_TOLERANCE
    ):
        return EndReason.DISCONTINUITY
    if gop.t_first_mono_us - file.t_first_mono_us >= segment_s * _US_PER_S:
        return EndReason.FULL
    return None


def end_dts(gop: Gop) -> int:
    """Ticks at which the last picture ends, on the scale of the units' own dts."""
    lasted = (gop.t_end_mono_us - gop.t_first_mono_us) * TICKS_PER_S // _US_PER_S
    return max(gop.units[0].dts + lasted, gop.units[-1].dts + 1)
