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


@pytest.fixture
def installed(pole, target):
    """What installs a bundle on the pole; its files are gone from there afterwards."""

    def install(bundle):
        there = carry(bundle, pole.machine, target.get_driver("SSHDriver"))
        pole.machine.run(f"roeh release install {there}", patience_s=600)
        pole.machine.run(f"rm -r {there}")

    return install


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


def test_an_update_that_is_well_stays_and_a_bad_one_returns_by_itself(
    pole, control_room, releases, installed
):
    installed(releases.well("90.0.0"))
    assert try_release(pole, "90.0.0") == "confirmed"
    assert pole.wait_until_well().software == "90.0.0"
    wait_for_alerts(pole, 1)
    installed(releases.broken("90.0.1"))
    assert try_release(pole, "90.0.1") == "returned"
    assert pole.wait_until_well().software == "90.0.0"
    assert state(pole)["in_force"] == "90.0.0"
    wait_for_alerts(pole, 1)
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)


def test_a_pole_cut_off_in_the_middle_of_a_trial_boots_with_the_release_before(
    strategy, pole, control_room
):
    before = state(pole)
    other = next(one for one in before["installed"] if one != before["in_force"])
    pole.machine.run(f"roeh release try {other} --patience 600 --quiet 300 --no-wait")
    wait_until("the trial", lambda: state(pole)["on_trial"] == other, 60)
    strategy.transition("off")
    strategy.transition("provisioned")
    pole.wait_until_well()
    after = state(pole)
    assert (after["in_force"], after["on_trial"]) == (before["in_force"], "")
    assert after["last_trial"]["outcome"] == "returned"
    wait_for_alerts(pole, 1)
    check_whole(pole.machine)
    check_all_arrived(pole, control_room)
