"""The budget gives up in the stated order, gives back in the reverse, and never flutters."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.core.config import BudgetSection, DetectSection, ObjectLeftRule
from roeh.vision.budget import (
    GIVE_BACK_S,
    GIVE_UP_S,
    STRAINED_S,
    Budget,
    Reading,
    allowances,
    observer_kept,
)

LOW = ObjectLeftRule(name="bag", priority=3)
HIGH = ObjectLeftRule(name="bag-at-the-gate", priority=7)
STEPS = allowances(DetectSection(), (LOW, HIGH))
STRAINED, EASY, NEITHER, HOT = "strained", "easy", "neither", "hot"


def run(seconds):
    """Levels after each second of a board in that state."""
    budget = Budget(BudgetSection(), STEPS)
    skipped, levels = 0, []
    budget.update(Reading(t_mono_ns=1, cpu_ns=0, frames=0, skipped=0))
    for t, state in enumerate(seconds, 1):
        skipped += {STRAINED: 20, NEITHER: 1}.get(state, 0)
        budget.update(
            Reading(
                t_mono_ns=t * NS_PER_S,
                cpu_ns=0,
                frames=100 * t,
                skipped=skipped,
                board_slowed=state == HOT,
            )
        )
        levels.append(budget.level)
    return levels


def lasting(*spells):
    return [state for state, seconds in spells for _ in range(seconds)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([STRAINED, EASY, NEITHER, HOT]), st.integers(1, 90)),
        min_size=1,
        max_size=15,
    )
)
def test_one_step_at_a_time_up_each_three_seconds_at_most_and_back_after_half_a_minute(spells):
    levels = [0, *run(lasting(*spells))]
    changes = [
        (second, after - before)
        for second, (before, after) in enumerate(itertools.pairwise(levels))
        if after != before
    ]

    assert all(abs(change) == 1 for _, change in changes)
    for (earlier, _), (later, change) in itertools.pairwise(changes):
        if change < 0:
            assert later - earlier >= GIVE_BACK_S
    given_up = [second for second, change in changes if change > 0]
    assert all(b - a >= GIVE_UP_S for a, b in itertools.pairwise(given_up))


def test_what_is_given_up_comes_in_the_stated_order_and_ends_with_one_picture_a_second():
    assert [step.given_up[-1:] for step in STEPS] == [
        (),
        ("frequent looks at predictable tracks",),
        ("tiles a picture (1 left)",),
        ("observers of low priority rules",),
        ("pictures (2.5 a second left)",),
        ("pictures (1.25 a second left)",),
        ("pictures (1 a second left)",),
    ]
    assert [len(step.given_up) for step in STEPS] == [0, 1, 2, 3, 4, 4, 4]


def test_lasting_strain_gives_up_all_and_lasting_ease_gives_it_back():
    levels = run(lasting((STRAINED, 40), (EASY, 400)))

    assert levels[round(STRAINED_S)] >= 1
    assert levels[39] == len(STEPS) - 1
    assert levels[-1] == 0


def test_a_moment_of_strain_gives_up_nothing():
    assert set(run(lasting((STRAINED, 1), (EASY, 20), (STRAINED, 1), (EASY, 20)))) == {0}


def test_a_hot_board_alone_costs_no_pictures():
    assert STEPS[run(lasting((HOT, 120)))[-1]].fps == DetectSection().fps


def test_what_comes_back_too_early_comes_back_more_slowly():
    spells = [(STRAINED, 3), (EASY, 31)] + [(STRAINED, 6), (EASY, 90)] * 20
    levels = run(lasting(*spells))
    rises = sum(b > a for a, b in itertools.pairwise(levels))

    assert rises < 20


def test_the_share_of_a_core_is_held():
    budget = Budget(BudgetSection(max_share=0.3), STEPS)
    for second in range(1, 10):
        busy = round(0.5 * second * NS_PER_S)
        budget.update(Reading(second * NS_PER_S, cpu_ns=busy, frames=5 * second, skipped=0))

    assert budget.level >= 2


def test_a_quota_that_holds_the_process_back_is_strain():
    budget = Budget(BudgetSection(), STEPS)
    for second in range(1, 10):
        budget.update(
            Reading(
                *(second * NS_PER_S, 0, 5 * second, 0),
                periods=10 * second,
                throttled_periods=5 * second,
            )
        )

    assert budget.level >= 2


def test_rules_of_high_priority_keep_their_observers():
    assert observer_kept(HIGH, low_observers=False)
    assert not observer_kept(LOW, low_observers=False)
    assert observer_kept(LOW, low_observers=True)
