"""How often somebody is let to the door, and how much they may ask: counted in bounded memory."""

import pytest

from roeh.core.clock import NS_PER_S
from roeh.evidence.write_pace import BURST, RATES_HZ
from roeh.retrieve.door.doors import (
    REFUSALS_A_MINUTE,
    ByteBudget,
    MinuteBudget,
    Places,
    RefusalDoor,
    Turns,
)
from roeh.retrieve.door.problems import HttpProblem
from roeh.retrieve.link import AT_ONCE, PACE_HZ
from roeh.retrieve.visits.fetching import Stretch, joined, range_of

_MINUTE_NS = 60 * NS_PER_S


def test_the_door_closes_for_a_minute_and_for_one_address():
    door = RefusalDoor()
    closed = [door.refused("a", 0) for _ in range(REFUSALS_A_MINUTE)]
    assert closed == [False] * (REFUSALS_A_MINUTE - 1) + [True]
    assert not door.is_open("a", _MINUTE_NS - 1)
    assert door.is_open("a", _MINUTE_NS)
    assert door.is_open("b", 0)


def test_refusals_that_lie_apart_close_nothing():
    door = RefusalDoor()
    assert not any(door.refused("a", n * 15 * NS_PER_S) for n in range(100))


def test_a_door_remembers_only_so_many():
    door = RefusalDoor()
    for number in range(10_000):
        for _ in range(REFUSALS_A_MINUTE):
            door.refused(str(number), 0)
    assert door.is_open("0", 0)
    assert not door.is_open("9999", 0)
    assert door.known < 3000


def test_a_minutes_worth_comes_at_once_and_then_evenly():
    budget = MinuteBudget(60)
    assert [budget.take("a", 0) for _ in range(61)] == [0] * 60 + [1]
    assert budget.take("b", 0) == 0
    assert budget.take("a", NS_PER_S) == 0
    assert budget.take("a", NS_PER_S) == 1


def test_who_comes_too_early_waits_or_is_told_that_it_takes_too_long():
    turns = Turns(rate_hz=2.0, at_once=3)
    assert [turns.take(0, 1.0) for _ in range(6)] == [0.0, 0.0, 0.0, 0.5, 1.0, None]
    assert turns.take(NS_PER_S, 1.0) == pytest.approx(0.5)
    assert [turns.take(100 * NS_PER_S, 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, None]


def test_bytes_are_paid_for_by_all_together():
    budget = ByteBudget(8_000_000)
    assert budget.take(1_000_000, 0) == 0.0
    assert budget.take(500_000, 0) == pytest.approx(1.0)
    assert budget.take(1, 0) == pytest.approx(1.5)
    assert budget.take(1, 10 * NS_PER_S) == 0.0


def test_nobody_takes_more_than_half_of_the_places():
    places = Places(4)
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert [places.take("b") for _ in range(2)] == [True, True]
    assert not places.take("c")
    places.leave("a")
    assert places.take("c")
    assert places.taken == 4


def test_retrieve_asks_evidence_no_faster_than_it_takes():
    for verb, rate_hz in PACE_HZ.items():
        assert rate_hz < RATES_HZ[verb]
    assert AT_ONCE < BURST


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-", Stretch(0, 100)),
        ("bytes=99-", Stretch(99, 100)),
        ("bytes=10-19", Stretch(10, 20)),
        ("bytes=10-1000", Stretch(10, 100)),
        ("bytes=-1", Stretch(99, 100)),
        ("bytes=-1000", Stretch(0, 100)),
        ("bytes=0-1,5-6", None),
    ],
)
def test_a_range_is_of_the_file(asked, found):
    assert range_of(asked, 100) == found


@pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "bytes=100-", "bytes=-0", "lines=1-2"])
def test_a_range_of_nothing_is_refused(asked):
    with pytest.raises(HttpProblem):
        range_of(asked, 100)


def test_stretches_that_touch_are_one():
    stretches = [Stretch(5, 9), Stretch(0, 5), Stretch(20, 30), Stretch(8, 12), Stretch(40, 40)]
    assert joined(stretches) == [Stretch(0, 12), Stretch(20, 30)]
