"""What a person reads: each check with how it went, and how long the machine took.

The guest's pytest writes one line for each check (guest/conftest.py), tab-separated:

    CHECK <ok|failed|skipped> <seconds> <name> <the promise, one sentence>
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

_MARK = "CHECK"


class Outcome(enum.Enum):
    """How a check went; what was skipped has shown nothing."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, frozen=True):
    """One check: `promise` is what it shows when it is OK, or why it was skipped."""

    name: str
    outcome: Outcome
    duration_s: float
    promise: str


class Took(msgspec.Struct, frozen=True):
    """How long one step took on this machine, this time."""

    step: str
    duration_s: float


def check_in(line: str) -> Check | None:
    """The check that a line of the guest tells of; None for any other line."""
    parts = line.rstrip("\n").split("\t")
    if len(parts) != 5 or parts[0] != _MARK:
        return None
    try:
        return Check(parts[3], Outcome(parts[1]), float(parts[2]), parts[4])
    except ValueError:
        return None


def line_of(check: Check) -> str:
    """How a check stands in the report."""
    word = {Outcome.OK: "OK  ", Outcome.FAILED: "FAIL", Outcome.SKIPPED: "SKIP"}[check.outcome]
    name = check.name.removeprefix("test_").replace("_", " ")
    return f"{word} {check.duration_s:6.1f} s  {check.promise or name}"


def is_good(checks: Sequence[Check], guest_status: int) -> bool:
    """Whether everything was shown: a run without checks shows nothing.

    Args:
        checks: those that were told of.
        guest_status: how the guest's pytest ended; it knows of checks that could not be read.
    """
    return bool(checks) and guest_status == 0 and all(c.outcome is Outcome.OK for c in checks)


def closing_lines(checks: Sequence[Check], times: Sequence[Took], good: bool) -> list[str]:
    """The end of the report: times, counts, the verdict."""
    lines = ["", "how long it took"]
    lines += [f"  {took.step:<{34}} {took.duration_s:7.1f} s" for took in times]
    counts = {
        outcome: sum(check.outcome is outcome for check in checks)
        for outcome in (Outcome.OK, Outcome.FAILED, Outcome.SKIPPED)
    }
    told = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
    lines += ["", f"camera-vm: {'OK' if good else 'FAIL'} ({told or 'no check was run'})"]
    return lines
