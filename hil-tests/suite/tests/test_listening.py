"""Nothing listens on a pole but what the table in edge/design/provisioning.md says."""

import pytest
from suite import faults
from suite.listening import Listener, listeners, reachable_from, reachable_from_here

pytestmark = [pytest.mark.fault(faults.LISTENING), pytest.mark.needs("systemd")]

SSH = {Listener("tcp", 22, "all")}
HEALTH = {Listener("tcp", 8440, "127.0.0.1")}
HTTPS = {Listener("tcp", 8443, "all")}
METRICS = {Listener("tcp", 9100, "all")}


@pytest.fixture(scope="module")
def reach(env):
    """Ports that the inventory of this pole opens, by who asks."""
    return env.config.get_option("reachable")


@pytest.fixture
def address(target):
    return target.get_resource("NetworkService").address


@pytest.mark.short
def test_what_listens_inside_is_what_the_table_says(pole):
    settings = pole.settings()
    there = listeners(pole.machine)
    wanted = SSH | HEALTH | (HTTPS if settings.access.host else set())
    assert wanted <= there
    assert there - wanted <= METRICS


def test_from_where_the_technician_is_nothing_else_answers(pole, address, reach):
    found = reachable_from_here(address)
    assert set(found.tcp) == set(reach["technician"])
    assert found.udp == ()


def test_from_the_control_room_nothing_else_answers(pole, control_room, address, reach):
    found = reachable_from(control_room.machine, address)
    assert set(found.tcp) == set(reach["control_room"])
    assert found.udp == ()
