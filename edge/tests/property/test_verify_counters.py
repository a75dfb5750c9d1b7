"""Counters kept as stretches are the same as counters kept one by one."""

from hypothesis import given
from hypothesis import strategies as st

from roeh.verify.counters import CounterStretches

STRETCHES = st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(STRETCHES, max_size=20))
def test_what_was_added_is_in_it_and_nothing_else(stretches):
    kept, expected = CounterStretches(), set()
    for first, last in stretches:
        kept.add(first, last)
        expected.update(range(first, last + 1))
        assert {counter for counter in range(80) if counter in kept} == expected


def test_years_that_follow_each_other_take_one_stretch():
    kept = CounterStretches()
    for first in range(1, 10_000, 5):
        kept.add(first, first + 4)
    assert (len(kept._firsts), len(kept._lasts)) == (1, 1)
    assert 10_000 in kept
    assert 10_001 not in kept
