"""Whatever operators do to an alarm in whatever order: states, history and audit agree."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roeh.core.errors import AlarmRefused
from roeh.desk.alarms.states import (
    Acknowledge,
    AlarmState,
    Close,
    Shelve,
    Standing,
    as_of,
    take,
)
from roeh.desk.operators import Who
from roeh.desk.store.sqlite import SqliteStore
from tests.desks import desk_in
from tests.operated_desks import OperatedDesk

OPERATORS = ("anna", "noa", "tal")
ACTIONS = st.one_of(
    st.just(Acknowledge()),
    st.builds(Shelve, for_us=st.integers(-1, 90_000_000_000), reason=st.sampled_from(["", "why"])),
    st.builds(Close, is_false_alarm=st.booleans(), reason=st.sampled_from(["", "seen"])),
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(OPERATORS), ACTIONS, st.integers(0, 4000), st.none() | st.integers(0, 6)
    ),
    max_size=12,
)


@given(DEEDS)
def test_states_are_what_their_steps_led_to_and_refusals_change_nothing(deeds):
    standing, now_us, steps = Standing(), 0, []
    for by, action, wait_s, seen in deeds:
        now_us += wait_s * 1_000_000
        try:
            taken = take(standing, action, by=by, now_utc_us=now_us, which="it", seen_version=seen)
        except AlarmRefused:
            continue
        steps += taken.steps
        standing = taken.standing
        assert standing.changed_by == by
        assert as_of(standing, now_us).standing == standing
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert [step.t_utc_us for step in steps] == sorted(step.t_utc_us for step in steps)
    assert standing.version == len(steps)
    # A shelving is for ever in sight of the clock: it ends.
    assert as_of(standing, now_us + 90_000_000_001).standing.state is not AlarmState.SHELVED


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=DEEDS)
def test_history_and_audit_have_every_step_and_nothing_else(deeds, memory_directory):
    directory = Path(tempfile.mkdtemp(dir=memory_directory))
    with contextlib.closing(SqliteStore(directory / "desk.db")) as store:
        desk = OperatedDesk(desk_in(directory), store)
        desk.alert()
        alarm, refused = desk.alarm(), 0
        for by, action, wait_s, seen in deeds:
            desk.clock.advance(wait_s)
            try:
                desk.work.act(alarm.short_id, action, Who(by, f"user-{by}"), seen)
            except AlarmRefused:
                refused += 1
        desk.time_passes(90_001)

        steps = desk.steps(alarm)
        done = [step for step in steps if step.by != "desk"]
        assert len(done) == len(deeds) - refused
        assert [step.version for step in steps] == list(range(1, len(steps) + 1))
        now = desk.alarm()
        assert now.version == len(steps)
        assert now.state is not AlarmState.SHELVED
        assert (now.attended_by is not None) == bool(done)
        about = [entry for entry in desk.entries() if entry.subject == alarm.id]
        assert [entry.operator for entry in about] == [step.by for step in steps]
        assert [entry.action.value for entry in about] == [
            f"alarm.{step.kind.value.replace(' ', '_')}" for step in steps
        ]
        for entry, step in zip(about, steps, strict=True):
            if step.by != "desk":
                assert entry.os_user == f"user-{step.by}"
            assert step.reason in entry.detail
        assert desk.check().entries == len(desk.entries())


def test_a_deed_that_may_not_be_done_is_refused_by_name():
    with pytest.raises(AlarmRefused, match="shelved without a reason"):
        take(Standing(), Shelve(for_us=1, reason=""), by="anna", now_utc_us=0, which="it")
