"""The timeline in a terminal: a character a moment."""

from __future__ import annotations

from typing import IO

from rich.console import Console
from rich.text import Text

from roeh.core.errors import one_line
from roeh.core.moments import length_text, utc_text
from roeh.custody.timeline import Keep, Lane, Timeline, axis_ticks_us
from roeh.ledger.utc_spans import UtcSpan

_LABEL_CHARS = 14
_TICK_CHARS = 12
#: What is drawn over what, the last on top.
_BARS: dict[Keep, tuple[str, str]] = {
    "deleted": ("·", "dim"),
    "plain": ("▒", ""),
    "locked": ("▓", "cyan"),
    "held": ("█", "magenta"),
}
_LEGEND = (
    "▒ recorded  ▓ locked by an alert  █ held  · deleted by rule  - gap  ▼ alert  ! clock step"
)


def print_timeline(timeline: Timeline, out: IO[str]) -> None:
    """One lane a camera, the axis in UTC, and what each sign means."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else 120)
    columns = max(20, console.width - _LABEL_CHARS - 2)
    when = timeline.when
    console.print(
        f"{utc_text(when.from_us)} to {utc_text(when.to_us)}, "
        f"{length_text(when.to_us - when.from_us)}"
    )
    steps = [" "] * columns
    for step in timeline.steps:
        steps[_column(when, step.t_utc_us, columns)] = "!"
    if timeline.steps:
        console.print(Text(_label("clock") + "".join(steps), style="red"))
    for lane in timeline.lanes:
        for line in _lane(lane, when, columns):
            console.print(line)
    console.print(Text(_label("UTC") + _axis(when, columns), style="dim"))
    console.print(Text(_LEGEND, style="dim"))
    if not timeline.is_synchronised:
        console.print("~ the clock was not synchronised for some of it", style="yellow")
    for step in timeline.steps:
        sign = "forwards" if step.by_us > 0 else "backwards"
        console.print(
            f"! {utc_text(step.t_utc_us)}: the clock stepped {length_text(abs(step.by_us))} {sign}",
            style="red",
        )


def _lane(lane: Lane, when: UtcSpan, columns: int) -> list[Text]:
    lines: list[Text] = []
    if lane.alerts:
        marks = [" "] * columns
        for alert in lane.alerts:
            marks[_column(when, alert.t_utc_us, columns)] = "▼"
        lines.append(Text(_label("") + "".join(marks), style="red"))
    cells = [(" ", "")] * columns
    for gap in lane.gaps:
        for column in _columns(when, gap.when, columns):
            cells[column] = ("-", "yellow")
    for keep, cell in _BARS.items():
        for bar in lane.bars:
            if bar.keep == keep:
                for column in _columns(when, bar.when, columns):
                    cells[column] = cell
    text = Text(_label(one_line(lane.camera_id)), style="bold")
    for sign, style in cells:
        text.append(sign, style=style or "default")
    return [*lines, text]


def _axis(when: UtcSpan, columns: int) -> str:
    axis = [" "] * columns
    for tick_us in axis_ticks_us(when, columns // _TICK_CHARS):
        text = "|" + utc_text(tick_us)[11:19]
        column = _column(when, tick_us, columns)
        if column + len(text) <= columns:
            axis[column : column + len(text)] = text
    return "".join(axis)


def _column(when: UtcSpan, t_us: int, columns: int) -> int:
    length_us = max(1, when.to_us - when.from_us)
    return min(columns - 1, max(0, (t_us - when.from_us) * columns // length_us))


def _columns(when: UtcSpan, span: UtcSpan, columns: int) -> range:
    last_us = max(span.from_us, span.to_us - 1)
    return range(_column(when, span.from_us, columns), _column(when, last_us, columns) + 1)


def _label(text: str) -> str:
    return f"{text[: _LABEL_CHARS - 1]:<{_LABEL_CHARS}}"
