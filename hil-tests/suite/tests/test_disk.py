"""A disk that is full: recording gives way, alerts do not, and it mends by itself."""

import pytest
from suite import faults
from suite.delivery import check_all_arrived, wait_for_alerts
from suite.evidence import check_whole
from suite.pole import ROLES
from suite.waiting import wait_until

pytestmark = [pytest.mark.fault(faults.DISK), pytest.mark.needs("systemd")]

#: Less than what recording leaves free, more than the store needs for alerts of minutes.
LEFT_BYTES = 24 << 20


def test_on_a_disk_that_fills_recording_gives_way_and_alerts_are_stored(pole, disk, control_room):
    pids = {role: pole.main_pid(role) for role in ROLES}
    disk.fill(LEFT_BYTES)
    wait_for_alerts(pole, 2)
    check_all_arrived(pole, control_room)
    wait_until("the pole says that room is short", lambda: is_told(pole), 90)
    disk.free()
    pole.wait_until_well()
    wait_for_alerts(pole, 1)
    check_all_arrived(pole, control_room)
    check_whole(pole.machine)
    assert {role: pole.main_pid(role) for role in ROLES} == pids, "a process was started anew"


def is_told(pole):
    health = pole.health()
    return health is not None and (
        health.storage_state != "ok" or health.of("evidence").condition == "degraded"
    )
