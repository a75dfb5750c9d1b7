"""A release on trial proves itself or the one before comes back, whatever is killed."""

import os

import pytest

from roeh.core.errors import ReleaseFailed, ReleaseRefused
from roeh.release.trials import Allowed
from tests.released_machines import PATIENCE, Machine, killed_at

#: Even steps of a kill and odd ones of a power cut; with ROEH_KILLS set, each of both.
STRIDE = 1 if "ROEH_KILLS" in os.environ else 2


@pytest.fixture
def machine(memory_directory):
    made = Machine(memory_directory / "m")
    made.add("1.0.0")
    made.add("1.1.0")
    made.start("1.0.0")
    return made


def tried(machine, version="1.1.0", **allowed):
    machine.trials().begin(version, PATIENCE, Allowed(**allowed))
    return machine.trials().watch()


def test_a_release_that_works_is_confirmed(machine):
    outcome = tried(machine)
    assert outcome.outcome == "confirmed"
    assert (machine.in_force, machine.running) == ("1.1.0", "1.1.0")
    assert machine.places.before().version == "1.0.0"
    assert machine.records.undecided() is None


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ({"state": "failed"}, "roeh-capture.service failed"),
        ({"state": "activating"}, "not active"),
        ({"restarts": 5}, "was restarted 5 times"),
        ({"recorded": False}, "evidence acknowledged nothing"),
        ({"connected": False}, "no connection to the broker"),
        ({"fails": ["CLOCK-WRONG"]}, "the doctor says FAIL: CLOCK-WRONG"),
    ],
)
def test_a_release_that_does_not_work_is_returned_from(machine, behaviour, why):
    machine.add("2.0.0", **behaviour)
    outcome = tried(machine, "2.0.0")
    assert outcome.outcome == "returned"
    assert why in outcome.why
    assert (machine.in_force, machine.running) == ("1.0.0", "1.0.0")


def test_a_python_that_does_not_start_is_seen_before_anything_changes(machine):
    (machine.add("2.0.0").directory / "bin/roeh").unlink()
    with pytest.raises(ReleaseFailed, match="does not start"):
        tried(machine, "2.0.0")
    assert machine.running == "1.0.0"


def test_what_was_broken_before_is_not_asked_of_the_new_release(machine):
    machine.add("0.9.0", connected=False, recorded=False, fails=["CAMERA-SILENT"])
    machine.add("2.0.0", connected=False, recorded=False, fails=["CAMERA-SILENT"])
    machine.start("0.9.0")
    assert tried(machine, "2.0.0").outcome == "confirmed"


def test_a_pole_on_which_nothing_runs_proves_nothing(machine):
    machine.units().restart()
    for path in (machine.root / "units").iterdir():
        path.write_text("ActiveState=inactive\n")
    with pytest.raises(ReleaseFailed, match="nothing of ours runs"):
        tried(machine)


def test_a_store_that_the_release_before_could_not_read_is_refused_unless_asked_for(machine):
    machine.add("2.0.0", store_schema=3)
    with pytest.raises(ReleaseRefused, match="no way back"):
        tried(machine, "2.0.0")
    assert tried(machine, "2.0.0", other_store=True).outcome == "confirmed"


def test_a_configuration_that_the_release_does_not_take_is_refused(machine):
    machine.add("2.0.0", config_status=10)
    with pytest.raises(ReleaseRefused, match="does not take this configuration"):
        tried(machine, "2.0.0")
    assert (machine.in_force, machine.records.undecided()) == ("1.0.0", None)


def test_an_older_release_is_refused_unless_asked_for(machine):
    assert tried(machine).outcome == "confirmed"
    with pytest.raises(ReleaseRefused, match=r"older than 1\.1\.0"):
        tried(machine, "1.0.0")
    assert tried(machine, "1.0.0", older=True).outcome == "confirmed"


def test_a_person_returns_from_a_release_and_from_a_trial(machine):
    tried(machine)
    assert machine.trials().go_back(Allowed()) == "1.0.0"
    assert machine.running == "1.0.0"
    with pytest.raises(ReleaseFailed, match="no release before"):
        machine.trials().go_back(Allowed())
    machine.trials().begin("1.1.0", PATIENCE, Allowed())
    machine.records.ask_for_return()
    assert machine.trials().watch().why == "a person asked for it"


def test_the_way_back_is_taken_on_a_disk_that_takes_no_file(machine):
    machine.add("2.0.0", state="failed")
    machine.trials().begin("2.0.0", PATIENCE, Allowed())
    for name in (".trial.json.new", ".last_trial.json.new"):
        (machine.places.opt / name).mkdir()
    assert machine.trials().watch().outcome == "returned"
    assert (machine.in_force, machine.running) == ("1.0.0", "1.0.0")
    starts = (machine.root / "starts").read_text()
    assert machine.trials().watch() is None
    assert (machine.root / "starts").read_text() == starts


def test_a_systemd_that_is_silent_proves_nothing(machine):
    machine.trials().begin("1.1.0", PATIENCE, Allowed())
    machine.silent("show")
    outcome = machine.trials().watch()
    assert (outcome.outcome, machine.in_force) == ("returned", "1.0.0")
    assert "systemctl failed" in outcome.why


def test_a_release_that_cannot_be_started_is_returned_from_as_soon_as_that_can_be(machine):
    machine.trials().begin("1.1.0", PATIENCE, Allowed())
    machine.silent("st")
    with pytest.raises(ReleaseFailed, match="systemctl failed"):
        machine.trials().watch()
    assert machine.in_force == "1.0.0"
    machine.silent("nothing")
    assert machine.trials().watch().outcome == "returned"
    assert (machine.in_force, machine.running) == ("1.0.0", "1.0.0")


def test_a_process_that_falls_while_the_doctor_looks_is_seen(machine):
    fallen = "ActiveState=activating\nNRestarts=1\nInvocationID=another\n"
    machine.add("2.0.0", at_the_doctors={"units/roeh-capture.service": fallen})
    outcome = tried(machine, "2.0.0")
    assert (outcome.outcome, machine.in_force) == ("returned", "1.0.0")


def test_a_person_who_asks_while_the_doctor_looks_is_heard(machine):
    machine.add("2.0.0", at_the_doctors={"opt/trial.return": ""})
    assert tried(machine, "2.0.0").why == "a person asked for it"
    assert machine.in_force == "1.0.0"


def test_a_unit_that_failed_and_was_restarted_before_may_go_on_so(machine):
    machine.add("0.9.0", flapping=True)
    machine.add("2.0.0", flapping=True)
    machine.start("0.9.0")
    assert tried(machine, "2.0.0").outcome == "confirmed"


def test_two_at_once_do_not_meet(machine):
    with machine.places.held(), pytest.raises(ReleaseFailed, match="at work"):
        tried(machine)


def test_a_power_cut_in_a_trial_returns_before_anything_starts(machine):
    machine.trials().begin("1.1.0", PATIENCE, Allowed())
    assert machine.in_force == "1.1.0"
    outcome = machine.boot()
    assert (outcome.outcome, machine.in_force) == ("returned", "1.0.0")
    assert machine.running == "1.0.0"


def test_the_way_back_asks_nothing_of_what_is_there(machine):
    machine.trials().begin("1.1.0", PATIENCE, Allowed())
    for name in ("1.0.0", "1.1.0"):
        (machine.places.releases / name / "manifest.json").write_bytes(b"")
    assert machine.boot().outcome == "returned"
    assert machine.places.current.readlink().name == "1.0.0"


@pytest.mark.parametrize("is_power_cut", [0, 1])
def test_whatever_is_killed_one_whole_release_runs_in_the_end(machine, is_power_cut):
    """Steps of beginning, and of judging, are once the last; every other release is broken."""
    step = is_power_cut if STRIDE > 1 else 0
    outcomes = set()
    while True:
        version = f"2.0.{step}"
        works = (step // STRIDE + is_power_cut) % 2 == 0
        machine.add(version, state="active" if works else "failed")
        before = machine.in_force

        def go(version=version):
            machine.trials().begin(version, PATIENCE, Allowed())
            machine.trials().watch()

        was_killed = killed_at(step, go)
        # What systemd does next: boots, or starts the unit that a trial's file calls for.
        outcome = machine.boot() if is_power_cut else machine.trials().watch()
        last = machine.records.last()
        if last is not None and last.version == version:
            outcomes.add(last.outcome)
            expected = version if last.outcome == "confirmed" else before
        else:
            assert outcome is None
            expected = before
        assert machine.records.undecided() is None
        assert (machine.in_force, machine.running) == (expected, expected)
        assert machine.trials().watch() is None
        if not was_killed:
            break
        step += STRIDE
    assert step > 10
    assert outcomes == {"confirmed", "returned"}
