"""A process that stands still, or ends: systemd brings it back and nothing recorded is lost."""

import pytest
from suite import faults
from suite.delivery import check_all_arrived, wait_for_alerts
from suite.evidence import check_whole
from suite.machine import seconds_of
from suite.pole import ROLES, unit_of
from suite.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.needs("systemd")

#: The units' own is up to a minute; the test shortens it, and holds theirs below.
SHORT_WATCHDOG_S = round(10 * PATIENCE)
MAX_WATCHDOG_S = 60
#: The watchdog, the end of the process (20 s at most), a second, the start.
PATIENCE_S = SHORT_WATCHDOG_S + 20 + 1 + 60


@pytest.mark.short
@pytest.mark.fault(faults.HANG)
def test_every_unit_has_a_watchdog_and_is_started_again_without_end(pole):
    for role in ROLES:
        shown = pole.machine.show(
            unit_of(role), "WatchdogUSec", "Restart", "StartLimitIntervalUSec", "Type"
        )
        assert shown["Type"] == "notify"
        assert 0 < seconds_of(shown["WatchdogUSec"]) <= MAX_WATCHDOG_S
        assert shown["Restart"] == "always"
        assert seconds_of(shown["StartLimitIntervalUSec"]) == 0


@pytest.fixture(scope="module")
def short_watchdogs(provisioned_pole):
    """Every unit with a shorter watchdog; theirs again afterwards."""
    pole = provisioned_pole
    units = " ".join(unit_of(role) for role in ROLES)
    line = f"[Service]\\\\nWatchdogSec={SHORT_WATCHDOG_S}\\\\n"
    pole.machine.run(
        f"for unit in {units}; do mkdir -p /run/systemd/system/$unit.d;"
        f" printf '{line}' > /run/systemd/system/$unit.d/short-watchdog.conf; done;"
        f" systemctl daemon-reload; systemctl restart {units}"
    )
    yield
    pole.machine.run(
        f"for unit in {units}; do rm -f /run/systemd/system/$unit.d/short-watchdog.conf; done;"
        f" systemctl daemon-reload; systemctl restart {units}"
    )


@pytest.fixture
def watched(short_watchdogs, pole):
    return pole


def hang(pole, *roles):
    """Stop them, and wait for others in their places."""
    stopped = {role: pole.main_pid(role) for role in roles}
    pole.machine.run("kill -STOP " + " ".join(str(pid) for pid in stopped.values()))

    def are_others():
        now = {role: pole.main_pid(role) for role in roles}
        return all(now[role] not in (0, stopped[role]) for role in roles)

    wait_until(f"others in the place of {', '.join(roles)}", are_others, PATIENCE_S)
    assert all(pole.watchdog_timeouts(role) > 0 for role in roles)


@pytest.mark.short
@pytest.mark.fault(faults.HANG)
def test_all_processes_hang_at_once_and_are_started_anew(watched, control_room):
    hang(watched, *ROLES)
    watched.wait_until_well()
    wait_for_alerts(watched, 1)
    check_whole(watched.machine)
    check_all_arrived(watched, control_room)


@pytest.mark.fault(faults.HANG)
@pytest.mark.parametrize("role", ROLES)
def test_a_process_that_hangs_is_started_anew_and_evidence_stays_whole(watched, control_room, role):
    others = {other: watched.main_pid(other) for other in ROLES if other != role}
    hang(watched, role)
    watched.wait_until_well()
    assert {other: watched.main_pid(other) for other in others} == others
    wait_for_alerts(watched, 1)
    check_whole(watched.machine)
    check_all_arrived(watched, control_room)


@pytest.mark.fault(faults.KILL)
def test_processes_killed_again_and_again_cost_no_alert(pole, control_room):
    for role in (*ROLES, "evidence", "publish", "evidence"):
        killed = pole.main_pid(role)
        pole.machine.run(f"kill -KILL {killed}")
        wait_until(
            f"another {role}",
            lambda role=role, killed=killed: pole.main_pid(role) not in (0, killed),
            60,
        )
    pole.wait_until_well()
    wait_for_alerts(pole, 1)
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)
