"""How an export may go: every state and every step."""

import itertools
import typing

from roeh.core.retrieval import ExportState
from roeh.ledger.export_states import ENDS, Step, next_state

STATES = typing.get_args(ExportState)
POSSIBLE = {
    ("requested", Step.APPROVED): "approved",
    ("requested", Step.REFUSED): "refused",
    ("requested", Step.FAILED): "failed",
    ("requested", Step.EXPIRED): "expired",
    ("approved", Step.BEGUN): "building",
    ("approved", Step.FAILED): "failed",
    ("approved", Step.EXPIRED): "expired",
    ("building", Step.BEGUN): "building",
    ("building", Step.SEALED): "building",
    ("building", Step.READY): "ready",
    ("building", Step.INTERRUPTED): "approved",
    ("building", Step.FAILED): "failed",
    ("ready", Step.TAKEN): "taken",
    ("ready", Step.UNTAKEN): "ready",
    ("ready", Step.FAILED): "failed",
    ("ready", Step.EXPIRED): "expired",
    ("taken", Step.TAKEN): "taken",
    ("taken", Step.UNTAKEN): "taken",
    ("taken", Step.FAILED): "failed",
    ("taken", Step.EXPIRED): "expired",
}


def test_every_step_leads_where_it_may_and_nowhere_else():
    for state, step in itertools.product(STATES, Step):
        assert next_state(state, step) == POSSIBLE.get((state, step)), (state, step)


def test_an_end_is_left_by_nothing():
    assert {state for state in STATES if not any(next_state(state, step) for step in Step)} == ENDS


def test_nothing_is_ready_that_nobody_agreed_to():
    """Every way to `ready` goes through `approved`, which only an approval opens."""
    reached = {"requested"}
    while True:
        steps = [step for step in Step if step is not Step.APPROVED]
        more = {next_state(state, step) for state in reached for step in steps} - {None}
        if more <= reached:
            break
        reached |= more
    assert reached == {"requested"} | ENDS
