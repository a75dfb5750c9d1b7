"""A release on trial: one that is well stays, one that is not goes by itself; nothing is lost."""

import json

import pytest
from suite import faults
from suite.delivery import check_all_arrived, wait_for_alerts
from suite.evidence import check_whole
from suite.releases import Releases, carry
from suite.waiting import wait_until

pytestmark = [pytest.mark.fault(faults.UPDATE), pytest.mark.needs("systemd")]

#: A trial is judged this soon here: a pole in the street takes five minutes and one.
PATIENCE_S, QUIET_S = 90, 15
JUDGED_WITHIN_S = 2 * PATIENCE_S + 60


@pytest.fixture(scope="module")
def releases(tmp_path_factory, env):
    machine = env.config.get_option("machine")
    return Releases(tmp_path_factory.mktemp("releases"), machine["arch"], machine["suite"])


@pytest.fixture(scope="module")
def install(provisioned_pole, target):
    """What brings a bundle to the pole and installs it; only the release stays there."""

    def install(bundle):
        machine = provisioned_pole.machine
        there = carry(bundle, machine, target.get_driver("SSHDriver"))
        try:
            machine.run(f"roeh release install {there}", patience_s=600)
        finally:
            machine.run(f"rm -r {there}")

    return install


@pytest.fixture(scope="module")
def broken(provisioned_pole, releases, install):
    """Version of a release, installed, that starts and is not well."""
    version = next_version(provisioned_pole)
    install(releases.broken(version))
    return version


@pytest.fixture(scope="module")
def well(provisioned_pole, releases, install):
    """Version of a release, installed, that is well."""
    version = next_version(provisioned_pole)
    install(releases.well(version))
    return version


def next_version(pole):
    """Newer than any that was ever here: another would be refused."""
    highest = pole.machine.run("cat /opt/roeh/highest").strip()
    return f"90.0.{int(highest.split('.')[2]) + 1 if highest.startswith('90.') else 0}"


def state(pole):
    return json.loads(pole.machine.run("roeh release show --json"))


def try_release(pole, version):
    """Bring it into force; what came of it."""
    said = pole.machine.ask(
        f"roeh release try {version} --patience {PATIENCE_S} --quiet {QUIET_S} --no-wait"
    )
    assert said.status == 0, said.err
    return wait_until(
        f"a judgement on {version}",
        lambda: (
            last["outcome"]
            if not (now := state(pole))["on_trial"]
            and (last := now["last_trial"])
            and last["version"] == version
            else None
        ),
        JUDGED_WITHIN_S,
    )


@pytest.mark.short
def test_a_release_that_starts_and_is_not_well_returns_by_itself(pole, control_room, broken):
    before = pole.wait_until_well().software
    assert try_release(pole, broken) == "returned"
    assert pole.wait_until_well().software == before
    assert state(pole)["in_force"] == before
    wait_for_alerts(pole, 1)
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)


def test_a_pole_cut_off_in_the_middle_of_a_trial_boots_with_the_release_before(
    strategy, pole, control_room, well
):
    before = state(pole)["in_force"]
    pole.machine.run(f"roeh release try {well} --patience 600 --quiet 300 --no-wait")
    wait_until(
        "a process of the release on trial",
        lambda: (health := pole.health()) and health.software == well,
        60,
    )
    strategy.transition("off")
    strategy.transition("provisioned")
    assert pole.wait_until_well().software == before
    after = state(pole)
    assert (after["in_force"], after["on_trial"]) == (before, "")
    assert after["last_trial"]["outcome"] == "returned"
    assert "restarted before" in after["last_trial"]["why"]
    wait_for_alerts(pole, 1)
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)


def test_a_release_that_is_well_stays(pole, control_room, well):
    assert try_release(pole, well) == "confirmed"
    assert pole.wait_until_well().software == well
    wait_for_alerts(pole, 1)
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)
