"""Power that goes in the middle of whatever the pole writes."""

import random

import pytest
from suite import faults
from suite.delivery import check_all_arrived, wait_for_alerts
from suite.evidence import check_whole, records
from suite.waiting import wait_until

CUTS = 5


def cut_and_boot(strategy):
    strategy.transition("off")
    strategy.transition("provisioned")


def new_gaps(pole, before):
    """Why nothing was recorded, gap by gap, since then."""
    return [gap.reason for gap in records(pole.machine).gaps[len(before.gaps) :]]


@pytest.mark.short
@pytest.mark.needs("systemd")
@pytest.mark.fault(faults.CUT_PROCESSES)
def test_all_processes_ended_at_once_cost_no_alert_and_leave_evidence_whole(
    cut, pole, control_room
):
    """What was written and not synced survives here: losing that is the power's own row."""
    assert records(pole.machine).alerts[: len(cut.before.alerts)] == cut.before.alerts
    reasons = wait_until("the gap, signed", lambda: new_gaps(pole, cut.before), 60)
    # Where the kernel went on, its boot is the same, and nobody can tell a cut from an end.
    assert set(reasons) & {"power_cut", "evidence_restart", "capture_restart"}
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)


@pytest.mark.needs("systemd", "power")
@pytest.mark.fault(faults.CUT_POWER)
def test_power_cut_at_random_writes_costs_no_alert_that_was_acknowledged(
    strategy, pole, control_room, writes
):
    """Whatever had arrived at the control room is in the pole's ledger after every cut."""
    dice = random.Random(7)
    for _ in range(CUTS):
        wait_for_alerts(pole, 1)
        arrived = {one.seq: one.id for one in control_room.arrivals(pole.name)}
        before = records(pole.machine)
        writes.wait_for(dice.randrange(20, 400))
        cut_and_boot(strategy)
        pole.wait_until_well()
        kept = {one.seq: one.id for one in records(pole.machine).alerts}
        assert arrived.items() <= kept.items()
        assert "power_cut" in wait_until(
            "the gap, signed", lambda before=before: new_gaps(pole, before), 120
        )
        check_whole(pole.machine)
    check_all_arrived(pole, control_room)
