"""The timeline as a picture to be printed: dark on white, told apart without colour too.

No picture of anybody is in it. OpenCV's own letters are ASCII; others are drawn as `?`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.errors import one_line
from roeh.core.moments import length_text, utc_text
from roeh.custody.timeline import Gap, Keep, Lane, Timeline, axis_ticks_us
from roeh.ledger.utc_spans import UtcSpan

Color = tuple[int, int, int]
Picture = npt.NDArray[np.uint8]

_WIDTH_PX = 1800
_OVERSAMPLING = 2
_LEFT_PX, _RIGHT_PX = 200, 1740
_MARGIN_PX = 40
_NAME_PX, _NOTE_NAME_PX = 150, 500
_TOP_PX = 150
_LANE_PX = 112
_BAR_TOP_PX, _BAR_BOTTOM_PX = 42, 80
_NOTE_PX = 26
_MAX_NOTES = 16
_TICKS = 10

_WHITE: Color = (255, 255, 255)
_INK: Color = (40, 34, 30)
_FAINT: Color = (125, 118, 110)
_GRID: Color = (226, 222, 218)
_LANE: Color = (249, 247, 245)
_FILLS: dict[Keep, Color] = {
    "deleted": (238, 236, 234),
    "plain": (205, 190, 172),
    "locked": (70, 150, 235),
    "held": (120, 60, 25),
}
_ALERT: Color = (40, 40, 200)
_GAP: Color = (60, 60, 60)
_STEP: Color = (150, 30, 150)

_TITLE, _TEXT, _SMALL = 0.95, 0.6, 0.52


class Heading(msgspec.Struct, frozen=True):
    """What stands above and below the lanes."""

    title: str
    made: str
    ledger: str


def draw_timeline(timeline: Timeline, heading: Heading) -> Picture:
    """The picture, (height, 1800, 3) BGR; its height grows with the cameras."""
    notes = _notes(timeline)
    lanes_bottom = _TOP_PX + _LANE_PX * len(timeline.lanes)
    legend_top = lanes_bottom + 70
    notes_top = legend_top + 62
    height = notes_top + _NOTE_PX * len(notes) + 70
    sheet = _Sheet(height, timeline.when)
    sheet.text(heading.title, (_MARGIN_PX, 52), _TITLE, _INK, weight=3)
    when = timeline.when
    sheet.text(
        f"{utc_text(when.from_us)} to {utc_text(when.to_us)}"
        f"  ({length_text(when.to_us - when.from_us)}), {_trust(timeline)}",
        (_MARGIN_PX, 86),
        _TEXT,
        _INK,
    )
    for number in range(len(timeline.lanes)):
        sheet.box(_LEFT_PX, _RIGHT_PX, _lane_top(number) + 4, _lane_top(number + 1) - 4, _LANE)
    sheet.axis(_TOP_PX, lanes_bottom)
    for number, lane in enumerate(timeline.lanes):
        _draw_lane(sheet, lane, _lane_top(number))
    _draw_steps(sheet, timeline, lanes_bottom)
    _draw_legend(sheet, legend_top)
    for number, note in enumerate(notes):
        sheet.text(note, (_MARGIN_PX, notes_top + _NOTE_PX * number), _SMALL, _INK)
    sheet.text(f"{heading.ledger}  {heading.made}", (_MARGIN_PX, height - 26), _SMALL, _FAINT)
    return sheet.finished()


class _Sheet:
    """Paper: places are pixels of the finished picture."""

    def __init__(self, height_px: int, when: UtcSpan) -> None:
        shape = (height_px * _OVERSAMPLING, _WIDTH_PX * _OVERSAMPLING, 3)
        self._picture = np.full(shape, _WHITE, np.uint8)
        self._when = when

    def x_of(self, t_utc_us: int) -> float:
        """Where a moment is; what lies outside is at the edge."""
        when = self._when
        share = (t_utc_us - when.from_us) / max(1, when.to_us - when.from_us)
        return _LEFT_PX + min(1.0, max(0.0, share)) * (_RIGHT_PX - _LEFT_PX)

    def extent(self, span: UtcSpan) -> tuple[float, float]:
        """From where to where a span is; never nothing."""
        left, right = self.x_of(span.from_us), self.x_of(span.to_us)
        return left, max(right, left + 1.5)

    def box(
        self,
        left: float,
        right: float,
        top: float,
        bottom: float,
        fill: Color,
        *,
        edge: bool = False,
    ) -> None:
        """A filled rectangle, with an edge when it is to be told from its neighbour."""
        corners = (_scaled(left, top), _scaled(right, bottom))
        cv2.rectangle(self._picture, *corners, fill, -1)
        if edge and right - left > 3:
            cv2.rectangle(self._picture, *corners, _INK, 1, cv2.LINE_AA)

    def hatch(self, left: float, right: float, top: float, bottom: float, color: Color) -> None:
        """Diagonal lines, so that a print without colour tells too."""
        x = left - (bottom - top)
        while x < right:
            start, end = max(x, left), min(x + bottom - top, right)
            if end > start:
                self.line((start, bottom - (start - x)), (end, bottom - (end - x)), color, 1)
            x += 8

    def line(
        self, start: tuple[float, float], end: tuple[float, float], color: Color, width: int = 2
    ) -> None:
        """A straight line."""
        cv2.line(self._picture, _scaled(*start), _scaled(*end), color, width, cv2.LINE_AA)

    def dashed(self, x: float, top: float, bottom: float, color: Color) -> None:
        """A dashed vertical line."""
        y = top
        while y < bottom:
            self.line((x, y), (x, min(y + 7, bottom)), color, 3)
            y += 12

    def triangle(self, x: float, top: float, color: Color) -> None:
        """A mark that points down."""
        corners = [_scaled(x - 7, top), _scaled(x + 7, top), _scaled(x, top + 13)]
        cv2.fillPoly(self._picture, [np.asarray(corners, np.int32)], color, cv2.LINE_AA)

    def text(
        self,
        text: str,
        place: tuple[float, float],
        scale: float,
        color: Color,
        *,
        weight: int = 2,
        align: float = 0.0,
    ) -> None:
        """One line whose base is at `place`; `align` 0: begins there, 1: ends there."""
        shown = _drawable(text)
        x = place[0] - align * text_width_px(shown, scale)
        cv2.putText(
            self._picture,
            shown,
            _scaled(x, place[1]),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale * _OVERSAMPLING,
            color,
            weight,
            cv2.LINE_AA,
        )

    def axis(self, top: float, bottom: float) -> None:
        """Round moments of UTC; the day where it changes."""
        day = ""
        for tick_us in axis_ticks_us(self._when, _TICKS):
            x, text = self.x_of(tick_us), utc_text(tick_us)
            self.line((x, top), (x, bottom + 6), _GRID, 2)
            self.text(text[11:19], (x, bottom + 24), _SMALL, _INK, align=0.5)
            if text[:10] != day:
                day = text[:10]
                self.text(day, (x, bottom + 44), _SMALL, _INK, align=0.5)
        self.line((_LEFT_PX, bottom), (_RIGHT_PX, bottom), _INK, 2)
        self.text("UTC", (_LEFT_PX - 16, bottom + 24), _TEXT, _INK, align=1.0)

    def finished(self) -> Picture:
        """The picture at its final size."""
        size = (_WIDTH_PX, self._picture.shape[0] // _OVERSAMPLING)
        return np.asarray(cv2.resize(self._picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def text_width_px(text: str, scale: float) -> float:
    """How wide a line is."""
    size: Any = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale * _OVERSAMPLING, 2)
    return float(size[0][0]) / _OVERSAMPLING


def _lane_top(number: int) -> int:
    return _TOP_PX + _LANE_PX * number


def _draw_lane(sheet: _Sheet, lane: Lane, top: float) -> None:
    bar_top, bar_bottom = top + _BAR_TOP_PX, top + _BAR_BOTTOM_PX
    name = _fitted(lane.camera_id, _NAME_PX, _SMALL)
    sheet.text(name, (_LEFT_PX - 16, top + 68), _SMALL, _INK, align=1.0)
    for bar in lane.bars:
        left, right = sheet.extent(bar.when)
        sheet.box(left, right, bar_top, bar_bottom, _FILLS[bar.keep], edge=True)
        if bar.keep == "locked":
            sheet.hatch(left, right, bar_top, bar_bottom, _WHITE)
        if bar.keep == "deleted":
            sheet.line(
                (left, (bar_top + bar_bottom) / 2), (right, (bar_top + bar_bottom) / 2), _FAINT
            )
    for gap in lane.gaps:
        left, right = sheet.extent(gap.when)
        sheet.line((left, bar_top + 6), (left, bar_bottom - 6), _GAP)
        sheet.line((right, bar_top + 6), (right, bar_bottom - 6), _GAP)
        sheet.line((left, bar_bottom - 6), (right, bar_bottom - 6), _GAP)
        words = gap.reason.replace("_", " ")
        if text_width_px(words, _SMALL) + 10 < right - left:
            sheet.text(words, ((left + right) / 2, bar_top + 24), _SMALL, _GAP, align=0.5)
    for span in lane.locks:
        left, right = sheet.extent(span)
        sheet.box(left, right, bar_top - 9, bar_top - 4, _FILLS["locked"])
    for hold in lane.holds:
        left, right = sheet.extent(hold.when)
        sheet.box(left, right, bar_bottom + 5, bar_bottom + 11, _FILLS["held"])
    for alert in lane.alerts:
        sheet.triangle(sheet.x_of(alert.t_utc_us), bar_top - 25, _ALERT)


def _draw_steps(sheet: _Sheet, timeline: Timeline, bottom: float) -> None:
    free_from = 0.0
    for step in timeline.steps:
        x = sheet.x_of(step.t_utc_us)
        sheet.dashed(x, _TOP_PX - 10, bottom, _STEP)
        text = f"clock {_step_text(step.by_us)}"
        width = text_width_px(text, _SMALL)
        left = min(max(x - width / 2, _LEFT_PX), _RIGHT_PX - width)
        # One that would cover another stands in the notes alone.
        if left > free_from:
            sheet.text(text, (left, _TOP_PX - 18), _SMALL, _STEP)
            free_from = left + width + 12


def _draw_legend(sheet: _Sheet, top: float) -> None:
    x = float(_MARGIN_PX)
    names: Sequence[tuple[Keep, str]] = (
        ("plain", "recorded"),
        ("locked", "locked by an alert (line above: its span)"),
        ("held", "held by a person (line below: its span)"),
        ("deleted", "deleted by rule"),
    )
    for keep, words in names:
        sheet.box(x, x + 34, top, top + 18, _FILLS[keep], edge=True)
        if keep == "locked":
            sheet.hatch(x, x + 34, top, top + 18, _WHITE)
        if keep == "deleted":
            sheet.line((x, top + 9), (x + 34, top + 9), _FAINT)
        x = _legend_text(sheet, words, x + 42, top)
    sheet.line((x, top + 4), (x, top + 18), _GAP)
    sheet.line((x + 30, top + 4), (x + 30, top + 18), _GAP)
    sheet.line((x, top + 18), (x + 30, top + 18), _GAP)
    x = _legend_text(sheet, "gap", x + 38, top)
    sheet.triangle(x + 7, top + 3, _ALERT)
    x = _legend_text(sheet, "alert", x + 22, top)
    sheet.dashed(x + 4, top - 2, top + 20, _STEP)
    _legend_text(sheet, "clock step", x + 14, top)


def _legend_text(sheet: _Sheet, words: str, x: float, top: float) -> float:
    sheet.text(words, (x, top + 15), _SMALL, _INK)
    return x + text_width_px(words, _SMALL) + 30


def _notes(timeline: Timeline) -> list[str]:
    """Holds, clock steps and gaps in words, as many as there is room for."""
    notes: list[str] = []
    held: dict[str, str] = {}
    for lane in timeline.lanes:
        for hold in lane.holds:
            held[hold.hold_id] = f"Hold {hold.hold_id} by {hold.person}: {hold.reason}"
    notes += held.values()
    notes += [
        f"Clock step: {_step_text(step.by_us)}, at {utc_text(step.t_utc_us)} of the new time"
        for step in timeline.steps
    ]
    gaps = sorted(
        ((gap.when.from_us, lane.camera_id, gap) for lane in timeline.lanes for gap in lane.gaps),
        key=lambda row: row[:2],
    )
    notes += [
        f"Gap, {_fitted(camera_id, _NOTE_NAME_PX, _SMALL)}: {_gap_text(gap)}"
        for _, camera_id, gap in gaps
    ]
    if len(notes) > _MAX_NOTES:
        left = len(notes) - _MAX_NOTES + 1
        notes = [*notes[: _MAX_NOTES - 1], f"and {left} more: see roeh evidence list"]
    widest = _WIDTH_PX - 2 * _MARGIN_PX
    return [_fitted(note, widest, _SMALL) for note in notes]


def _gap_text(gap: Gap) -> str:
    when = gap.when
    return (
        f"{utc_text(when.from_us)} to {utc_text(when.to_us)} "
        f"({length_text(when.to_us - when.from_us)}), {gap.reason.replace('_', ' ')}"
    )


def _step_text(by_us: int) -> str:
    return f"{'+' if by_us > 0 else '-'}{length_text(abs(by_us))}"


def _trust(timeline: Timeline) -> str:
    error = length_text(timeline.worst_error_us)
    if timeline.is_synchronised:
        return f"times off by at most {error}"
    return f"the clock was not synchronised for some of it, times off by {error} or more"


def _fitted(text: str, width_px: float, scale: float) -> str:
    """A text cut so that it fits, and seen to be cut."""
    text = _drawable(text)
    if text_width_px(text, scale) <= width_px:
        return text
    while text and text_width_px(text + "...", scale) > width_px:
        text = text[:-1]
    return text + "..."


def _drawable(text: str) -> str:
    return one_line(text).encode("ascii", "replace").decode()


def _scaled(x: float, y: float) -> tuple[int, int]:
    return round(x * _OVERSAMPLING), round(y * _OVERSAMPLING)
