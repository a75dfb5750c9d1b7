"""Frame times: orderly whatever the footage says, true to the clock when live."""

from __future__ import annotations

import random
import threading
from itertools import pairwise

import numpy as np
import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.sources.backoff import CAP_S, FIRST_S, Backoff
from roeh.sources.timeline import FootageTimeline, LiveTimeline, Pacer

STEP_NS = 100_000_000
MS = 1_000_000


def placed(stamps_ms):
    timeline = FootageTimeline(STEP_NS)
    return [timeline.place(None if stamp is None else stamp * MS) / MS for stamp in stamps_ms]


def test_footage_begins_at_nought_and_keeps_its_own_pace():
    assert placed([700, 800, 1000, 1003]) == [0, 100, 300, 303]


def test_missing_stamps_take_one_frame_s_time():
    assert placed([None, None, None]) == [0, 100, 200]
    assert placed([0, None, 200, 300]) == [0, 100, 200, 300]


def test_a_leap_or_a_step_back_is_a_splice():
    assert placed([0, 100, 500_000, 500_100]) == [0, 100, 200, 300]
    assert placed([90_000, 90_100, 0, 100]) == [0, 100, 200, 300]


def test_a_small_step_back_is_held_and_made_good():
    times = placed([0, 100, 200, 150, 300])
    assert times[:3] == [0, 100, 200]
    assert times[3] == pytest.approx(200, abs=0.01)
    assert times[4] == 300


def test_times_grow_for_any_stamps():
    rng = random.Random(4)
    stamps = [
        rng.choice([None, rng.randrange(-2000, 2000), rng.randrange(10**6)]) for _ in range(500)
    ]
    assert all(later > earlier for earlier, later in pairwise(placed(stamps)))


def test_live_times_are_free_of_the_network_s_jitter():
    rng = np.random.default_rng(2)
    timeline = LiveTimeline()
    true_ns = [40 * MS * index for index in range(400)]
    arrivals_ns = [t + 5 * MS + int(rng.exponential(12 * MS)) for t in true_ns]
    errors_ms = [
        (timeline.place(true + 7 * NS_PER_S, arrival) - true) / MS
        for true, arrival in zip(true_ns, arrivals_ns, strict=True)
    ]
    # What is left is the constant transit, which nobody can tell from here.
    assert max(errors_ms[50:]) - min(errors_ms[50:]) < 2.0
    assert 5.0 <= np.median(errors_ms[50:]) < 8.0


def test_live_times_follow_a_drifting_camera_clock():
    timeline = LiveTimeline()
    drift = 1 + 50e-6
    last = [
        timeline.place(int(index * 40 * MS / drift), index * 40 * MS) - index * 40 * MS
        for index in range(0, 25 * 600, 25)
    ][-1]
    assert abs(last) < 2 * MS


def test_a_camera_that_restarts_its_count_is_followed():
    timeline = LiveTimeline()
    timeline.place(10**15, NS_PER_S)
    assert timeline.place(0, 2 * NS_PER_S) == 2 * NS_PER_S


def test_live_times_go_on_after_the_last_connection():
    assert LiveTimeline(after_ns=5 * NS_PER_S).place(0, NS_PER_S) > 5 * NS_PER_S


def test_a_source_that_falls_behind_lets_the_footage_wait():
    clock = SimulatedClock()
    pacer = Pacer(clock, paced=True)
    stop = threading.Event()
    assert pacer.wait_until(0, stop).t_mono_ns == 0
    clock.advance(10.0)
    late = pacer.wait_until(STEP_NS, stop)
    assert late.t_mono_ns == 10 * NS_PER_S
    following = pacer.wait_until(2 * STEP_NS, stop)
    assert following.t_mono_ns == 10 * NS_PER_S + STEP_NS == clock.mono_ns()


def test_utc_of_a_frame_is_that_of_its_own_instant():
    clock = SimulatedClock(t_utc_ns=1_000 * NS_PER_S, utc_error_ns=7)
    pacer = Pacer(clock, paced=True)
    pacer.wait_until(0, threading.Event())
    clock.step_utc(3.0)
    at = pacer.wait_until(STEP_NS, threading.Event())
    assert (at.t_utc_ns, at.utc_error_ns) == (1_003 * NS_PER_S + STEP_NS, 7)


def test_back_off_grows_to_its_cap_and_starts_again():
    backoff = Backoff(random.Random(1))
    waits = [backoff.next_s() for _ in range(200)]
    assert all(0 <= wait <= FIRST_S * 2**index for index, wait in enumerate(waits[:6]))
    assert CAP_S / 2 < max(waits[10:]) <= CAP_S
    assert min(waits[10:]) < CAP_S / 10
    backoff.worked(CAP_S)
    assert backoff.next_s() <= FIRST_S
    assert CAP_S / 2 <= backoff.next_s(slowly=True) <= CAP_S
