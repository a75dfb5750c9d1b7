"""A camera that is unplugged: the pole says that it is blind, signs the gap, and sees again."""

import pytest
from suite import faults
from suite.delivery import wait_for_alerts
from suite.evidence import check_whole, records
from suite.waiting import wait_until

pytestmark = [
    pytest.mark.fault(faults.CAMERA),
    pytest.mark.needs("systemd", "camera"),
    pytest.mark.short,
]

#: The source's own time-out (5 s) and two reports of capture's (5 s each), on a busy machine.
TOLD_WITHIN_S = 40
BACK_WITHIN_S = 60


def test_a_camera_unplugged_is_told_its_gap_is_signed_and_it_comes_back(pole, camera, control_room):
    unplugged_utc_us = int(pole.machine.run("date +%s%6N"))
    camera.unplug()
    wait_until("the pole says that it is blind", lambda: is_blind(pole), TOLD_WITHIN_S)
    wait_until(
        "the control room knows it",
        lambda: control_room.condition_of(pole.name) == "blind",
        TOLD_WITHIN_S,
    )
    camera.plug()
    pole.wait_until_well(BACK_WITHIN_S)
    wait_until(
        "the control room knows that it sees again",
        # A board that is too slow for its rate holds its budget, and says so.
        lambda: control_room.condition_of(pole.name) in {"ok", "degraded"},
        BACK_WITHIN_S,
    )
    wait_for_alerts(pole, 1)
    # One that ended before is another's: that of a start is signed only once video comes again.
    gaps = [gap for gap in records(pole.machine).gaps if gap.to_utc_us > unplugged_utc_us]
    assert gaps, "no gap was signed"
    assert all(gap.to_utc_us > gap.from_utc_us for gap in gaps)
    assert {gap.reason for gap in gaps} <= {
        "source_reconnected", "source_stalled", "source_restarted", "capture_restart",
    }  # fmt: skip
    check_whole(pole.machine)


def is_blind(pole):
    health = pole.health()
    return health is not None and health.of("capture").condition == "blind"
