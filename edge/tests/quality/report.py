"""The table of how right the rules are, and what of it misses its goal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from roeh.bench.rule_quality import Cell, cell_rows, write_cells
from tests.quality.empty import Quiet
from tests.quality.record import Played, cell
from tests.quality.stages import Weather
from tests.quality.suite import RULE_KINDS

PRECISION, RECALL, IN_TIME = 0.98, 0.95, 0.95
#: What all of these is asked of; of other rules precision alone is.
_HELD_TO_ALL = ("zone", "line", "loitering", "crowd", "running")


def cells(played: list[Played], weathers: Iterable[Weather]) -> list[Cell]:
    """Every rule in every weather."""
    return [cell(played, rule, weather) for rule in RULE_KINDS for weather in weathers]


def shown(played: list[Played], weathers: Iterable[Weather]) -> list[str]:
    """A table in Markdown; the intervals are Wilson's, 95 %."""
    return cell_rows(cells(played, weathers))


def complaints(played: list[Played], weathers: Iterable[Weather]) -> list[str]:
    """What misses its goal."""
    found = []
    for one in cells(played, weathers):
        for what, share, goal in (
            ("precision", one.precision, PRECISION),
            ("recall", one.recall, RECALL),
            ("told in time", one.in_time, IN_TIME),
        ):
            if what != "precision" and one.rule_kind not in _HELD_TO_ALL:
                continue
            if not share.value >= goal:
                found.append(f"{one.rule_kind} in {one.weather}: {what} {share} < {goal}")
    return found


def write_summary(played: list[Played], weathers: Iterable[Weather], path: Path) -> None:
    """What the scoreboard (`make bench`) shows."""
    write_cells(cells(played, weathers), path)


def shown_empty(quiet: Sequence[Quiet]) -> list[str]:
    """What became of empty streets."""
    hours = sum(one.seconds for one in quiet) / 3600
    return [
        f"empty streets: {hours:.2f} h, {sum(len(one.alerts) for one in quiet)} alerts;"
        f" {sum(one.detections for one in quiet)} things seen that are not there,"
        f" {sum(one.tracks for one in quiet)} of them followed"
    ]


def empty_complaints(quiet: Sequence[Quiet]) -> list[str]:
    """Every alert about nothing."""
    return [
        f"empty street {one.seed} ({one.camera.value}, {one.weather.value}): {alert}"
        for one in quiet
        for alert in one.alerts
    ]
