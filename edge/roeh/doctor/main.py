"""Runs the table of checks and writes a line for each finding, as it is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK, ChecksFailed, one_line
from roeh.doctor.checks import MACHINE_CHECKS, NODE_CHECKS
from roeh.doctor.finding import Finding, Outcome

_REMEDY_INDENT = " " * 16


def run_doctor(config: NodeConfig | None, *, as_json: bool, clock: Clock, out: TextIO) -> int:
    """Check the machine, and the node where a configuration is given; the exit status.

    With `as_json` each finding is one JSON line: check, verdict, what, remedy.

    Returns:
        0, or the status of ChecksFailed when any finding is FAIL.
    """
    counts = {"OK": 0, "WARN": 0, "FAIL": 0}
    for finding in diagnose(config, clock):
        counts[finding.verdict] += 1
        line = msgspec.json.encode(finding).decode() if as_json else _as_text(finding)
        print(line, file=out, flush=True)
    if not as_json:
        summary = f"{counts['OK']} ok, {counts['WARN']} warnings, {counts['FAIL']} failed"
        print(
            f"{summary}" + ("" if config else "; a node's own: roeh doctor -c NODE.toml"), file=out
        )
    return ChecksFailed.exit_status if counts["FAIL"] else EXIT_OK


def diagnose(config: NodeConfig | None, clock: Clock) -> Iterator[Finding]:
    """Every finding, in the order of the table."""
    for check in MACHINE_CHECKS:
        yield from _named(check.name, check.run(clock))
    if config is not None:
        for node_check in NODE_CHECKS:
            yield from _named(node_check.name, node_check.run(config, clock))


def _named(check: str, outcomes: Iterator[Outcome]) -> Iterator[Finding]:
    for outcome in outcomes:
        yield Finding(
            check=check, verdict=outcome.verdict, what=outcome.what, remedy=outcome.remedy
        )


def _as_text(finding: Finding) -> str:
    line = f"{finding.verdict:<5} {finding.check:<9} {one_line(finding.what)}"
    return f"{line}\n{_REMEDY_INDENT}-> {one_line(finding.remedy)}" if finding.remedy else line
