"""What may become of an alarm, and what is told to whoever was second."""

import pytest

from roeh.core.errors import AlarmRefused
from roeh.desk.alarms.states import (
    MAX_SHELVED_US,
    Acknowledge,
    AlarmState,
    Close,
    ConditionOver,
    Shelve,
    Standing,
    StepKind,
    Verdict,
    as_of,
    take,
)

T_US = 1_800_000_000_000_000
MINUTE_US = 60_000_000
SHELVE = Shelve(for_us=30 * MINUTE_US, reason="the fair is on")


def after(*actions, standing=None, at_us=T_US, by="anna", seen=None):
    """Where an alarm stands after these."""
    standing = standing or Standing()
    for action in actions:
        standing = take(
            standing, action, by=by, now_utc_us=at_us, which="alarm 4711", seen_version=seen
        ).standing
    return standing


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ([Acknowledge()], AlarmState.ACKNOWLEDGED),
        ([SHELVE], AlarmState.SHELVED),
        ([Acknowledge(), SHELVE], AlarmState.SHELVED),
        ([SHELVE, Acknowledge()], AlarmState.ACKNOWLEDGED),
        ([SHELVE, SHELVE], AlarmState.SHELVED),
        ([Close()], AlarmState.CLOSED),
        ([SHELVE, Close(is_false_alarm=True)], AlarmState.CLOSED),
        ([Acknowledge(), Close()], AlarmState.CLOSED),
    ],
)
def test_what_an_operator_may_do(actions, state):
    standing = after(*actions)
    assert (standing.state, standing.version) == (state, len(actions))
    assert (standing.verdict is not None) == (state is AlarmState.CLOSED)
    assert (standing.shelved_until_utc_us is not None) == (state is AlarmState.SHELVED)


@pytest.mark.parametrize(
    ("actions", "refused"),
    [
        ([Acknowledge()], Acknowledge()),
        ([Close()], Acknowledge()),
        ([Close()], SHELVE),
        ([Close()], Close()),
        ([Close()], Close(is_false_alarm=True)),
        ([], Shelve(for_us=MINUTE_US, reason=" ")),
        ([], Shelve(for_us=0, reason="why")),
        ([], Shelve(for_us=MAX_SHELVED_US + 1, reason="why")),
    ],
)
def test_what_is_refused_says_what_to_do(actions, refused):
    with pytest.raises(AlarmRefused) as told:
        after(*actions, refused)
    assert told.value.remedy
    assert "4711" in told.value.which


def test_the_second_of_two_operators_is_told_what_the_first_did():
    standing = after(Acknowledge(), by="anna")
    with pytest.raises(AlarmRefused, match=r"already acknowledged by anna at 2027-01-15 08:00:00Z"):
        after(Acknowledge(), standing=standing, by="noa")


def test_who_decided_on_an_older_version_is_refused_and_told_the_new_one():
    seen = Standing()
    changed = after(SHELVE, by="anna")
    with pytest.raises(AlarmRefused, match=r"shelved until .* by anna .*--seen 1"):
        after(Close(), standing=changed, by="noa", seen=seen.version)
    assert after(Close(), standing=changed, by="noa", seen=1).state is AlarmState.CLOSED


@pytest.mark.parametrize("before", [[], [Acknowledge()]])
def test_shelving_ends_by_itself_at_its_time_and_gives_back_what_was(before):
    standing = after(*before, SHELVE)
    until_us = T_US + SHELVE.for_us
    assert as_of(standing, until_us - 1).standing == standing
    ended = as_of(standing, until_us + 5 * MINUTE_US)
    assert ended.standing.state is after(*before).state
    (step,) = ended.steps
    assert (step.kind, step.t_utc_us, step.by) == (StepKind.SHELVING_OVER, until_us, "desk")


def test_shelved_for_longer_it_still_comes_back_as_what_it_was_at_first():
    standing = after(Acknowledge(), SHELVE, SHELVE)
    assert as_of(standing, T_US + SHELVE.for_us).standing.state is AlarmState.ACKNOWLEDGED


def test_what_is_done_after_a_shelving_ended_comes_after_its_end():
    standing = after(SHELVE)
    later_us = T_US + SHELVE.for_us + 1
    taken = take(standing, Acknowledge(), by="noa", now_utc_us=later_us, which="it")
    assert [step.kind for step in taken.steps] == [
        StepKind.SHELVING_OVER,
        StepKind.ACKNOWLEDGED,
    ]
    assert [step.version for step in taken.steps] == [2, 3]


def test_a_wrong_verdict_is_corrected_with_a_reason():
    standing = after(Close(is_false_alarm=True))
    corrected = take(standing, Close(reason="seen on video"), by="noa", now_utc_us=T_US, which="it")
    assert corrected.standing.verdict is Verdict.REAL
    assert [step.kind for step in corrected.steps] == [StepKind.CORRECTED]


def test_a_condition_that_is_over_closes_its_alarm_whatever_was_done_with_it():
    for actions in ([], [Acknowledge()], [SHELVE]):
        standing = after(*actions, ConditionOver())
        assert (standing.state, standing.verdict) == (AlarmState.CLOSED, Verdict.OVER)
    closed = after(Close())
    assert after(ConditionOver(), standing=closed) == closed
