"""The table of faults and tiers, and whether a run is good. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from suite.outcomes import Outcome, Run, Shown

_RAN = (Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED)
_WIDTH = 100


def is_good(run: Run) -> bool:
    """Whether the run showed what its tier can: all of it ran, and nothing failed.

    A run in which nothing passed has shown nothing.
    """
    outcomes = {one.outcome for one in run.shown}
    bad = {Outcome.FAILED, Outcome.SKIPPED}
    return run.finished and Outcome.PASSED in outcomes and not outcomes & bad


def faults_of(runs: Iterable[Run], order: Sequence[str]) -> list[str]:
    """Every row: in the order given, then what else was shown."""
    found = {one.fault for run in runs for one in run.shown}
    return [fault for fault in order if fault in found] + sorted(found - set(order))


def cell(run: Run | None, fault: str) -> str:
    """What a tier has shown of a fault, in a word or three."""
    if run is None:
        return "no run"
    tests = [one for one in run.shown if one.fault == fault]
    ran = [one for one in tests if one.outcome in _RAN]
    bad = [one for one in ran if one.outcome is not Outcome.PASSED]
    if bad:
        return f"FAILED {len(bad)} of {len(ran)}"
    if ran:
        return "ok" if len(ran) == 1 else f"ok ({len(ran)})"
    return "not run"


def table_lines(runs: Mapping[str, Run | None], order: Sequence[str]) -> list[str]:
    """The table, then by name everything that failed or was not run, with its reason.

    Args:
        runs: tier → its last run, in the order of the columns.
        order: names of faults, as they are to stand.
    """
    known = [run for run in runs.values() if run is not None]
    rows = [["fault", *runs]]
    rows += [
        [fault, *(cell(run, fault) for run in runs.values())] for fault in faults_of(known, order)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    for tier, run in runs.items():
        lines += ["", *_told_lines(tier, run)]
    return lines


def _told_lines(tier: str, run: Run | None) -> list[str]:
    if run is None:
        return [f"{tier}: no run is recorded: every cell of it counts as not run"]
    ran = [one for one in run.shown if one.outcome in _RAN]
    passed = [one for one in ran if one.outcome is Outcome.PASSED]
    took_s = sum(one.duration_s for one in ran)
    lines = [
        f"{tier}: {len(passed)} of {len(ran)} tests that ran passed, in {took_s:.0f} s"
        f" ({run.form} form, {run.started}, commit {run.commit or 'unknown'})"
    ]
    lines += [
        f"  {one.name.rpartition(': ')[2]}: {one.measured}" for one in run.shown if one.measured
    ]
    if not run.finished:
        lines.append("  the run did not come to its end")
    reasons: dict[str, list[Shown]] = {}
    for one in run.shown:
        if one.outcome is not Outcome.PASSED:
            word = "FAILED" if one in ran else "not run"
            reasons.setdefault(f"{word}: {one.reason}", []).append(one)
    for reason, tests in reasons.items():
        names = ", ".join(one.name for one in tests)
        lines += textwrap.wrap(
            f"{reason}: {names}", _WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    return lines
