"""pytest's part: who runs, in which order, and what is written down about it.

Every test names its row of the table with `fault` and what it needs with `needs`. A test whose
tier lacks a capability is not run, and the environment file's own words say why; one that is
skipped for any other reason counts as failed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Iterator
from datetime import timezone
from email.utils import localtime
from pathlib import Path
from typing import Literal, cast

import pytest

from suite import faults
from suite.capabilities import Capability
from suite.outcomes import Outcome, Run, Shown, write_run

_REASON_CHARACTERS = 300
_RECORDER = pytest.StashKey["Recorder"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `python -m suite`, which gives all of them."""
    group = parser.getgroup("suite")
    group.addoption("--tier", default="unnamed", help="name of the column")
    group.addoption("--results", type=Path, default=None, help="where the run is kept")
    group.addoption("--form", choices=("whole", "short"), default="whole")


def pytest_configure(config: pytest.Config) -> None:
    """Markers, and who writes down."""
    for line in (
        "fault(name): the row of the table that the test belongs to (suite/faults.py)",
        "needs(*capabilities): what the tier must be capable of (suite/capabilities.py)",
        "short: also in the form for continuous integration",
    ):
        config.addinivalue_line("markers", line)
    form = cast(Literal["whole", "short"], config.getoption("form"))
    recorder = Recorder(
        config.getoption("tier"),
        config.getoption("results"),
        form,
        config.pluginmanager,
    )
    config.stash[_RECORDER] = recorder
    config.pluginmanager.register(recorder, "suite-recorder")


class Recorder:
    """Orders the tests, leaves out what cannot be shown, and keeps what was.

    Args:
        tier: name of the column.
        results: where the run is kept; None: nowhere.
        form: `short` leaves out what is not marked so.
        plugins: pytest's, of which the terminal is one that comes late.
    """

    def __init__(
        self,
        tier: str,
        results: Path | None,
        form: Literal["whole", "short"],
        plugins: pytest.PytestPluginManager,
    ) -> None:
        self._tier = tier
        self._results = results
        self._form: Literal["whole", "short"] = form
        self._plugins = plugins
        self._shown: dict[str, Shown] = {}
        self._started = localtime().astimezone(timezone.utc).isoformat(timespec="seconds")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """What hurts the pole comes last, as the table has it."""
        absent = _absent(config)
        for item in items:
            fault_of(item)
        items.sort(key=lambda item: faults.IN_ORDER.index(fault_of(item)))
        left: list[pytest.Item] = []
        for item in items:
            missing = [each for each in needs_of(item) if each in absent]
            if missing:
                why = "; ".join(f"{each.value}: {absent[each]}" for each in missing)
                self._note(item, Outcome.INCAPABLE, f"needs {why}")
            elif self._form == "short" and item.get_closest_marker("short") is None:
                self._note(item, Outcome.LEFT_OUT, "not in the short form")
            else:
                left.append(item)
        kept = {item.nodeid for item in left}
        config.hook.pytest_deselected(items=[one for one in items if one.nodeid not in kept])
        items[:] = left

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how the part of a test went: its call has to end well, and so all else."""
        report = yield
        before = self._shown.get(item.nodeid)
        outcome, reason = _outcome_of(report)
        if report.when == "setup" and report.passed:
            # Of a call that is interrupted no report comes.
            outcome, reason = Outcome.FAILED, "interrupted"
        elif before is not None and report.when == "teardown":
            outcome, reason = _worse((before.outcome, before.reason), (outcome, reason))
        spent_s = report.duration + (before.duration_s if before else 0.0)
        measured = str(dict(report.user_properties).get("measured", ""))
        self._note(item, outcome, reason, spent_s, measured)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say at once why something failed: a whole run takes hours."""
        terminal = self._plugins.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.write_line(f"\n  {_outcome_of(report)[1]}")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Keep the run; one that was interrupted is kept as what it is."""
        if self._results is not None:
            run = Run(
                tier=self._tier,
                commit=_commit(),
                started=self._started,
                form=self._form,
                shown=tuple(self._shown.values()),
                finished=exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
            )
            write_run(self._results, run)

    def _note(
        self,
        item: pytest.Item,
        outcome: Outcome,
        reason: str,
        duration_s: float = 0.0,
        measured: str = "",
    ) -> None:
        self._shown[item.nodeid] = Shown(
            name=sentence_of(item.name),
            fault=fault_of(item),
            outcome=outcome,
            reason=reason,
            duration_s=round(duration_s, 2),
            measured=measured,
        )


def fault_of(item: pytest.Item) -> str:
    """The test's row.

    Raises:
        pytest.UsageError: it names none, or one that is not in the table.
    """
    marker = item.get_closest_marker("fault")
    name: object = marker.args[0] if marker and marker.args else None
    if not isinstance(name, str) or name not in faults.IN_ORDER:
        raise pytest.UsageError(f"{item.nodeid} names no row of suite/faults.py: {name!r}")
    return name


def needs_of(item: pytest.Item) -> list[Capability]:
    """What the tier must be capable of.

    Raises:
        pytest.UsageError: the test names something that is no capability.
    """
    try:
        return [Capability(name) for marker in item.iter_markers("needs") for name in marker.args]
    except ValueError as error:
        raise pytest.UsageError(f"{item.nodeid}: {error}") from None


def sentence_of(name: str) -> str:
    """A test's name as it is read."""
    test, _, parameter = name.removesuffix("]").partition("[")
    sentence = test.removeprefix("test_").replace("_", " ")
    return f"{sentence}: {parameter}" if parameter else sentence


def _absent(config: pytest.Config) -> dict[Capability, str]:
    """What the environment lacks, with its reasons."""
    # labgrid's plugin has read it; it is asked for by its own key.
    from labgrid.pytestplugin.hooks import LABGRID_ENV_KEY  # noqa: PLC0415

    env = config.stash[LABGRID_ENV_KEY]
    if env is None:
        raise pytest.UsageError("no environment: give --lg-env FILE")
    there = {str(name) for name in env.get_features() | env.get_target_features()}
    reasons = env.config.get_option("absent", {})
    found = {}
    for capability in Capability:
        if capability.value in there:
            continue
        if capability.value not in reasons:
            raise pytest.UsageError(
                f"{env.config_file} neither has {capability.value} nor says why not"
            )
        found[capability] = str(reasons[capability.value])
    return found


def _worse(first: tuple[Outcome, str], second: tuple[Outcome, str]) -> tuple[Outcome, str]:
    """Of two parts of a test the one that counts: of two bad ones the first."""
    return second if first[0] is Outcome.PASSED else first


def _outcome_of(report: pytest.TestReport) -> tuple[Outcome, str]:
    if report.passed:
        return Outcome.PASSED, ""
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
        return Outcome.SKIPPED, reason
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr)
    first = next(iter(_lines_of(text)), "failed")
    where = "" if report.when == "call" else f"in {report.when}: "
    return Outcome.FAILED, f"{where}{first}"[:_REASON_CHARACTERS]


def _lines_of(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip():
            yield line.strip()


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()
