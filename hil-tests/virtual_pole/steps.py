"""What was done, and how long it took: a line as soon as a step has ended, a table at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from roeh.core.clock import NS_PER_S, Clock


class Took(msgspec.Struct, frozen=True):
    """One step.

    Attributes:
        step: what it was.
        took_s: seconds.
        found: what it showed, in a few words; empty: that it ended.
    """

    step: str
    took_s: float
    found: str


class Steps:
    """The steps of one run.

    Args:
        clock: what time it is.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._start_ns = clock.mono_ns()
        self.took: list[Took] = []

    @contextlib.contextmanager
    def taking(self, step: str) -> Iterator[list[str]]:
        """Time the block; it may say what it found by adding to the list."""
        start_ns = self.clock.mono_ns()
        found: list[str] = []
        yield found
        took = Took(step, (self.clock.mono_ns() - start_ns) / NS_PER_S, ", ".join(found))
        self.took.append(took)
        print(line_of(took), flush=True)

    @property
    def total_s(self) -> float:
        """Seconds since the first step began."""
        return (self.clock.mono_ns() - self._start_ns) / NS_PER_S


def line_of(took: Took) -> str:
    """A step in one line."""
    return f"pole: {took.step:<44}{took.took_s:7.1f} s  {took.found}".rstrip()


def table_of(took: list[Took], total_s: float) -> list[str]:
    """All of them, longest first, as a table of Markdown."""
    ordered = sorted(took, key=lambda one: -one.took_s)
    rows = [f"| {one.step} | {one.took_s:.1f} |" for one in ordered]
    return ["| step | seconds |", "| --- | ---: |", *rows, f"| all, some at once | {total_s:.1f} |"]
