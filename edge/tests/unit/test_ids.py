"""Ids are UUIDv7 that only grow, whatever the clock does."""

import threading
import uuid

from roeh.core.clock import SimulatedClock, SystemClock
from roeh.core.ids import ClockIds, DerivedIds, format_uuid7


def test_layout_is_that_of_rfc_9562():
    # Appendix A.6 of the RFC: unix_ts_ms, rand_a and rand_b of its example.
    assert format_uuid7(0x017F22E279B0, 0xCC3, 0x18C4DC0C0C07398F) == (
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    )


def test_an_id_carries_its_version_its_variant_and_its_millisecond():
    clock = SimulatedClock(t_utc_ns=1_760_000_000_123_999_999)
    parsed = uuid.UUID(ClockIds(clock).new())
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert parsed.int >> 80 == 1_760_000_000_123


def test_fields_that_are_too_wide_do_not_spill_over():
    assert (
        uuid.UUID(format_uuid7(1 << 48, 1 << 12, 1 << 62)).int
        == uuid.UUID(format_uuid7(0, 0, 0)).int
    )


def test_ids_grow_while_the_clock_stands_still():
    ids = ClockIds(SimulatedClock())
    made = [ids.new() for _ in range(10_000)]  # the counter runs over twice
    assert made == sorted(set(made))


def test_ids_grow_while_the_clock_steps_back():
    clock = SimulatedClock()
    ids = ClockIds(clock)
    made = []
    for _ in range(100):
        made.append(ids.new())
        clock.step_utc(-10.0)
    assert made == sorted(set(made))


def test_threads_get_different_ids_and_each_sees_them_grow():
    ids = ClockIds(SystemClock())
    made = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(ids.new() for _ in range(2000)))
        for mine in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len(set().union(*made)) == 8000


def test_derived_ids_are_the_same_for_the_same_input_and_no_other():
    def derive(seed):
        clock = SimulatedClock()
        ids = DerivedIds(clock, seed)
        made = []
        for _ in range(50):
            made.append(ids.new())
            clock.advance(0.0005)
        return made

    assert derive(b"video") == derive(b"video")
    assert not set(derive(b"video")) & set(derive(b"other"))


def test_derived_ids_grow_too():
    ids = DerivedIds(SimulatedClock(), b"video")
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert all(uuid.UUID(one).version == 7 for one in made[:10])
