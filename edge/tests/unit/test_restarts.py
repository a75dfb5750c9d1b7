"""Restarts within limits, and the state of a node in one line."""

import pytest

from roeh.core.clock import NS_PER_S
from roeh.core.config import SuperviseSection
from roeh.core.peers import Role
from roeh.core.types import ProcessReport
from roeh.supervise.restarts import RestartLimit
from roeh.supervise.state import ProcessFacts, state_line


def limit(**settings):
    return RestartLimit(SuperviseSection(**settings))


def test_each_wait_is_twice_the_last_up_to_three_seconds():
    restarts = limit(max_restarts=7, backoff_s=0.2)
    waits = [restarts.after_exit(0) for _ in range(7)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 3.0])


def test_after_the_last_allowed_restart_it_is_left_alone():
    restarts = limit(max_restarts=2)
    assert [restarts.after_exit(t * NS_PER_S) is None for t in range(4)] == [
        False,
        False,
        True,
        True,
    ]


def test_what_ran_well_for_a_window_begins_with_a_clean_slate():
    restarts = limit(max_restarts=2, window_s=60.0, backoff_s=0.2)
    assert restarts.after_exit(0) == 0.2
    assert restarts.after_exit(NS_PER_S) == 0.4
    assert restarts.after_exit(62 * NS_PER_S) == 0.2


def test_with_the_defaults_what_ends_at_once_is_given_up_within_the_window():
    restarts = limit()
    now_s = 0.0
    for _ in range(SuperviseSection().max_restarts):
        # Half a second to start and fail, on a slow machine three.
        now_s += 3.0 + restarts.after_exit(int(now_s * NS_PER_S))
    assert restarts.after_exit(int(now_s * NS_PER_S)) is None


NOW_US = 100_000_000
RUNNING = ProcessFacts(running=True, started_mono_us=1_000_000)


def report(role, state="ok", detail="", t_mono_us=NOW_US - 1_000_000):
    return ProcessReport(role.value, state, detail, t_mono_us, {})


def line(facts, *reports):
    return state_line(facts, reports)


def test_processes_stand_in_the_order_in_which_they_were_given():
    facts = {Role.EVIDENCE: RUNNING, Role.CAPTURE: RUNNING}
    said = line(facts, report(Role.CAPTURE), report(Role.EVIDENCE))
    assert said == "evidence ok  capture ok"


def test_whoever_is_not_well_says_why_in_brackets():
    facts = {Role.EVIDENCE: RUNNING, Role.CAPTURE: RUNNING, Role.PUBLISH: RUNNING}
    said = line(
        facts,
        report(Role.EVIDENCE),
        report(Role.CAPTURE, "blind", "gate: no frame"),
        report(Role.PUBLISH, "degraded", "not connected"),
    )
    assert said == (
        "evidence ok  capture blind  publish degraded"
        "  (capture: gate: no frame; publish: not connected)"
    )


@pytest.mark.parametrize(
    ("facts", "reports", "state"),
    [
        (RUNNING, [], "starting"),
        # What its predecessor said before it was killed is no news of this one.
        (RUNNING, [report(Role.DETECT, t_mono_us=900_000)], "starting"),
        (ProcessFacts(running=False, started_mono_us=0), [report(Role.DETECT)], "down"),
        (
            ProcessFacts(running=False, started_mono_us=0, given_up=True),
            [report(Role.DETECT)],
            "given up",
        ),
        (
            ProcessFacts(running=False, started_mono_us=0, done=True),
            [report(Role.DETECT, "stopped", "stopped on request")],
            "done",
        ),
    ],
)
def test_the_supervisor_knows_better_than_an_old_report(facts, reports, state):
    assert line({Role.DETECT: facts}, *reports) == f"detect {state}"
