"""How notices are shown: lines for a machine, or a terminal with the poles below."""

from __future__ import annotations

import itertools
from typing import IO, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from roeh.core.clock import NS_PER_US, Clock, ClockReading
from roeh.core.errors import one_line
from roeh.desk.pole_columns import HEALTH_TITLES, health_cells
from roeh.desk.watch.notices import (
    AlertArrived,
    AlertEvicted,
    AlertsMissing,
    Notice,
    PoleCondition,
    PoleOffline,
    PoleSilent,
)
from roeh.desk.watch.picture import Picture, PoleView
from roeh.desk.wording import duration_text, json_line, notice_line

_URGENT_PRIORITY = 7
_REFRESHES_PER_S = 1
#: What a narrower terminal has no room for is in `roeh desk poles`.
_WIDE_COLUMNS = 110
_BOARD_TITLES = HEALTH_TITLES[2:]


class View(Protocol):
    """Where notices go."""

    def begin(self) -> None:
        """Before the first."""
        ...

    def show(self, notice: Notice) -> None:
        """A notice."""
        ...

    def say(self, line: str) -> None:
        """A word on the connection itself."""
        ...

    def refresh(self, picture: Picture, now: ClockReading) -> None:
        """Time passed."""
        ...

    def end(self) -> None:
        """After the last."""
        ...


class JsonView:
    """One JSON object a line; nothing else on this stream."""

    def __init__(self, out: IO[str], clock: Clock) -> None:
        self._out = out
        self._clock = clock

    def begin(self) -> None:
        """Nothing to prepare."""

    def show(self, notice: Notice) -> None:
        """One line."""
        now_us = self._clock.read().t_utc_ns // NS_PER_US
        self._out.write(json_line(notice, now_us) + "\n")
        self._out.flush()

    def say(self, line: str) -> None:
        """Not for machines."""

    def refresh(self, picture: Picture, now: ClockReading) -> None:
        """Not for machines."""

    def end(self) -> None:
        """Nothing to put away."""


class TerminalView:
    """Lines as they come; on a terminal the poles stand below them."""

    def __init__(self, out: IO[str]) -> None:
        self._console = Console(file=out, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, refresh_per_second=_REFRESHES_PER_S, transient=True
            )

    def begin(self) -> None:
        """Take the bottom of the terminal."""
        if self._live is not None:
            self._live.start()

    def show(self, notice: Notice) -> None:
        """One line, coloured by how urgent it is."""
        self._console.print(Text(notice_line(notice), style=_style(notice)))

    def say(self, line: str) -> None:
        """One line, dim."""
        self._console.print(Text(one_line(line), style="dim"))

    def refresh(self, picture: Picture, now: ClockReading) -> None:
        """Draw the poles anew."""
        if self._live is not None:
            is_wide = self._console.width >= _WIDE_COLUMNS
            self._live.update(_poles_table(picture, now, is_wide=is_wide))

    def end(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()


def _style(notice: Notice) -> str:
    if isinstance(notice, AlertArrived):
        if notice.alert.phase.value == "cleared":
            return "dim"
        return "bold red" if notice.alert.priority >= _URGENT_PRIORITY else "bold"
    if isinstance(notice, AlertEvicted | AlertsMissing | PoleSilent | PoleOffline):
        return "yellow"
    if isinstance(notice, PoleCondition) and notice.health.condition != "ok":
        return "yellow"
    return "green"


def _poles_table(picture: Picture, now: ClockReading, *, is_wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    titles = ("pole", "link", "heard", *HEALTH_TITLES, "alerts", "missing")
    shown = [is_wide or title not in _BOARD_TITLES for title in titles]
    for title in itertools.compress(titles, shown):
        table.add_column(title)
    for view in picture.poles():
        table.add_row(*itertools.compress(_pole_row(view, now), shown))
    return table


def _pole_row(view: PoleView, now: ClockReading) -> tuple[Text, ...]:
    if view.state is None:
        link = Text("unknown", style="dim")
    elif view.online:
        link = Text("silent", style="yellow") if view.silent else Text("online", style="green")
    else:
        link = Text("offline", style="yellow")
    age = "-"
    if view.heard_mono_ns is not None:
        age = duration_text((now.t_mono_ns - view.heard_mono_ns) // NS_PER_US)
    condition, *health = (one_line(cell) for cell in health_cells(view.health))
    missing = ", ".join(str(gap) for gap in view.missing) or "-"
    return (
        Text(str(view.pole)),
        link,
        Text(age),
        Text(condition, style="green" if condition == "ok" else "yellow"),
        *(Text(cell) for cell in health),
        Text(str(view.alerts)),
        Text(missing, style="yellow" if view.missing else "dim"),
    )
