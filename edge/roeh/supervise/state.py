"""The state of a node as one line for the person before it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from roeh.core.peers import Role
from roeh.core.types import ProcessReport


class ProcessFacts(msgspec.Struct, frozen=True):
    """What the supervisor knows of a process by itself.

    Attributes:
        running: whether it is there now.
        started_mono_us: when it was started last; older reports are of one before it.
        given_up: it ended too often and is left alone.
        done: it ended on purpose.
    """

    running: bool
    started_mono_us: int
    given_up: bool = False
    done: bool = False


def state_line(facts: Mapping[Role, ProcessFacts], reports: Sequence[ProcessReport]) -> str:
    """Every process with its state, and in brackets why some are not well.

    Args:
        facts: of every process, in the order in which they are shown.
        reports: the newest of each process, as evidence has them.
    """
    newest = {report.process: report for report in reports}
    states: list[str] = []
    details: list[str] = []
    for role, fact in facts.items():
        state, detail = _state(fact, newest.get(role.value))
        states.append(f"{role.value} {state}")
        if detail:
            details.append(f"{role.value}: {detail}")
    line = "  ".join(states)
    return f"{line}  ({'; '.join(details)})" if details else line


def _state(fact: ProcessFacts, report: ProcessReport | None) -> tuple[str, str]:
    if fact.given_up:
        return "given up", ""
    if fact.done:
        return "done", ""
    if not fact.running:
        return "down", ""
    if report is None or report.t_mono_us < fact.started_mono_us:
        return "starting", ""
    return report.state, "" if report.state == "ok" else report.detail
