"""A clock that jumps: order and evidence do not rest on it."""

import pytest
from suite import faults
from suite.delivery import check_all_arrived, wait_for_alerts
from suite.evidence import check_whole

HOUR_S = 3600.0

pytestmark = [pytest.mark.fault(faults.CLOCK), pytest.mark.needs("systemd", "clock")]


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_a_jump_of_an_hour_loses_no_alert_and_breaks_no_evidence(
    pole, clock, control_room, seconds
):
    wait_for_alerts(pole, 1)
    clock.step(seconds)
    wait_for_alerts(pole, 2)
    check_whole(pole.machine)
    clock.release()
    wait_for_alerts(pole, 1)
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)
