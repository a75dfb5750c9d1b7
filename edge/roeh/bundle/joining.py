"""Playable joins of an export: planned by the index, then made GOP by GOP.

A join ends where other GOPs lie between, where the format changes, and where the count of
stream signatures begins again. Behind the last GOP asked for it goes on until that one's
signature is in (bitstream/cut.py says why).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import msgspec

from roeh.bitstream.cut import MAX_LATE_GOPS, ClipGop, join
from roeh.bundle.choosing import StoredGop, placed
from roeh.bundle.reading import MAX_LATE_US, SegmentReader
from roeh.bundle.span_rows import CameraRows
from roeh.core.custody import SegmentRow
from roeh.core.gop import CodecConfig
from roeh.ledger.utc_spans import UtcSpan


class PlannedJoin(msgspec.Struct, frozen=True):
    """GOPs of a camera's rows by their place, counted over all of them from 0.

    From `first` to before `asked_end` they are asked for, to before `end` they bring
    signatures. Some between may not be readable.
    """

    first: int
    asked_end: int
    end: int
    config: CodecConfig
    size_bytes: int


class CameraPlan(msgspec.Struct, frozen=True):
    """What of a camera goes into the bundle.

    `last_row`: rows behind it in `rows` are not needed; -1: none is.
    """

    camera_id: str
    rows: CameraRows
    joins: tuple[PlannedJoin, ...]
    last_row: int

    def segments(self) -> Iterator[SegmentRow]:
        """The segments that go into it, in order."""
        return (row for row in self.rows.rows if row.row <= self.last_row)


def plan_camera(camera: CameraRows, wanted: UtcSpan, reader: SegmentReader) -> CameraPlan:
    """Which joins there are, and which segments are needed for them.

    Whole segments go, with one GOP at least past what is asked for where there is one.

    Raises:
        OSError: what was put aside cannot be read.
    """
    planner = _Planner(reader)
    for place, gop in enumerate(placed(camera.rows)):
        if gop.utc.overlaps(wanted):
            planner.take(place, gop)
        else:
            planner.pass_by(gop)
    planner.end_run()
    last_row = planner.last_row
    for row in camera.rows:
        # Deleted ones have no GOPs: that they are gone is told, too.
        if not row.is_present or not row.fragments:
            last_row = max(last_row, row.row)
    return CameraPlan(camera.camera_id, camera, tuple(planner.joins), last_row)


def gops_of(plan: CameraPlan, planned: PlannedJoin) -> Iterator[StoredGop]:
    """The GOPs of a join, unreadable ones among them."""
    return itertools.islice(placed(plan.rows.rows), planned.first, planned.end)


def joined(gops: Iterable[ClipGop], note: str) -> Iterator[bytes] | None:
    """The file, piece by piece; None when no GOP can be read."""
    read = iter(gops)
    first = next(read, None)
    return None if first is None else join(itertools.chain([first], read), note)


class Watched:
    """GOPs passing by on their way into a join, and what they were together.

    Args:
        stored: those of the join.
        asked_for: how many of them, from the first, are asked for.
    """

    def __init__(self, stored: Iterable[StoredGop], asked_for: int, reader: SegmentReader) -> None:
        self.gops = 0
        self.left_out = 0
        self.from_utc_us = 0
        self.to_utc_us = 0
        self.asked_to_utc_us = 0
        self._stored = stored
        self._asked_for = asked_for
        self._reader = reader

    def __iter__(self) -> Iterator[ClipGop]:
        for place, stored in enumerate(self._stored):
            read = next(self._reader.gops([stored]), None)
            if read is None:
                self.left_out += 1
                continue
            self._see(stored.utc, is_asked_for=place < self._asked_for)
            yield read

    def _see(self, when: UtcSpan, *, is_asked_for: bool) -> None:
        self.from_utc_us = when.from_us if not self.gops else self.from_utc_us
        self.to_utc_us = max(self.to_utc_us, when.to_us)
        if is_asked_for:
            self.asked_to_utc_us = max(self.asked_to_utc_us, when.to_us)
        self.gops += 1


class _Planner:
    def __init__(self, reader: SegmentReader) -> None:
        self.joins: list[PlannedJoin] = []
        self.last_row = -1
        self._reader = reader
        self._first: int | None = None
        self._size_bytes = 0
        self._last_place = 0
        self._last: StoredGop | None = None
        self._config: CodecConfig | None = None
        self._counter = 0
        self._following: list[StoredGop] = []

    def take(self, place: int, gop: StoredGop) -> None:
        """A GOP that is asked for."""
        if self._following:
            self.end_run()
        self.last_row = max(self.last_row, gop.segment.row)
        config = self._reader.config(gop.segment)
        if config is None:
            return
        is_counted_anew = 0 < gop.row.gop_counter <= self._counter
        if self._config is not None and (config != self._config or is_counted_anew):
            self._close(self._last_place + 1)
        if self._first is None:
            self._first, self._config, self._counter = place, config, 0
        self._counter = gop.row.gop_counter or self._counter
        self._size_bytes += gop.row.size_bytes
        self._last_place, self._last = place, gop

    def pass_by(self, gop: StoredGop) -> None:
        """One that is not: it may bring the signature of the last one that was."""
        if self._last is not None:
            self._following.append(gop)
            if len(self._following) == MAX_LATE_GOPS:
                self.end_run()

    def end_run(self) -> None:
        """Nothing that follows belongs to what was taken."""
        if self._last is not None:
            late = self._late(self._last)
            # One more than is asked for, so that what is in the end can be told from a cut.
            for gop in late or _near(self._last, self._following[:1]):
                self.last_row = max(self.last_row, gop.segment.row)
            self._close(self._last_place + 1 + len(late))
        self._following = []

    def _late(self, last: StoredGop) -> tuple[StoredGop, ...]:
        late = self._reader.late(last, self._following)
        # They stand behind the last one without a hole, or signatures would be torn apart.
        contiguous = tuple(self._following[: len(late)]) == late
        counters = [gop.row.gop_counter for gop in late if gop.row.gop_counter]
        is_ascending = all(
            before < after
            for before, after in itertools.pairwise([last.row.gop_counter, *counters])
        )
        return late if contiguous and is_ascending else ()

    def _close(self, end: int) -> None:
        if self._first is not None and self._config is not None:
            late_bytes = sum(
                gop.row.size_bytes for gop in self._following[: end - self._last_place - 1]
            )
            self.joins.append(
                PlannedJoin(
                    first=self._first,
                    asked_end=self._last_place + 1,
                    end=end,
                    config=self._config,
                    size_bytes=self._size_bytes + late_bytes,
                )
            )
        self._first, self._config, self._last = None, None, None
        self._counter = self._size_bytes = 0


def _near(last: StoredGop, following: list[StoredGop]) -> list[StoredGop]:
    return [gop for gop in following if gop.t_first_us - last.t_end_us <= MAX_LATE_US]
