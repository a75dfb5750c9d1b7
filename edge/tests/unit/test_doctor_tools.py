"""What the doctor asks of the system's own tools, none of which may hang it."""

import json
import threading

import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import parse_config
from roeh.doctor.finding import good
from roeh.doctor.firewall import check_firewall
from roeh.doctor.machine_view import MachineView
from roeh.doctor.main import findings
from roeh.doctor.timekeeping import check_time_source, judge_jumps, read_tracking
from roeh.doctor.units import UNITS, check_units
from roeh.ledger.records import ClockStepRecord, Record

CLOCK = SimulatedClock(t_mono_ns=10_000 * NS_PER_S)
CONFIG = parse_config(
    "[[sensors]]\nsource = { kind = 'composed' }\n"
    "lens = { width_px = 320, height_px = 320, fov_deg = 180 }",
    name="node.toml",
)
TRACKING = (
    "C0A80101,192.168.1.1,3,1800000000.1,{offset},0.00001,0.00002,-3.1,0.0,0.05,0.004,{spread},"
    "64.2,{leap}"
)


@pytest.fixture
def machine(tmp_path):
    """A machine whose tools are scripts: `machine(nft="echo ...")`."""

    def make(timeout_s=10.0, **tools):
        folder = tmp_path / "tools"
        folder.mkdir(exist_ok=True)
        (tmp_path / "run/systemd/system").mkdir(parents=True, exist_ok=True)
        for name, script in tools.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        return MachineView(
            sys=tmp_path,
            proc=tmp_path,
            root=tmp_path,
            tool_dirs=str(folder),
            tool_timeout_s=timeout_s,
        )

    return make


def codes(outcomes):
    return [outcome.code.word if outcome.code else outcome.verdict for outcome in outcomes]


def said(text):
    return f"/bin/cat <<'END'\n{text}\nEND"


@pytest.mark.parametrize(
    ("offset", "spread", "leap", "expected"),
    [
        ("0.0001", "0.001", "Normal", "OK"),
        ("0.0001", "0.9", "Normal", "CLOCK-COARSE"),
        ("0.0001", "0.001", "Not synchronised", "CLOCK-FREE"),
    ],
)
def test_chrony_says_from_whom_the_time_is_and_how_good(machine, offset, spread, leap, expected):
    line = TRACKING.format(offset=offset, spread=spread, leap=leap)
    assert codes(check_time_source(machine(chronyc=said(line)), CLOCK)) == [expected]


@pytest.mark.parametrize("line", ["", "506 Cannot talk to daemon", ",".join("x" * 14)])
def test_what_is_no_tracking_is_taken_for_none(line):
    assert read_tracking(line) is None


def chain(hook, policy):
    return {
        "chain": {"family": "inet", "table": "roeh", "name": hook, "hook": hook, "policy": policy}
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json.dumps({"nftables": [{"metainfo": {}}, chain("input", "drop")]}), "OK"),
        (json.dumps({"nftables": [chain("input", "accept")]}), "FIREWALL-OFF"),
        (json.dumps({"nftables": []}), "FIREWALL-OFF"),
        ("{", "FIREWALL-OFF"),
    ],
)
def test_a_firewall_is_one_that_drops_what_comes_in(machine, answer, expected):
    assert codes(check_firewall(machine(nft=said(answer)), CLOCK)) == [expected]


def test_whoever_may_not_see_the_firewall_is_not_told_that_there_is_none(machine):
    view = machine(nft="echo 'Operation not permitted (you must be root)' >&2; exit 1")
    (outcome,) = check_firewall(view, CLOCK)
    assert (outcome.verdict, "root" in outcome.what) == ("OK", True)


def unit(name, **changes):
    told = {
        "Id": name, "LoadState": "loaded", "ActiveState": "active", "SubState": "running",
        "NRestarts": "0", "Result": "success", "ExecMainStatus": "0", "WatchdogUSec": "30s",
        "ActiveEnterTimestampMonotonic": str(1_000_000_000),
    }  # fmt: skip
    return "\n".join(f"{key}={value}" for key, value in (told | changes).items())


def shown(**changes):
    first = unit(UNITS[0], **changes)
    return said("\n\n".join([first, *(unit(name) for name in UNITS[1:])]))


def test_units_that_run_and_are_watched_are_well(machine):
    (outcome,) = check_units(CONFIG, machine(systemctl=shown()), CLOCK)
    assert outcome.what == "5 units run and are watched"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code",
             "ExecMainStatus": "10"},
            "UNIT-FAILED",
        ),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "UNIT-FAILED"),
        ({"NRestarts": "4", "ActiveEnterTimestampMonotonic": "9990000000"}, "UNIT-RESTARTED"),
        ({"WatchdogUSec": "0"}, "UNIT-UNWATCHED"),
    ],
)  # fmt: skip
def test_a_unit_in_trouble_is_named_with_its_last_words(machine, changes, expected):
    view = machine(systemctl=shown(**changes), journalctl=said("roeh: CONFIG: no such field: x; y"))
    (outcome,) = check_units(CONFIG, view, CLOCK)
    assert codes([outcome]) == [expected]
    assert "roeh-evidence" in outcome.what
    if expected != "UNIT-UNWATCHED":
        assert "roeh: CONFIG: no such field" in outcome.what


def test_a_unit_that_has_run_well_for_long_is_not_reproached(machine):
    view = machine(systemctl=shown(NRestarts="1"))
    assert codes(check_units(CONFIG, view, CLOCK)) == ["OK"]


def test_a_machine_without_the_units_is_no_pole(machine):
    absent = said("\n\n".join(unit(name, LoadState="not-found") for name in UNITS))
    (outcome,) = check_units(CONFIG, machine(systemctl=absent), CLOCK)
    assert "no provisioned pole" in outcome.what


def test_a_tool_that_hangs_is_left_and_told(machine):
    hanging = "exec /bin/sleep 60"
    view = machine(0.2, systemctl=hanging, nft=hanging, chronyc=hanging, timedatectl=hanging)
    assert codes(check_units(CONFIG, view, CLOCK)) == ["UNIT-FAILED"]
    assert codes(check_firewall(view, CLOCK)) == ["FIREWALL-OFF"]
    (outcome,) = check_time_source(view, CLOCK)
    assert outcome.verdict == "OK"


def test_a_check_that_stands_still_is_told_and_left_behind():
    ending = threading.Event()

    def hangs():
        yield good("as far as that")
        ending.wait()

    told = list(findings("disk", hangs(), timeout_s=0.1))
    ending.set()
    assert [finding.code for finding in told] == ["DISK-OK", "CHECK-STUCK"]
    assert told[-1].verdict == "FAIL"


def test_a_check_that_breaks_does_not_take_the_others_with_it():
    def breaks():
        yield good("as far as that")
        raise ZeroDivisionError("by nothing")

    told = list(findings("heat", breaks()))
    assert [finding.code for finding in told] == ["HEAT-OK", "CHECK-BROKEN"]
    assert "ZeroDivisionError" in told[-1].what


def step(by_us, *, before):
    body = ClockStepRecord(by_us=by_us, synchronised_before=before, synchronised_after=True)
    return Record(
        leaf=1, site="haifa", node="pole-7", boot_id="x", t_mono_us=1, t_utc_us=1,
        utc_error_us=1, synchronised=True, body=body,
    )  # fmt: skip


def test_setting_the_clock_after_a_start_is_right_and_a_jump_later_is_not():
    assert judge_jumps([step(90_000_000_000, before=False)]).verdict == "OK"
    assert judge_jumps([step(-40_000, before=True)]).verdict == "OK"
    jumped = judge_jumps([step(2_000_000, before=True), step(-7_500_000, before=True)])
    assert jumped.code.word == "CLOCK-JUMPED"
    assert "-7.5 s" in jumped.what
