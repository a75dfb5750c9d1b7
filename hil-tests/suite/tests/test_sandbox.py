"""What each process could do if somebody took it over: tried, not assumed.

A probe runs in the place of each process: the same unit with its drop-ins, the same user, another
program. What it must be able to do is tried as well: a probe that can do nothing would
show nothing.
"""

import pytest
from suite import faults
from suite.pole import ROLES, unit_of
from suite.sandbox import exposures, tried

pytestmark = [pytest.mark.fault(faults.SANDBOX), pytest.mark.needs("systemd"), pytest.mark.short]

MAX_EXPOSURE = 1.5

NOBODY_MAY = {
    "change the configuration",
    "change whom the pole believes",
    "change the release",
    "change a program",
    "read passwords",
    "list homes",
    "open a packet socket",
    "open a raw socket",
    "be root",
    "mount",
    "make a namespace",
    "set the clock",
    "slow the clock down",
    "write and execute memory",
    "see processes of others",
    "end the first process",
    "take a socket of others away",
    "open the kernel's log",
    "open memory",
    "open a disk",
}
EVIDENCE = {
    "list evidence",
    "read the store",
    "list signing keys",
    "write evidence",
    "write recorded video",
}
VIDEO = {"list recorded video"}
NETWORK = {
    "reach the broker",
    "reach the control room's ssh",
    "reach the camera",
    "reach this machine's ssh",
    "send a datagram",
}
MUST_NOT = {
    "capture": EVIDENCE
    | VIDEO
    | {"list publish's key", "list retrieve's key", "list exports"}
    | {"reach the control room's ssh", "send a datagram", "read whether the clock is right"},
    "detect": EVIDENCE
    | VIDEO
    | NETWORK
    | {"list publish's key", "list retrieve's key", "list exports", "open a network socket"},
    "evidence": NETWORK
    | {"list publish's key", "list retrieve's key", "list exports", "open a network socket"},
    "publish": EVIDENCE | VIDEO | {"list retrieve's key", "list exports"},
    "retrieve": EVIDENCE | {"list publish's key"},
}
EVERYBODY_CAN = {
    "read the configuration",
    "write metrics",
    "open a local socket",
}
CAN = {
    "capture": {"reach the camera", "read what is told of the clock"},
    "detect": set(),
    "evidence": EVIDENCE | VIDEO,
    "publish": {"reach the broker", "list publish's key"},
    "retrieve": VIDEO | {"list retrieve's key", "list exports"},
}


@pytest.fixture(scope="module")
def attempts(provisioned_pole, env):
    """Role → try → what came of it, all roles at once."""
    provisioned_pole.wait_until_well()
    reached = env.config.get_option("addresses")
    arguments = (reached["control_room"], reached["camera"], str(reached["camera_port"]))
    return tried(provisioned_pole.machine, ROLES, *arguments)


def test_the_exposure_of_every_unit_is_low(pole):
    units = [*map(unit_of, ROLES), "roeh-usb@sda.service"]
    found = exposures(pole.machine, units)
    assert {unit: each for unit, each in found.items() if each > MAX_EXPOSURE} == {}


@pytest.mark.parametrize("role", ROLES)
def test_a_process_that_was_taken_over_can_do_no_more_than_its_own(attempts, role):
    came_of = attempts[role]
    could = {name for name, outcome in came_of.items() if outcome == "ok"}
    must_not = NOBODY_MAY | MUST_NOT[role]
    assert must_not <= set(came_of)
    assert could & must_not == set(), came_of
    assert (EVERYBODY_CAN | CAN[role]) - could == set(), came_of


@pytest.mark.needs("kernel")
@pytest.mark.parametrize("role", [role for role in ROLES if role != "capture"])
def test_who_is_not_told_can_read_whether_the_clock_is_right(attempts, role):
    """A container is refused that by whoever runs it, whatever its units say."""
    assert attempts[role]["read whether the clock is right"] == "ok"


@pytest.mark.needs("kernel")
def test_capture_reaches_its_cameras_and_not_the_broker(attempts):
    """The unit's own firewall (IPAddressDeny) is the kernel's, by control group."""
    assert attempts["capture"]["reach the camera"] == "ok"
    assert attempts["capture"]["reach the broker"] != "ok"
