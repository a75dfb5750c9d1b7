"""Runs the table of checks and writes a line for each finding, as it is found.

Each check has a thread and a time: one that hangs is told of and left behind, and one that
meets what nobody thought of does not take the others with it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TextIO

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK, ChecksFailed, one_line
from roeh.doctor.checks import BOARD_CHECKS, MACHINE_CHECKS, NODE_CHECKS, POLE_CHECKS
from roeh.doctor.codes import Code
from roeh.doctor.finding import Finding, Outcome, bad, doubtful
from roeh.doctor.machine_view import MachineView

_REMEDY_INDENT = " " * 16
#: From one finding to the next: longer than any time-out of a check itself.
CHECK_TIMEOUT_S = 90.0


def run_doctor(
    config: NodeConfig | None,
    *,
    as_json: bool,
    clock: Clock,
    out: TextIO,
    view: MachineView | None = None,
) -> int:
    """Check the machine, and the node where a configuration is given; the exit status.

    With `as_json` each finding is one JSON line: check, verdict, code, what, remedy.

    Returns:
        0, or the status of ChecksFailed when any finding is FAIL.
    """
    counts = {"OK": 0, "WARN": 0, "FAIL": 0}
    for finding in diagnose(config, clock, view or MachineView()):
        counts[finding.verdict] += 1
        line = msgspec.json.encode(finding).decode() if as_json else _as_text(finding)
        print(line, file=out, flush=True)
    if not as_json:
        summary = f"{counts['OK']} ok, {counts['WARN']} warnings, {counts['FAIL']} failed"
        ending = "" if config else "; a node's own: roeh doctor -c NODE.toml"
        print(f"{summary}{ending}", file=out)
    return ChecksFailed.exit_status if counts["FAIL"] else EXIT_OK


def diagnose(
    config: NodeConfig | None, clock: Clock, view: MachineView | None = None
) -> Iterator[Finding]:
    """Every finding, in the order of the table."""
    seen = view or MachineView()
    for check in MACHINE_CHECKS:
        yield from findings(check.name, check.run(clock))
    for board_check in BOARD_CHECKS:
        yield from findings(board_check.name, board_check.run(seen, clock))
    if config is None:
        return
    for node_check in NODE_CHECKS:
        yield from findings(node_check.name, node_check.run(config, clock))
    for pole_check in POLE_CHECKS:
        yield from findings(pole_check.name, pole_check.run(config, seen, clock))


def findings(
    check: str, outcomes: Iterator[Outcome], timeout_s: float = CHECK_TIMEOUT_S
) -> Iterator[Finding]:
    """What a check finds; of one that stands still for `timeout_s`, that it does."""
    told: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            for outcome in outcomes:
                told.put(outcome)
        except Exception as error:  # noqa: BLE001 - one check must not end the others
            what = f"{type(error).__name__}: {error}"
            told.put(doubtful(Code.CHECK_BROKEN, f"the check itself broke ({what})"))
        told.put(None)

    threading.Thread(target=ask, name=f"check {check}", daemon=True).start()
    while True:
        try:
            outcome = told.get(timeout=timeout_s)
        except queue.Empty:
            yield bad(Code.CHECK_STUCK, f"no answer within {timeout_s:g} s").of(check)
            return
        if outcome is None:
            return
        yield outcome.of(check)


def _as_text(finding: Finding) -> str:
    head = f"{finding.verdict:<5} {finding.check:<9} "
    if finding.verdict != "OK":
        head += f"[{finding.code}] "
    line = head + one_line(finding.what)
    return f"{line}\n{_REMEDY_INDENT}-> {one_line(finding.remedy)}" if finding.remedy else line
