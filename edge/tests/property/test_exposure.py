"""Exposure comes to rest at the light there is, free of the mains' beat, and stays there."""

import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from roeh.sources.light.exposure import TARGET, Exposure, ExposureLimits, ExposureLoop

quick = settings(max_examples=25, deadline=None)

FRAME_NS = 100_000_000
HALF_US = 10_000.0

limits_of = st.builds(
    ExposureLimits,
    half_period_us=st.sampled_from([0.0, HALF_US, 1e6 / 120]),
    least_us=st.integers(20, 200),
    most_us=st.integers(15_000, 100_000),
    most_gain=st.floats(1.0, 64.0),
)
STREET = ExposureLimits(HALF_US, 75, 40_000, 16.0)


class Camera:
    """A camera in light: what it was asked for shows only some pictures later."""

    def __init__(self, luma_per_us, gamma, delay, first=None):
        self.luma_per_us, self.gamma = luma_per_us, gamma
        first = first or Exposure(20_000, 1.0)
        self._coming = [first] * (delay + 1)

    def ask(self, exposure):
        if exposure is not None:
            self._coming[-1] = exposure

    def picture(self):
        taken_with = self._coming[0]
        self._coming = [*self._coming[1:], self._coming[-1]]
        linear = min(1.0, taken_with.total_us * self.luma_per_us)
        return 16 + 219 * linear ** (1 / self.gamma), taken_with


def run(loop, camera, pictures, from_ns=0):
    """The changes asked for, and the last picture's luma."""
    changes, luma = [], 0.0
    for number in range(pictures):
        luma, taken_with = camera.picture()
        asked = loop.see(luma, taken_with, from_ns + number * FRAME_NS)
        camera.ask(asked)
        if asked is not None:
            changes.append(asked)
    return changes, luma


@quick
@given(limits=limits_of, total_us=st.floats(1.0, 1e7), held_us=st.integers(20, 100_000))
def test_what_is_asked_for_can_be_done_and_does_not_beat(limits, total_us, held_us):
    chosen = limits.split(total_us, Exposure(held_us, 1.0))
    assert limits.least_us <= chosen.exposure_us <= max(limits.most_us, limits.least_us)
    assert 1.0 <= chosen.gain <= max(limits.most_gain, 1.0)
    half_us = limits.half_period_us
    if half_us and limits.bounded(total_us) >= half_us and limits.most_us >= half_us:
        halves = chosen.exposure_us / half_us
        assert halves == pytest.approx(round(halves), abs=1e-3)
        assert round(halves) >= 1
    assert chosen.total_us <= limits.bounded(total_us) * 1.001 + 1


@quick
@given(limits=limits_of, total_us=st.floats(100.0, 1e6))
def test_nothing_of_the_light_is_lost_where_gain_can_make_up_for_it(limits, total_us):
    assume(limits.most_gain >= 2.0)
    chosen = limits.split(total_us)
    most_us = limits.most_us
    if limits.half_period_us and most_us >= limits.half_period_us:
        most_us = math.floor(most_us / limits.half_period_us + 1e-6) * limits.half_period_us
    reachable_us = min(max(total_us, limits.least_us), most_us * limits.most_gain)
    assert chosen.total_us == pytest.approx(reachable_us, rel=0.02, abs=1.0)


@quick
@given(
    best_us=st.floats(200.0, 600_000.0),
    gamma=st.floats(1.0, 2.4),
    delay=st.integers(0, 6),
    first_us=st.integers(100, 40_000),
)
def test_it_comes_to_rest_at_any_light_and_asks_for_nothing_more(best_us, gamma, delay, first_us):
    camera = Camera(TARGET**gamma / best_us, gamma, delay, Exposure(first_us, 1.0))
    loop = ExposureLoop(STREET)
    run(loop, camera, 150)
    changes, luma = run(loop, camera, 60, from_ns=150 * FRAME_NS)
    assert changes == []
    level = (luma - 16) / 219
    assert abs(math.log2(level / TARGET)) < 0.5


@quick
@given(best_us=st.floats(500.0, 400_000.0), gamma=st.floats(1.0, 2.4), delay=st.integers(0, 6))
def test_on_its_way_it_does_not_swing(best_us, gamma, delay):
    camera = Camera(TARGET**gamma / best_us, gamma, delay, Exposure(10_000, 2.0))
    changes, _ = run(ExposureLoop(STREET), camera, 200)
    totals = [20_000.0, *(change.total_us for change in changes)]
    steps = [late - early for early, late in itertools.pairwise(totals)]
    turns = sum(1 for one, two in itertools.pairwise(steps) if one * two < 0)
    assert turns <= 1


def test_headlights_that_pass_change_nothing():
    camera = Camera(TARGET / 20_000, 1.0, 2)
    loop = ExposureLoop(STREET)
    run(loop, camera, 50)
    camera.luma_per_us *= 2.5
    assert run(loop, camera, 4, from_ns=50 * FRAME_NS)[0] == []
    camera.luma_per_us /= 2.5
    assert run(loop, camera, 20, from_ns=54 * FRAME_NS)[0] == []


def test_a_driver_that_never_gives_what_was_asked_for_is_not_waited_for_for_ever():
    loop = ExposureLoop(STREET)
    stuck = Exposure(5_000, 1.0)
    asked = [loop.see(40.0, stuck, number * FRAME_NS) for number in range(40)]
    assert any(asked)
    assert loop.asked.total_us <= STREET.most_us * STREET.most_gain


def test_nothing_more_is_asked_for_while_a_step_is_under_way():
    loop = ExposureLoop(STREET)
    before = Exposure(20_000, 1.0)
    assert loop.see(16.0, before, 0) is not None
    assert [loop.see(16.0, before, number * FRAME_NS) for number in range(1, 6)] == [None] * 5


def test_full_darkness_takes_all_there_is_and_stays():
    loop = ExposureLoop(STREET)
    camera = Camera(1e-12, 1.0, 2)
    run(loop, camera, 60)
    assert loop.asked == Exposure(40_000, 16.0)
    assert run(loop, camera, 60, from_ns=60 * FRAME_NS)[0] == []
