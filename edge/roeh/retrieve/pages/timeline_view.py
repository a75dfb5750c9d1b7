"""What is held in a span, laid out for drawing and as a table. Pure.

The drawing and the table have the same content: whoever cannot see or point uses the table.
Places along the axis are percentages, so that one drawing fits a phone and a desk. Time goes
from left to right in every language, as on a player's own bar.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterable
from typing import Literal

import msgspec

from roeh.retrieve.pages.times import US_PER_S

Kind = Literal["recorded", "gap", "deleted", "locked", "held", "alert"]
KINDS: tuple[Kind, ...] = ("recorded", "gap", "deleted", "locked", "held", "alert")

#: More are not drawn or listed at once: a shorter span shows them.
MAX_ROWS = 400
_MAX_TICKS = 5
_STEPS_S = (1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
#: A mark is no narrower, or nobody would see it.
_MIN_WIDTH_PERCENT = 0.3
#: Spans that one tap chooses, in seconds.
SPANS_S = (60, 600, 3600, 21_600, 86_400)


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Something in one camera's time; an alert has no length.

    Attributes:
        detail: the reason of a gap or hold, the rule of an alert.
        id: of the hold or alert.
        error_us: how far off its times may be.
        is_written: a recording that still grows.
    """

    kind: Kind
    camera_id: str
    from_utc_us: int
    to_utc_us: int
    detail: str = ""
    id: str = ""
    priority: int = 0
    error_us: int = 0
    synchronised: bool = True
    is_written: bool = False


class Bar(msgspec.Struct, frozen=True):
    """One stretch as it is drawn."""

    x_percent: str
    width_percent: str
    stretch: Stretch


class Lane(msgspec.Struct, frozen=True):
    """One camera's row of the drawing, what lies below first."""

    camera_id: str
    bars: tuple[Bar, ...]


class Tick(msgspec.Struct, frozen=True):
    """A round moment of the pole's time."""

    x_percent: str
    t_utc_us: int


class TimelineView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page's content.

    Attributes:
        rows: in the order of their time.
        left_off: how many stretches are neither drawn nor listed.
        is_complete: False: the pole did not even look at all of them.
        worst_error_us: the largest error that any of them states for its time.
    """

    from_utc_us: int
    to_utc_us: int
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    tick_step_us: int
    rows: tuple[Stretch, ...]
    left_off: int
    is_complete: bool
    worst_error_us: int
    is_synchronised: bool

    @property
    def length_us(self) -> int:
        """How long the span is."""
        return self.to_utc_us - self.from_utc_us

    def of_length(self, length_us: int) -> tuple[int, int]:
        """A span of this length that ends where this one does."""
        return max(0, self.to_utc_us - length_us), self.to_utc_us

    def earlier(self) -> tuple[int, int]:
        """The span of the same length before."""
        return max(0, self.from_utc_us - self.length_us), self.from_utc_us

    def later(self) -> tuple[int, int]:
        """The span of the same length after."""
        return self.to_utc_us, self.to_utc_us + self.length_us


def timeline_view(
    stretches: Iterable[Stretch],
    cameras: Iterable[str],
    span_utc_us: tuple[int, int],
    zone: zoneinfo.ZoneInfo,
    *,
    is_complete: bool = True,
) -> TimelineView:
    """Lay out what overlaps the span; `span_utc_us` is (from, to), from before to."""
    from_us, to_us = span_utc_us
    inside = [
        one
        for one in stretches
        if one.from_utc_us < to_us and (one.to_utc_us > from_us or one.from_utc_us >= from_us)
    ]
    inside.sort(key=lambda one: (one.from_utc_us, one.camera_id, KINDS.index(one.kind)))
    shown = tuple(inside[:MAX_ROWS])
    names = list(dict.fromkeys([*cameras, *sorted({one.camera_id for one in shown})]))
    step_us = _step_us(to_us - from_us)
    recorded = [one for one in inside if one.kind == "recorded"]
    return TimelineView(
        from_utc_us=from_us,
        to_utc_us=to_us,
        lanes=tuple(Lane(name, tuple(_bars(shown, name, from_us, to_us))) for name in names),
        ticks=tuple(
            Tick(_percent(t_us - from_us, to_us - from_us), t_us)
            for t_us in _round_moments(from_us, to_us, step_us, zone)
        ),
        tick_step_us=step_us,
        rows=shown,
        left_off=len(inside) - len(shown),
        is_complete=is_complete,
        worst_error_us=max((one.error_us for one in recorded), default=0),
        is_synchronised=all(one.synchronised for one in recorded),
    )


def _bars(shown: Iterable[Stretch], camera_id: str, from_us: int, to_us: int) -> list[Bar]:
    mine = sorted(
        (one for one in shown if one.camera_id == camera_id),
        key=lambda one: KINDS.index(one.kind),
    )
    length_us = to_us - from_us
    bars = []
    for one in mine:
        begin_us = max(one.from_utc_us, from_us)
        width_us = max(0, min(one.to_utc_us, to_us) - begin_us)
        width_percent = max(100 * width_us / length_us, _MIN_WIDTH_PERCENT)
        bars.append(Bar(_percent(begin_us - from_us, length_us), f"{width_percent:.3f}", one))
    return bars


def _step_us(length_us: int) -> int:
    fitting = (step for step in _STEPS_S if length_us <= step * US_PER_S * _MAX_TICKS)
    step_s = next(fitting, None)
    if step_s is None:
        days = -(-length_us // (_STEPS_S[-1] * US_PER_S * _MAX_TICKS))
        step_s = days * _STEPS_S[-1]
    return step_s * US_PER_S


def _round_moments(
    from_us: int, to_us: int, step_us: int, zone: zoneinfo.ZoneInfo
) -> Iterable[int]:
    """Moments that are round by the pole's clock on the wall at the start of the span."""
    begin = datetime.datetime.fromtimestamp(from_us // US_PER_S, zone)
    offset = begin.utcoffset() or datetime.timedelta()
    offset_us = offset // datetime.timedelta(microseconds=1)
    first_us = -(-(from_us + offset_us) // step_us) * step_us - offset_us
    return range(first_us, to_us, step_us)


def _percent(part_us: int, whole_us: int) -> str:
    return f"{100 * part_us / whole_us:.3f}"
