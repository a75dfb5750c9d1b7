"""Whatever a clock does, ids only grow and stay UUIDv7."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from roeh.core.clock import SimulatedClock
from roeh.core.ids import ClockIds, DerivedIds

STEPS_S = st.lists(st.floats(-1e6, 1e6), max_size=60)


@given(STEPS_S, st.sampled_from([ClockIds, lambda clock: DerivedIds(clock, b"seed")]))
def test_ids_only_grow(steps_s, make):
    clock = SimulatedClock()
    ids = make(clock)
    made = [ids.new()]
    for step_s in steps_s:
        clock.step_utc(step_s)
        made.append(ids.new())
    assert made == sorted(set(made))
    assert all(uuid.UUID(one).version == 7 for one in made)
