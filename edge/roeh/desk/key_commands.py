"""`roeh desk keys`."""

from __future__ import annotations

from roeh.desk.commands import Adder


def add_actions(add: Adder) -> None:
    """The keys of a desk."""
