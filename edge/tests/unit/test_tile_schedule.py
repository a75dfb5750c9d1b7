"""Which tiles are looked at: all within a sweep, new motion at once, never more than allowed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection

import pytest

from roeh.core.clock import NS_PER_S
from roeh.vision.schedule import TileScheduler

Wishes = Callable[[float], tuple[Collection[int], Collection[int]]]


def quiet(t_s: float) -> tuple[Collection[int], Collection[int]]:
    return (), ()


def run(
    scheduler: TileScheduler, wishes: Wishes, duration_s: float, fps: float
) -> list[tuple[float, tuple[int, ...]]]:
    looks = []
    for number in range(round(duration_s * fps)):
        t_s = number / fps
        moving, tracked = wishes(t_s)
        looks.append((t_s, scheduler.choose(moving, tracked, round(t_s * NS_PER_S))))
    return looks


def longest_wait_s(looks: list[tuple[float, tuple[int, ...]]], tile: int) -> float:
    seen_s = [0.0] + [t_s for t_s, chosen in looks if tile in chosen] + [looks[-1][0]]
    return max(b - a for a, b in itertools.pairwise(seen_s))


@pytest.mark.parametrize("fps", [5.0, 10.0, 30.0])
@pytest.mark.parametrize("tiles", [1, 2, 8])
def test_in_a_quiet_scene_every_tile_is_looked_at_once_in_a_sweep(tiles: int, fps: float):
    looks = run(TileScheduler(tiles, max_tiles=4, sweep_s=1.0), quiet, 60, fps)

    for tile in range(tiles):
        assert longest_wait_s(looks, tile) <= 1.0 + 1e-6
    # ... and hardly more often than that: looks are what costs.
    assert sum(len(chosen) for _, chosen in looks) <= 60 * tiles * 1.3 + tiles


def test_the_sweep_is_spread_over_the_pictures():
    looks = run(TileScheduler(8, max_tiles=8, sweep_s=1.0), quiet, 20, 10)

    assert max(len(chosen) for t_s, chosen in looks if t_s > 1) <= 2


def test_the_first_picture_is_looked_at():
    assert TileScheduler(1, max_tiles=1, sweep_s=1.0).choose((), (), 0) == (0,)


def test_new_motion_is_looked_at_at_once_though_tracks_fill_the_cap():
    scheduler = TileScheduler(8, max_tiles=3, sweep_s=1.0)

    def wishes(t_s: float) -> tuple[Collection[int], Collection[int]]:
        return ({6} if t_s >= 5 else ()), {0, 1, 2, 3}

    looks = run(scheduler, wishes, 6, 10)

    first_s = next(t_s for t_s, chosen in looks if t_s >= 5 and 6 in chosen)
    assert first_s - 5 <= 0.1 + 1e-6


def test_a_tile_with_tracks_is_looked_at_in_every_picture():
    looks = run(TileScheduler(8, max_tiles=3, sweep_s=1.0), lambda t_s: ((), {4}), 10, 10)

    assert all(4 in chosen for _, chosen in looks)


def test_predictable_tracks_are_confirmed_less_often_unless_something_moves():
    def looks(moving: Collection[int]) -> list[bool]:
        scheduler = TileScheduler(8, max_tiles=3, sweep_s=2.0, predictable_every_s=0.5)
        return [
            4 in scheduler.choose(moving, (), round(n * NS_PER_S / 10), predictable={4})
            for n in range(100)
        ]

    still = looks(())

    assert 19 <= sum(still) <= 22
    assert all(any(still[n : n + 5]) for n in range(96))
    assert sum(looks({4})) >= 99


def test_in_rain_the_cap_holds_and_a_person_is_looked_at_more_often_than_drops():
    scheduler = TileScheduler(8, max_tiles=3, sweep_s=1.0)

    looks = run(scheduler, lambda t_s: (range(8), {5}), 60, 10)

    assert max(len(chosen) for _, chosen in looks) == 3
    counts = [sum(tile in chosen for _, chosen in looks) for tile in range(8)]
    assert counts[5] == max(counts)
    assert min(counts) > 60


def test_wishes_for_what_is_no_tile_are_passed_over():
    scheduler = TileScheduler(2, max_tiles=2, sweep_s=1.0)
    scheduler.choose((), (), 0)

    assert set(scheduler.choose({-1, 7}, {-1, 1}, NS_PER_S // 10)) <= {0, 1}


def test_a_clock_that_stands_still_does_no_harm():
    scheduler = TileScheduler(3, max_tiles=2, sweep_s=1.0)

    assert len({scheduler.choose({0, 1, 2}, (), 5) for _ in range(10)}) > 1
