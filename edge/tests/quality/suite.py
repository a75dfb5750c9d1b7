"""Scenes, drawn and judged until every rule has had enough of them in every weather."""

from __future__ import annotations

import contextlib
import itertools
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from tests.quality.empty import STRETCH_S, STRETCHES, Quiet, kept_quiet, watch_nobody
from tests.quality.play import play
from tests.quality.record import Played, add, cell, kept
from tests.quality.scenes import Kind, scene_of
from tests.quality.score import judged
from tests.quality.stages import Camera, Weather

T, U = TypeVar("T"), TypeVar("U")

#: What a kind of scene is drawn for.
TOLD_IN = {
    Kind.VISITS: ("zone", "line", "loitering"),
    Kind.CROWDS: ("crowd",),
    Kind.RUNS: ("running",),
    Kind.DISPERSALS: ("dispersal",),
    Kind.STOPS: ("vehicle_stopped",),
    Kind.LEFT: ("object_left",),
}
#: Longer scenes with fewer events: their rules are asked for this share of the events.
_FEWER = {Kind.DISPERSALS: 0.3, Kind.STOPS: 0.3, Kind.LEFT: 0.3}
RULE_KINDS = tuple(itertools.chain.from_iterable(TOLD_IN.values()))
#: Seeds begin here: what was tuned on is never reported on.
SPLITS = {"tuning": 0, "test": 1_000_000}
#: One scene in so many is seen by a fisheye, which takes six looks of the network a picture.
_FISHEYE_EACH = 5


class Task(msgspec.Struct, frozen=True):
    """One scene to be played."""

    kind: Kind
    camera: Camera
    weather: Weather
    seed: int


def run(
    split: str,
    positives: int,
    path: Path,
    *,
    weathers: Iterable[Weather],
    jobs: int,
    say: Callable[[str], None],
) -> list[Played]:
    """Play scenes, those in `path` not again, until every cell has so many events."""
    weathers = tuple(weathers)
    played = [one for one in kept(path) if one.weather in weathers]
    done = {(one.kind, one.camera, one.weather, one.seed) for one in played}
    with _workers(jobs) as each:
        for number in itertools.count():
            round_ = list(_round(number, split, positives, weathers, played))
            if not round_:
                return played
            tasks = [t for t in round_ if (t.kind, t.camera, t.weather, t.seed) not in done]
            for one in each(_play, tasks):
                add(path, one)
                played.append(one)
            if tasks and number % 10 == 9:
                say(_progress(number, played, weathers))
    raise AssertionError("rounds never end by themselves")


def _round(
    number: int, split: str, positives: int, weathers: tuple[Weather, ...], played: list[Played]
) -> Iterator[Task]:
    """The scenes of a round: of every kind and weather that still lacks events."""
    camera = Camera.FISHEYE if number % _FISHEYE_EACH == _FISHEYE_EACH - 1 else Camera.PINHOLE
    earlier = [one for one in played if one.seed < SPLITS[split] + number]
    for weather, (kind, rules) in itertools.product(weathers, TOLD_IN.items()):
        asked = math.ceil(positives * _FEWER.get(kind, 1.0))
        if any(cell(earlier, rule, weather).recall.of < asked for rule in rules):
            # Drawn vehicles are known in an ordinary camera's pictures only.
            seen_by = Camera.PINHOLE if kind is Kind.STOPS else camera
            yield Task(kind, seen_by, weather, SPLITS[split] + number)


def _play(task: Task) -> Played:
    scene = scene_of(task.kind, task.camera, task.weather, task.seed)
    return Played(task.kind, task.camera, task.weather, task.seed, judged(scene, play(scene)))


class EmptyTask(msgspec.Struct, frozen=True):
    """Some minutes of an empty street."""

    camera: Camera
    weather: Weather
    seed: int


def run_empty(
    split: str, hours: float, path: Path, *, jobs: int, say: Callable[[str], None]
) -> list[Quiet]:
    """Watch empty streets for so long, minutes in `path` not again."""
    quiet = kept_quiet(path)
    done = {(one.camera, one.weather, one.seed) for one in quiet}
    count = math.ceil(hours * 3600 / (STRETCHES * STRETCH_S))
    tasks = [
        EmptyTask(
            Camera.FISHEYE if number % _FISHEYE_EACH == 1 else Camera.PINHOLE,
            Weather.NIGHT if number % 3 == 2 else Weather.DAY,
            SPLITS[split] + number,
        )
        for number in range(count)
    ]
    tasks = [task for task in tasks if (task.camera, task.weather, task.seed) not in done]
    with _workers(jobs) as each:
        for one in each(_watch, tasks):
            add(path, one)
            quiet.append(one)
            say(f"{sum(one.seconds for one in quiet) / 3600:.2f} h of empty streets")
    return quiet


def _watch(task: EmptyTask) -> Quiet:
    return watch_nobody(task.camera, task.weather, task.seed)


class _Each(Protocol):
    """Does one thing with each of many, in their order."""

    def __call__(self, do: Callable[[T], U], tasks: list[T]) -> Iterable[U]: ...


@contextlib.contextmanager
def _workers(jobs: int) -> Iterator[_Each]:
    """Here, or in processes of their own."""
    if jobs == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield pool.imap


def _progress(number: int, played: list[Played], weathers: tuple[Weather, ...]) -> str:
    counts = ", ".join(
        f"{rule} {min(cell(played, rule, weather).recall.of for weather in weathers)}"
        for rule in RULE_KINDS
    )
    return f"round {number + 1}: at least {counts} events in every weather"
