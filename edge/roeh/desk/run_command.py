"""`roeh desk run`."""

from __future__ import annotations

from roeh.desk.commands import Adder


def add_actions(add: Adder) -> None:
    """The parts of a desk."""
