"""A pytest plugin for CI: a test that was skipped, or no test at all, fails the run.

PYTHONPATH=edge/tests pytest -p nothing_skipped
"""

from __future__ import annotations

import pytest

_skipped: list[str] = []


def _note(report):
    # An expected failure is reported as skipped too; that one ran.
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_runtest_logreport(report):
    _note(report)


def pytest_collectreport(report):
    _note(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if _skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    if _skipped:
        terminalreporter.section("skipped, and on CI nothing may be")
        for name in _skipped:
            terminalreporter.line(name)
