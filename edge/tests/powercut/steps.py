"""Cuts that aim at a durable step of the writer, told by the interpreter's own audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from tests.powercut.plan import NearStep, Step

_FLAGS = 2  # of the arguments of "open"


def take_aim(at: NearStep, cut: Callable[[int], None]) -> None:
    """Call `cut(writes)` when this process is about to do the step. Cannot be undone."""
    left = at.occurrence

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event != at.step.value or left == 0 or not _is_meant(at.step, arguments):
            return
        left -= 1
        if left == 0:
            cut(at.writes)

    sys.addaudithook(see)


def _is_meant(step: Step, arguments: tuple[Any, ...]) -> bool:
    """Of all files that are opened, those that are made."""
    return step is not Step.CREATE or bool(arguments[_FLAGS] & os.O_CREAT)
