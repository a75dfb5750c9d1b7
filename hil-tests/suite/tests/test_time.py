"""A clock of the pole's own: disciplined by the network, kept by its battery without one."""

import pytest
from suite import faults
from suite.waiting import wait_until

pytestmark = [
    pytest.mark.needs("kernel", "clock", "time_server"),
    pytest.mark.fault(faults.CLOCK),
]

SYNCHRONISED_PATIENCE_S = 180.0


@pytest.fixture
def time_server(target):
    server = target.get_driver("TimeServerProtocol")
    server.start()
    yield server
    server.start()


def is_synchronised(machine):
    """What the kernel says, which is what evidence writes down (adjtimex(2): STA_UNSYNC)."""
    said = machine.run("timedatectl show --property NTPSynchronized --value")
    return said.strip() == "yes"


def test_chronyd_follows_the_time_server_and_the_kernel_says_so(pole, time_server):
    wait_until(
        "the clock is synchronised",
        lambda: is_synchronised(pole.machine),
        SYNCHRONISED_PATIENCE_S,
    )
    (source,) = [
        line
        for line in pole.machine.run("chronyc -c sources").splitlines()
        if time_server.address in line
    ]
    assert source.startswith("^,*,")


def test_after_a_start_without_a_network_the_battery_s_clock_is_taken_and_is_unsynchronised(
    strategy, pole, time_server
):
    wait_until(
        "the clock is synchronised",
        lambda: is_synchronised(pole.machine),
        SYNCHRONISED_PATIENCE_S,
    )
    time_server.stop()
    before = int(pole.machine.run("date +%s"))
    strategy.transition("off")
    strategy.transition("booted")
    after = int(pole.machine.run("date +%s"))
    # A start takes minutes at the most, and a clock without a battery is years behind.
    assert before <= after <= before + 15 * 60
    assert not is_synchronised(pole.machine)
    assert pole.machine.run("cat /sys/class/rtc/rtc0/hctosys").strip() == "1"
    time_server.start()
    pole.machine.run("chronyc online && chronyc burst 4/4", patience_s=60)
    wait_until(
        "the clock is synchronised again",
        lambda: is_synchronised(pole.machine),
        SYNCHRONISED_PATIENCE_S,
    )
