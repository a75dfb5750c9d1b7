"""Scenes, drawn and judged until every rule has had enough of them in every weather."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from tests.quality.play import play
from tests.quality.record import Played, add, cell, kept
from tests.quality.scenes import Kind, scene_of
from tests.quality.score import judged
from tests.quality.stages import Camera, Weather

#: What a kind of scene is drawn for.
TOLD_IN = {
    Kind.VISITS: ("zone", "line", "loitering"),
    Kind.CROWDS: ("crowd",),
    Kind.RUNS: ("running",),
}
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
    with _players(jobs) as players:
        for number in itertools.count():
            round_ = list(_round(number, split, positives, weathers, played))
            if not round_:
                return played
            tasks = [t for t in round_ if (t.kind, t.camera, t.weather, t.seed) not in done]
            for one in players(tasks):
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
        if any(cell(earlier, rule, weather).recall.of < positives for rule in rules):
            yield Task(kind, camera, weather, SPLITS[split] + number)


def _play(task: Task) -> Played:
    scene = scene_of(task.kind, task.camera, task.weather, task.seed)
    return Played(task.kind, task.camera, task.weather, task.seed, judged(scene, play(scene)))


class _players:  # noqa: N801  # used like a function
    """Plays tasks here or in processes of their own."""

    def __init__(self, jobs: int) -> None:
        self._pool = None if jobs == 1 else multiprocessing.get_context("spawn").Pool(jobs)

    def __enter__(self) -> Callable[[list[Task]], Iterable[Played]]:
        if self._pool is None:
            return lambda tasks: map(_play, tasks)
        pool = self._pool
        return lambda tasks: pool.imap(_play, tasks)

    def __exit__(self, *raised: object) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()


def _progress(number: int, played: list[Played], weathers: tuple[Weather, ...]) -> str:
    counts = ", ".join(
        f"{rule} {min(cell(played, rule, weather).recall.of for weather in weathers)}"
        for rule in RULE_KINDS
    )
    return f"round {number + 1}: at least {counts} events in every weather"
