"""The timeline as shapes: for SVG and for the lines of a PDF alike."""

from __future__ import annotations

from roeh.bundle.report.digest import BarState, ReportFacts
from roeh.bundle.report.page import (
    Box,
    Drawing,
    Label,
    Pointer,
    Rule,
    Shape,
    ShapeStyle,
    code,
    isolated,
)
from roeh.bundle.report.words import Words
from roeh.core.moments import utc_text

#: Room at the right for half of the last time's text.
_WIDTH, _LEFT, _RIGHT = 1000.0, 120.0, 965.0
_ALERTS_TOP, _ALERTS_HEIGHT = 8.0, 26.0
_LANE_HEIGHT, _BAR_TOP, _BAR_HEIGHT = 44.0, 12.0, 18.0
_AXIS_HEIGHT = 40.0
_MIN_WIDTH = 1.5
_TICKS = 6
_MAX_NAME_CHARS = 16
_US_PER_S = 1_000_000
#: Steps of an axis, in seconds: round ones.
_STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
    86_400, 172_800,
)  # fmt: skip
_BARS: dict[BarState, ShapeStyle] = {
    "intact": "intact",
    "damaged": "damaged",
    "lost": "lost",
    "deleted": "deleted",
    "unproven": "unproven",
}


class _Axis:
    """From UTC to the drawing's own units."""

    def __init__(self, from_us: int, to_us: int) -> None:
        self.from_us, self.to_us = from_us, max(to_us, from_us + 1)

    def x(self, t_us: int) -> float:
        share = (t_us - self.from_us) / (self.to_us - self.from_us)
        return round(_LEFT + min(1.0, max(0.0, share)) * (_RIGHT - _LEFT), 2)

    def has(self, t_us: int) -> bool:
        return self.from_us <= t_us <= self.to_us

    def overlaps(self, from_us: int, to_us: int) -> bool:
        return from_us < self.to_us and to_us > self.from_us

    def box(self, style: ShapeStyle, from_us: int, to_us: int, y: float, height: float) -> Box:
        left = self.x(from_us)
        width = round(max(self.x(to_us) - left, _MIN_WIDTH), 2)
        return Box(style, min(left, _RIGHT - width), y, width, height)


def timeline(words: Words, facts: ReportFacts) -> Drawing:
    """Alerts above, a lane for each camera, the axis below; time runs from left to right."""
    export, digest = facts.export, facts.digest
    request = export.request
    ends = [bar.to_utc_us for bar in digest.bars] + [request.to_utc_us]
    starts = [bar.from_utc_us for bar in digest.bars] + [request.from_utc_us]
    axis = _Axis(min(starts), max(ends))
    lanes_top = _ALERTS_TOP + _ALERTS_HEIGHT
    bottom = lanes_top + _LANE_HEIGHT * len(export.cameras)
    shapes: list[Shape] = [axis.box("asked", request.from_utc_us, request.to_utc_us, 0.0, bottom)]
    shapes += _ticks(axis, bottom)
    shapes.append(Label(words.timeline_alert, _LEFT - 10, _ALERTS_TOP + 16, "end"))
    # A lock may be of an alert before or after: that one has no place on this axis.
    alerts = [alert for alert in digest.alerts if axis.has(alert.t_utc_us)]
    shapes += [Pointer("alert", axis.x(alert.t_utc_us), _ALERTS_TOP + 18) for alert in alerts]
    gaps = 0
    for number, camera in enumerate(export.cameras):
        top = lanes_top + _LANE_HEIGHT * number
        bar_top = top + _BAR_TOP
        shapes.append(Box("ground", _LEFT, bar_top, _RIGHT - _LEFT, _BAR_HEIGHT))
        shapes.append(Label(isolated(_short(camera.camera_id)), _LEFT - 10, bar_top + 13, "end"))
        shapes += [
            axis.box(_BARS[bar.state], bar.from_utc_us, bar.to_utc_us, bar_top, _BAR_HEIGHT)
            for bar in digest.bars
            if bar.camera_id == camera.camera_id
        ]
        for gap in camera.gaps:
            gaps += 1
            if axis.overlaps(gap.from_utc_us, gap.to_utc_us):
                middle = bar_top + _BAR_HEIGHT / 2 - 2
                shapes.append(axis.box("gap", gap.from_utc_us, gap.to_utc_us, middle, 4.0))
        for style, stretches, y in (
            ("lock", digest.locks, bar_top - 6),
            ("hold", digest.holds, bar_top + _BAR_HEIGHT + 2),
        ):
            shapes += [
                axis.box(_kept(style), kept.from_utc_us, kept.to_utc_us, y, 4.0)
                for kept in stretches
                if kept.camera_id == camera.camera_id
                and axis.overlaps(kept.from_utc_us, kept.to_utc_us)
            ]
    return Drawing(
        width=_WIDTH,
        height=bottom + _AXIS_HEIGHT,
        words=words.timeline_words.format(
            cameras=code(len(export.cameras)),
            start=code(utc_text(axis.from_us)),
            end=code(utc_text(axis.to_us)),
            gaps=code(gaps),
            alerts=code(len(alerts)),
            locks=code(len(digest.locks)),
            holds=code(len(digest.holds)),
        ),
        shapes=tuple(shapes),
        legend=_legend(words, shapes),
    )


def _kept(name: str) -> ShapeStyle:
    return "lock" if name == "lock" else "hold"


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARS else f"{name[: _MAX_NAME_CHARS - 1]}…"


def _ticks(axis: _Axis, bottom: float) -> list[Shape]:
    length_s = (axis.to_us - axis.from_us) / _US_PER_S
    step_s = next((step for step in _STEPS_S if length_s / step <= _TICKS), _STEPS_S[-1])
    while length_s / step_s > _TICKS:
        step_s *= 2
    step_us = step_s * _US_PER_S
    shapes: list[Shape] = []
    day = ""
    tick_us = -(-axis.from_us // step_us) * step_us
    while tick_us <= axis.to_us:
        x, text = axis.x(tick_us), utc_text(tick_us)
        shapes.append(Rule("axis", x, 0.0, bottom + 4))
        shapes.append(Label(code(text[11:19]), x, bottom + 18, "middle"))
        if text[:10] != day:
            day = text[:10]
            shapes.append(Label(code(day), x, bottom + 33, "middle"))
        tick_us += step_us
    return shapes


def _legend(words: Words, shapes: list[Shape]) -> tuple[tuple[ShapeStyle, str], ...]:
    """Only what is in the drawing."""
    names: tuple[tuple[ShapeStyle, str], ...] = (
        ("intact", words.legend_intact),
        ("damaged", words.legend_damaged),
        ("lost", words.legend_lost),
        ("unproven", words.legend_unproven),
        ("deleted", words.legend_deleted),
        ("gap", words.legend_gap),
        ("lock", words.legend_lock),
        ("hold", words.legend_hold),
        ("alert", words.legend_alert),
        ("asked", words.legend_asked),
    )
    used = {shape.style for shape in shapes if not isinstance(shape, Label)}
    return tuple((style, name) for style, name in names if style in used)
