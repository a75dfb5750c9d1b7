"""The table of how right the rules are, and what of it misses its goal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tests.quality.empty import Quiet
from tests.quality.record import Cell, Played, cell
from tests.quality.score import IN_TIME_S
from tests.quality.stages import Weather
from tests.quality.suite import RULE_KINDS

PRECISION, RECALL, IN_TIME = 0.98, 0.95, 0.95


def cells(played: list[Played], weathers: Iterable[Weather]) -> list[Cell]:
    """Every rule in every weather."""
    return [cell(played, rule, weather) for rule in RULE_KINDS for weather in weathers]


def shown(played: list[Played], weathers: Iterable[Weather]) -> list[str]:
    """A table in Markdown; the intervals are Wilson's, 95 %."""
    lines = [
        "| rule | weather | events | precision | recall |"
        f" told within its own time + {IN_TIME_S} s | delay p95, max |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.rule_kind} | {one.weather.value} | {one.recall.of} | {one.precision}"
        f" | {one.recall} | {one.in_time} | {one.delay_p95_s:.1f}, {one.delay_max_s:.1f} s |"
        for one in cells(played, weathers)
    ]
    return lines


def complaints(played: list[Played], weathers: Iterable[Weather]) -> list[str]:
    """What misses its goal."""
    found = []
    for one in cells(played, weathers):
        for what, share, goal in (
            ("precision", one.precision, PRECISION),
            ("recall", one.recall, RECALL),
            ("told in time", one.in_time, IN_TIME),
        ):
            if not share.value >= goal:
                found.append(f"{one.rule_kind} in {one.weather.value}: {what} {share} < {goal}")
    return found


def write_summary(played: list[Played], weathers: Iterable[Weather], path: Path) -> None:
    """The cells as JSON, which the scoreboard (`make bench`) reads."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(cells(played, weathers)), indent=1))


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
