"""What was found, one line of JSON a scene: a long run may be looked at and gone on with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from roeh.bench.rule_quality import Cell, Share
from tests.quality.scenes import Kind
from tests.quality.score import IN_TIME_S, Outcome
from tests.quality.stages import Camera, Weather


class Played(msgspec.Struct, frozen=True):
    """A scene and how its rules did."""

    kind: Kind
    camera: Camera
    weather: Weather
    seed: int
    outcomes: tuple[Outcome, ...]


def kept(path: Path) -> list[Played]:
    """What an earlier run has left."""
    if not path.is_file():
        return []
    return [msgspec.json.decode(line, type=Played) for line in path.read_bytes().splitlines()]


def add(path: Path, found: msgspec.Struct) -> None:
    """Keep what was found."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(found) + b"\n")


def cell(played: Iterable[Played], rule_kind: str, weather: Weather) -> Cell:
    """The scenes of one weather, as one kind of rule did in them."""
    outcomes = [
        outcome
        for one in played
        if one.weather is weather
        for outcome in one.outcomes
        if outcome.rule_kind == rule_kind
    ]
    delays = sorted(delay for outcome in outcomes for delay in outcome.delays_s)
    events = sum(outcome.events for outcome in outcomes)
    wrong = sum(len(outcome.wrong) for outcome in outcomes)
    return Cell(
        rule_kind=rule_kind,
        weather=weather.value,
        precision=Share(len(delays), len(delays) + wrong),
        recall=Share(len(delays), events),
        in_time=Share(sum(delay <= IN_TIME_S + 1e-6 for delay in delays), len(delays)),
        delay_p95_s=delays[int(0.95 * (len(delays) - 1))] if delays else 0.0,
        delay_max_s=delays[-1] if delays else 0.0,
    )
