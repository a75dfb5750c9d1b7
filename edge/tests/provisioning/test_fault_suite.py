"""The suite of faults without a pole: its table, its verdict, its markers, its environments."""

import ast
import json
import os
import re
import subprocess

import msgspec
import pytest
import yaml
from suite import faults
from suite.budgets import BOARDS, NO_BOARDS, OF_A_BOARD, Budget, Figure, Take, excess, read_table
from suite.capabilities import Capability
from suite.evidence import Verdict
from suite.fault_table import cell, is_good, table_lines
from suite.outcomes import Outcome, Run, Shown, read_run, results_path, write_run
from suite.releases import BEGIN
from suite.sandbox import probe_text
from suite.tiers import ENVIRONMENTS, NAMES, REPOSITORY

SUITE = REPOSITORY / "hil-tests/suite"
HIL = REPOSITORY / "build/env/hil/bin"
TESTS = sorted((SUITE / "tests").glob("test_*.py"))
CAPABILITIES = {each.value for each in Capability}


def run_of(*shown, tier="nspawn", finished=True):
    return Run(
        tier=tier, commit="abc1234", started="2026-01-31T12:00:00Z", form="whole", shown=shown,
        finished=finished,
    )  # fmt: skip


def shown(outcome, fault=faults.LINK, reason="", name="it holds"):
    return Shown(name=name, fault=fault, outcome=outcome, reason=reason, duration_s=1.5)


PASSED = shown(Outcome.PASSED)
FAILED = shown(Outcome.FAILED, reason="an alert came twice")
SKIPPED = shown(Outcome.SKIPPED, reason="somebody skipped it")
INCAPABLE = shown(Outcome.INCAPABLE, fault=faults.CUT_POWER, reason="needs power: no")


def test_a_run_is_good_only_if_all_that_should_run_ran_and_passed():
    assert is_good(run_of(PASSED, INCAPABLE, shown(Outcome.LEFT_OUT)))
    assert not is_good(run_of(PASSED, FAILED))
    assert not is_good(run_of(PASSED, SKIPPED))
    assert not is_good(run_of(PASSED, finished=False))
    assert not is_good(run_of())
    assert not is_good(run_of(INCAPABLE))


def test_only_what_ran_counts_in_a_cell():
    run = run_of(PASSED, PASSED, INCAPABLE)
    assert cell(run, faults.LINK) == "ok (2)"
    assert cell(run, faults.CUT_POWER) == "not run"
    assert cell(run_of(PASSED, FAILED, SKIPPED), faults.LINK) == "FAILED 2 of 3"
    assert cell(None, faults.LINK) == "no run"


def test_the_table_names_each_thing_that_failed_or_was_not_run_with_its_reason():
    runs = {"nspawn": run_of(PASSED, FAILED, INCAPABLE), "qemu": None, "rig": None}
    text = "\n".join(table_lines(runs, faults.IN_ORDER))
    rows = {line.split("  ")[0] for line in text.splitlines()}
    assert {faults.LINK, faults.CUT_POWER} <= rows
    assert "FAILED: an alert came twice: it holds" in text
    assert "not run: needs power: no: it holds" in text
    assert "nspawn: 1 of 2 tests that ran passed, in 3 s" in text
    assert "qemu: no run is recorded" in text


def test_a_run_is_kept_whole_and_one_that_cannot_be_read_is_none(tmp_path):
    path = results_path(tmp_path / "made", "nspawn")
    run = run_of(PASSED, FAILED, INCAPABLE)
    write_run(path, run)
    assert read_run(path) == run
    path.write_text(path.read_text()[:-20])
    assert read_run(path) is None
    path.unlink()
    assert read_run(path) is None


#: Each was set up well.
ENDS = """
import pytest
from suite import faults

pytestmark = pytest.mark.fault(faults.LINK)

@pytest.fixture
def taken_down_badly():
    yield
    raise OSError("it is gone")

def test_ended_well():
    pass

def test_ended_badly():
    raise OSError("a call of its own")

def test_skipped():
    pytest.skip("somebody skipped it")

def test_taken_down_badly(taken_down_badly):
    pass

def test_interrupted():
    raise KeyboardInterrupt
"""


def test_a_test_passes_only_if_it_was_run_to_its_end(tmp_path):
    (tmp_path / "test_ends.py").write_text(ENDS)
    environment = tmp_path / "everything.yaml"
    environment.write_text(json.dumps({"features": sorted(CAPABILITIES), "targets": {}}))
    path = results_path(tmp_path, "nspawn")
    said = subprocess.run(
        [
            *(HIL / "python", "-m", "pytest", "-p", "suite.plugin", "--rootdir", tmp_path),
            *("-c", os.devnull, "--lg-env", environment, "--results", path, tmp_path),
        ],
        env={**os.environ, "PYTHONPATH": SUITE.parent},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    ).stdout
    run = read_run(path)
    assert not run.finished
    assert [(one.name, one.outcome, one.reason) for one in run.shown] == [
        ("ended well", Outcome.PASSED, ""),
        ("ended badly", Outcome.FAILED, "OSError: a call of its own"),
        ("skipped", Outcome.SKIPPED, "Skipped: somebody skipped it"),
        ("taken down badly", Outcome.FAILED, "in teardown: OSError: it is gone"),
        ("interrupted", Outcome.FAILED, "interrupted"),
    ]
    while_it_ran = said.partition("= FAILURES =")[0]
    assert "OSError: a call of its own" in while_it_ran
    assert "in teardown: OSError: it is gone" in while_it_ran


def marks_of(path):
    """(name of the marker, names of its arguments) of every marker that a test file uses."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("pytest.mark.")):
            continue
        yield ast.unparse(node.func).rpartition(".")[2], [ast.unparse(one) for one in node.args]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_tests_name_rows_of_the_table_and_capabilities(path):
    marks = list(marks_of(path))
    rows = {name for mark, names in marks if mark == "fault" for name in names}
    needs = {name.strip("'\"") for mark, names in marks if mark == "needs" for name in names}
    assert rows
    assert all(hasattr(faults, row.removeprefix("faults.")) for row in rows)
    assert needs
    assert needs <= CAPABILITIES


@pytest.mark.parametrize("path", [*TESTS, SUITE / "tests/conftest.py"], ids=lambda path: path.stem)
def test_no_test_knows_on_which_tier_it_runs(path):
    """It asks for a capability, or for a value of the environment's file."""
    tree = ast.parse(path.read_text())
    told = {id(node.body[0].value) for node in ast.walk(tree) if ast_docstring(node)}
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            words |= set(re.findall(r"[a-z]+", node.value.lower()))
        words |= {getattr(node, "id", None), getattr(node, "attr", None)}
    assert words & {*NAMES, "tier", "container"} == set()


def ast_docstring(node):
    """Whether a node of a syntax tree begins with words for people."""
    documented = isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
    return documented and ast.get_docstring(node) is not None


def test_every_row_is_held_by_a_test_and_stands_once():
    used = {
        name.removeprefix("faults.")
        for path in TESTS
        for mark, names in marks_of(path)
        if mark == "fault"
        for name in names
    }
    rows = {name for name in vars(faults) if name.isupper() and name != "IN_ORDER"}
    assert len(faults.IN_ORDER) == len(set(faults.IN_ORDER)) == len(rows)
    assert rows - used == set()


class _Environment(msgspec.Struct, frozen=True):
    features: list[str]
    options: dict
    imports: list[str]
    targets: dict


class _AnyTag(yaml.SafeLoader):
    """labgrid's tags are taken for their text."""


_AnyTag.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_scalar(node))


@pytest.fixture(params=sorted(ENVIRONMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def environment(request):
    # A safe loader with one constructor more.
    return msgspec.convert(yaml.load(request.param.read_text(), _AnyTag), _Environment)


def test_an_environment_has_each_capability_or_says_why_not(environment):
    absent = environment.options["absent"]
    assert set(environment.features) | set(absent) == CAPABILITIES
    assert set(environment.features) & set(absent) == set()
    assert all(reason and reason.strip() for reason in absent.values())


def test_an_environment_has_a_driver_for_each_thing_that_its_capabilities_ask_for(environment):
    drivers = set(environment.targets["main"]["drivers"])
    assert {"SSHDriver", "PoleStrategy", "CommandProvisionDriver", "ShellDiskDriver"} <= drivers
    assert any(name.endswith("PowerDriver") for name in drivers)
    assert any(name.endswith("HeatDriver") for name in drivers)
    wanted = {
        "netns": "CommandLinkDriver",
        "camera": "CommandCameraDriver",
        "clock": "ShellClockDriver",
        "power": "DiskStatsWritesDriver",
        "board": "BoardMeterDriver",
        "theft": "CommandTheftDriver",
        "console": "CommandConsoleDriver",
        "time_server": "CommandTimeServerDriver",
    }
    assert {wanted[each] for each in environment.features if each in wanted} <= drivers
    assert "SSHDriver" in environment.targets["control-room"]["drivers"]
    assert environment.options["board"] in BOARDS


def test_every_tier_has_an_environment():
    assert {path.stem for path in ENVIRONMENTS.glob("*.yaml")} == set(NAMES)


def test_a_figure_fails_beyond_its_tolerance_and_only_then():
    figure = Figure("CPU", "percent", Take("capture", "cpu_percent"), {"pi5": Budget(20.0, 0.5)})
    assert excess(figure, "pi5", 30.0) == ""
    assert excess(figure, "pi5", 30.1) == ("CPU: 30.1 percent on pi5, more than 20 and 50% (30.0)")
    with pytest.raises(KeyError):
        excess(figure, "pi4", 1.0)


def test_every_board_has_a_budget_for_every_figure_that_it_can_be_measured_for():
    for figure in read_table():
        boards = set(BOARDS) - (set(NO_BOARDS) if figure.take.of in OF_A_BOARD else set())
        assert set(figure.boards) == boards, figure.name


def test_a_budget_that_is_misspelt_is_refused(tmp_path):
    path = tmp_path / "budgets.toml"
    path.write_text(
        '[[figures]]\nname = "x"\nunit = "s"\ntake = { process = "all", of = "boot_s" }\n'
        "boards.virtual = { budget = 1.0, tolerances = 1.0 }\n"
    )
    with pytest.raises(msgspec.ValidationError, match="tolerances"):
        read_table(path)


VERDICT = """Verdict
  bytes intact    {}  Are the recorded bytes unchanged?
  signer trusted  OK           Were they signed by somebody you trust?
  complete        {}  Is anything missing, added or out of order?
"""


def test_evidence_is_whole_only_where_the_verifier_said_so():
    said = VERDICT.format("OK         ", "OK         ")
    assert Verdict(status=32, said=said).is_whole
    assert Verdict(status=0, said=said).is_whole
    assert not Verdict(status=68, said=VERDICT.format("OK  ", "FAIL")).is_whole
    assert not Verdict(status=32, said=VERDICT.format("NOT CHECKED", "OK  ")).is_whole
    # It crashed, was ended, found nothing.
    for status in (1, 29, 32, 137):
        assert not Verdict(status=status, said="Killed").is_whole


def test_what_breaks_a_release_is_still_there_to_be_broken():
    assert (REPOSITORY / "edge/roeh/detect/main.py").read_text().count(BEGIN) == 1


def test_a_probe_runs_in_the_very_sandbox_of_the_unit_and_nothing_else_of_it():
    unit = (SUITE.parent.parent / "firmware-config/systemd/roeh-publish.service").read_text()
    text = probe_text(unit, "/usr/bin/true", "/run/out")
    kept = [line for line in text.splitlines() if "=" in line]
    closed = ("Protect", "Private", "RestrictA", "RestrictN", "SystemCall", "Inaccessible", "User")
    wanted = [line for line in unit.splitlines() if line.startswith(closed)]
    assert len(wanted) > 10
    assert set(wanted) <= set(kept)
    assert [line for line in kept if line.startswith("ExecStart=")] == ["ExecStart=/usr/bin/true"]
    assert not any(line.startswith(("WatchdogSec", "Restart=")) for line in kept)
