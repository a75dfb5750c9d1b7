"""Stored GOPs on one scale of time, and runs of them: by the index alone, nothing is read here.

UTC is what each segment itself says: its first picture's time and the bound of its error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from roeh.bitstream.cut import MAX_LATE_GOPS
from roeh.core.custody import FragmentRow, SegmentRow
from roeh.ledger.utc_spans import UtcSpan


class StoredGop(msgspec.Struct, frozen=True):
    """A GOP as the index knows it: fragment `number` of a segment, from 0.

    `t_first_us` and `t_end_us` are on the one scale of its clip: the monotonic time of each
    boot, put where UTC says that the boot's first segment in the clip was.
    """

    segment: SegmentRow
    number: int
    t_first_us: int
    t_end_us: int

    @property
    def row(self) -> FragmentRow:
        """Its row in the index."""
        return self.segment.fragments[self.number]

    @property
    def utc(self) -> UtcSpan:
        """When it was, as its segment says."""
        return utc_within(self.segment, self.row.t_first_mono_us, self.row.t_end_mono_us)


class Run(msgspec.Struct, frozen=True):
    """GOPs that follow each other, and those behind them, which may bring signatures."""

    chosen: tuple[StoredGop, ...]
    following: tuple[StoredGop, ...]


def runs_of(gops: Iterable[StoredGop], takes: Callable[[StoredGop], bool]) -> list[Run]:
    """The GOPs that are taken; more than one run when others lie between them."""
    runs: list[tuple[list[StoredGop], list[StoredGop]]] = []
    is_inside = False
    for gop in gops:
        if takes(gop):
            if not is_inside:
                runs.append(([], []))
            runs[-1][0].append(gop)
            is_inside = True
        else:
            is_inside = False
            if runs and len(runs[-1][1]) < MAX_LATE_GOPS:
                runs[-1][1].append(gop)
    return [Run(tuple(chosen), tuple(following)) for chosen, following in runs]


def placed(segments: Iterable[SegmentRow]) -> Iterator[StoredGop]:
    """All their GOPs on one scale of time, which goes forwards whatever UTC did."""
    boot_id = ""
    offset_us = end_us = 0
    for segment in segments:
        if segment.boot_id != boot_id:
            boot_id = segment.boot_id
            own_us = segment.t_utc_us - segment.t_first_mono_us
            offset_us = max(own_us, end_us - segment.t_first_mono_us)
        for number, row in enumerate(segment.fragments):
            end_us = row.t_end_mono_us + offset_us
            yield StoredGop(segment, number, row.t_first_mono_us + offset_us, end_us)


def segment_utc(segment: SegmentRow) -> UtcSpan:
    """When a segment was recorded."""
    return utc_within(segment, segment.t_first_mono_us, segment.t_end_mono_us)


def utc_within(segment: SegmentRow, from_mono_us: int, to_mono_us: int) -> UtcSpan:
    """When a stretch of its boot's monotonic time was, as the segment says."""
    offset_us = segment.t_utc_us - segment.t_first_mono_us
    return UtcSpan(
        from_us=from_mono_us + offset_us,
        to_us=to_mono_us + offset_us,
        error_us=segment.utc_error_us,
        synchronised=segment.synchronised,
    )
