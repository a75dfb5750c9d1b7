"""What is held, laid out along UTC: one lane a camera. No drawing and no IO."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from roeh.bundle.choosing import segment_utc
from roeh.core.errors import EvidenceRefused
from roeh.core.types import AlertPhase
from roeh.custody.holdings import Holdings, span_utc
from roeh.custody.listing import Chosen, gap_utc
from roeh.ledger.records import AlertRecord, ClockStepRecord, Record
from roeh.ledger.utc_spans import UtcSpan

#: Bodies of the records that are marks of a timeline.
MARKED = (AlertRecord, ClockStepRecord)

Keep = Literal["plain", "locked", "held", "deleted"]

#: Steps of an axis in seconds; beyond them whole days.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_DAY_S = 86_400
#: More than are written while a segment is open.
_LEAVES_BEFORE = 10_000
_US_PER_S = 1_000_000


class Bar(msgspec.Struct, frozen=True):
    """Segments that follow each other and are kept alike; `deleted` by rule, by record."""

    when: UtcSpan
    keep: Keep
    is_written: bool


class Gap(msgspec.Struct, frozen=True):
    """Nothing was recorded, by signed record."""

    when: UtcSpan
    reason: str


class Hold(msgspec.Struct, frozen=True):
    """What a person keeps."""

    when: UtcSpan
    hold_id: str
    person: str
    reason: str


class AlertMark(msgspec.Struct, frozen=True):
    """An alert was raised."""

    t_utc_us: int
    priority: int
    rule: str


class StepMark(msgspec.Struct, frozen=True):
    """UTC was stepped; the time is that of the new clock."""

    t_utc_us: int
    by_us: int


class Lane(msgspec.Struct, frozen=True):
    """One camera."""

    camera_id: str
    bars: tuple[Bar, ...]
    gaps: tuple[Gap, ...]
    locks: tuple[UtcSpan, ...]
    holds: tuple[Hold, ...]
    alerts: tuple[AlertMark, ...]


class Timeline(msgspec.Struct, frozen=True):
    """The whole picture; `when` is what the axis spans."""

    when: UtcSpan
    lanes: tuple[Lane, ...]
    steps: tuple[StepMark, ...]

    @property
    def worst_error_us(self) -> int:
        """The largest error that any segment states for its time."""
        errors = [bar.when.error_us for lane in self.lanes for bar in lane.bars]
        return max(errors, default=0)

    @property
    def is_synchronised(self) -> bool:
        """Whether the clock was, for every segment."""
        return all(bar.when.synchronised for lane in self.lanes for bar in lane.bars)


def timeline_of(holdings: Holdings, records: Iterable[Record], chosen: Chosen) -> Timeline:
    """Lay out what is held.

    Raises:
        EvidenceRefused: nothing was recorded then.
    """
    lanes_of = [name for name in holdings.cameras() if chosen.camera_id in (None, name)]
    bars = {name: _bars(holdings, chosen, name) for name in lanes_of}
    spans = [bar.when for camera in bars.values() for bar in camera]
    if not spans:
        raise EvidenceRefused(
            what="nothing is recorded there",
            which=chosen.camera_id or "all cameras",
            remedy="see roeh evidence list for what there is",
        )
    when = UtcSpan(
        from_us=max(min(span.from_us for span in spans), chosen.since_us or 0),
        to_us=min(max(span.to_us for span in spans), chosen.until_us or 2**53),
    )
    alerts, steps = _marks(holdings, records, when)
    lanes = tuple(
        Lane(
            camera_id=name,
            bars=bars[name],
            gaps=tuple(
                Gap(gap_utc(gap), gap.reason)
                for gap in holdings.gaps
                if gap.camera_id == name and gap_utc(gap).overlaps(when)
            ),
            locks=tuple(
                span
                for lock in holdings.locks
                if lock.state == "active" and lock.span.camera_id == name
                if (span := span_utc(lock.span, holdings.segments)) and span.overlaps(when)
            ),
            holds=_holds(holdings, name, when),
            alerts=tuple(mark for camera_id, mark in alerts if camera_id == name),
        )
        for name in lanes_of
    )
    return Timeline(when=when, lanes=lanes, steps=steps)


def first_leaf(holdings: Holdings) -> int:
    """The leaf from which on records are of the time of these segments, or later.

    A segment has its record when it closes: what happened since it began stands between that
    and the record of the one that was begun before it.
    """
    leaves = [segment.leaf for segment in holdings.segments if segment.leaf is not None]
    return max(0, min(leaves, default=0) - _LEAVES_BEFORE)


def axis_ticks_us(when: UtcSpan, at_most: int) -> tuple[int, ...]:
    """Round moments of UTC within the span, no more than `at_most`."""
    length_s = (when.to_us - when.from_us) / _US_PER_S
    fitting = (step for step in _STEPS_S if length_s / step <= at_most)
    step_s = next(fitting, None) or _DAY_S * max(1, -(-int(length_s) // (_DAY_S * at_most)))
    step_us = step_s * _US_PER_S
    first_us = -(-when.from_us // step_us) * step_us
    return tuple(range(first_us, when.to_us + 1, step_us))


def _bars(holdings: Holdings, chosen: Chosen, camera_id: str) -> tuple[Bar, ...]:
    bars: list[Bar] = []
    for segment in holdings.segments:
        when = segment_utc(segment)
        if segment.camera_id != camera_id or not chosen.takes(camera_id, when):
            continue
        keep: Keep = "plain"
        if not segment.is_present:
            keep = "deleted"
        elif segment.held:
            keep = "held"
        elif segment.locked:
            keep = "locked"
        bar = Bar(when, keep, is_written=segment.end_reason is None)
        last = bars[-1] if bars else None
        # A second's error of rounding is no gap: gaps are records of their own.
        if (
            last is not None
            and (last.keep, last.when.synchronised) == (keep, when.synchronised)
            and abs(when.from_us - last.when.to_us) < _US_PER_S
        ):
            joined = UtcSpan(
                from_us=last.when.from_us,
                to_us=max(last.when.to_us, when.to_us),
                error_us=max(last.when.error_us, when.error_us),
                synchronised=when.synchronised,
            )
            bars[-1] = Bar(joined, keep, bar.is_written)
        else:
            bars.append(bar)
    return tuple(bars)


def _holds(holdings: Holdings, camera_id: str, when: UtcSpan) -> tuple[Hold, ...]:
    return tuple(
        Hold(utc, hold.hold_id, hold.person, hold.reason)
        for hold in holdings.holds
        if hold.state != "released"
        for span in hold.spans
        if span.camera_id == camera_id
        and (utc := span_utc(span, holdings.segments)) is not None
        and utc.overlaps(when)
    )


def _marks(
    holdings: Holdings, records: Iterable[Record], when: UtcSpan
) -> tuple[list[tuple[str, AlertMark]], tuple[StepMark, ...]]:
    """Alerts with their cameras, and steps of the clock."""
    cameras = {lock.raised_id: lock.span.camera_id for lock in holdings.locks}
    alerts: list[tuple[str, AlertMark]] = []
    steps: list[StepMark] = []
    for record in records:
        body = record.body
        if not when.from_us <= record.t_utc_us <= when.to_us:
            continue
        if isinstance(body, AlertRecord) and body.phase == AlertPhase.RAISED.value:
            mark = AlertMark(record.t_utc_us, body.priority, body.rule)
            alerts.append((cameras.get(body.raised_id, ""), mark))
        elif isinstance(body, ClockStepRecord):
            steps.append(StepMark(record.t_utc_us, body.by_us))
    return alerts, tuple(steps)
