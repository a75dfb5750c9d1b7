"""The node's age is the time it ran, whatever UTC does; a step of UTC is a record, once."""

import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.errors import MessageRefused
from roeh.ledger.age import DURABLE_EVERY_US, NodeAge
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import ClockStepRecord
from tests.rings import BOOT, DAY_S, Ring, S

HOUR_S = 3600
YEAR_S = 365 * DAY_S
OTHER_BOOT = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def ring(memory_directory):
    ring = Ring(memory_directory)
    ring.age.tick()
    yield ring
    ring.close()


def steps(ring):
    return [record.by_us for record in ring.records(ClockStepRecord)]


def refuse(*_):
    raise MessageRefused(what="refused", which="this transaction", remedy="none")


def reopened(ring, clock):
    """As another start of evidence finds it."""
    ring.close()
    ring.clock = clock
    ring._open()
    ring.age.tick()


def test_it_grows_by_the_time_that_passes(ring):
    before_us = ring.age.now_us()
    ring.clock.advance(HOUR_S)
    assert ring.age.now_us() == before_us + HOUR_S * S


def test_it_is_durable_to_ten_seconds(ring):
    for _ in range(100):
        ring.clock.advance(1)
        ring.age.tick()
    age_us = ring.age.now_us()
    reopened(ring, SimulatedClock(boot_id=OTHER_BOOT))
    assert age_us - DURABLE_EVERY_US <= ring.age.now_us() <= age_us


def test_a_restart_in_the_same_boot_loses_nothing(ring):
    ring.clock.advance(7)
    age_us = ring.age.now_us()
    ring.reopen()
    ring.clock.advance(1)
    assert ring.age.now_us() == age_us + S


def test_time_switched_off_does_not_count(ring):
    ring.clock.advance(100)
    ring.age.tick()
    age_us = ring.age.now_us()
    reopened(ring, SimulatedClock(boot_id=OTHER_BOOT, t_mono_ns=5 * NS_PER_S))
    assert ring.age.now_us() == age_us
    ring.clock.advance(3)
    assert ring.age.now_us() == age_us + 3 * S


@pytest.mark.parametrize("by_s", [-YEAR_S, -HOUR_S, -2, 2, HOUR_S, YEAR_S, 50 * YEAR_S])
def test_a_step_of_utc_is_one_record_and_no_age(ring, by_s):
    ring.clock.advance(100)
    age_us = ring.age.now_us()
    ring.clock.step_utc(by_s)
    for _ in range(5):
        ring.age.tick()
    ring.reopen()
    ring.age.tick()
    assert ring.age.now_us() == age_us
    assert steps(ring) == [by_s * S]


def test_a_step_within_the_stated_error_is_none(memory_directory):
    ring = Ring(memory_directory, SimulatedClock(boot_id=BOOT, utc_error_ns=5 * NS_PER_S))
    ring.age.tick()
    ring.clock.step_utc(4)
    ring.age.tick()
    ring.clock.step_utc(6)
    ring.age.tick()
    assert len(steps(ring)) == 1
    ring.close()


def test_a_clock_that_was_never_set_excuses_nothing(memory_directory):
    clock = SimulatedClock(boot_id=BOOT, utc_error_ns=HOUR_S * NS_PER_S, synchronised=False)
    ring = Ring(memory_directory, clock)
    ring.age.tick()
    set_now = SimulatedClock(boot_id=BOOT, t_utc_ns=clock.read().t_utc_ns + 600 * NS_PER_S)
    reopened(ring, set_now)
    (record,) = ring.records(ClockStepRecord)
    assert record == ClockStepRecord(
        by_us=600 * S, synchronised_before=False, synchronised_after=True
    )
    ring.close()


def test_slewing_is_no_step_but_many_small_steps_are(ring):
    for _ in range(1000):
        ring.clock.advance(10)
        ring.clock.step_utc(0.004)  # 400 ppm
        ring.age.tick()
    assert steps(ring) == []
    for _ in range(10):
        ring.clock.advance(1)
        ring.clock.step_utc(0.5)
        ring.age.tick()
    assert sum(steps(ring)) == pytest.approx(5 * S, abs=S)


def test_another_boot_is_no_step(ring):
    reopened(ring, SimulatedClock(boot_id=OTHER_BOOT, t_utc_ns=1))
    assert steps(ring) == []


def test_what_is_rolled_back_is_counted_again(ring):
    ring.clock.advance(60)
    ring.clock.step_utc(HOUR_S)
    age_us = ring.age.now_us()
    with pytest.raises(MessageRefused), ring.database.writing() as connection:  # noqa: PT012 - one transaction
        ring.age.advance(connection)
        refuse()
    assert ring.age.now_us() == age_us
    ring.age.tick()
    assert ring.age.now_us() == age_us
    assert steps(ring) == [HOUR_S * S]


def test_after_a_rebuild_it_is_as_old_as_was_recorded(memory_directory):
    clock = SimulatedClock(boot_id=BOOT)
    database = NodeDatabase(memory_directory / "node.db")
    age = NodeAge(database, clock, Log(database, clock, site="s", node="n"))
    with database.writing() as connection:
        age.restore(connection, 5 * S)
        age.restore(connection, 3 * S)
    clock.advance(1)
    assert age.now_us() == 6 * S
    database.close()
