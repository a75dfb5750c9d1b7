"""What can go wrong outside the checks themselves."""

from __future__ import annotations


class MachineFailed(Exception):
    """The machine could not be built, started or reached: one sentence that says why."""
