"""Waiting for what can be seen, never for time to pass."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from roeh.core.clock import NS_PER_S, SystemClock

_Found = TypeVar("_Found")
_CLOCK = SystemClock()
_POLL_S = 0.2
#: A machine whose processor is imitated is waited for so many times longer (its tier says it).
PATIENCE = float(os.environ.get("LG_PATIENCE", "1"))


def wait_until(what: str, look: Callable[[], _Found | None], patience_s: float) -> _Found:
    """The first true value of `look`.

    Args:
        what: is waited for, in words.
        look: asked again and again.
        patience_s: until it is given up, where the tier is as quick as a container.

    Raises:
        AssertionError: there was none in time; it says what was seen last.
    """
    patience_s *= PATIENCE
    deadline_ns = _CLOCK.mono_ns() + int(patience_s * NS_PER_S)
    while not (found := look()):
        if _CLOCK.mono_ns() > deadline_ns:
            raise AssertionError(f"not within {patience_s:g} s: {what}; last seen: {found!r}")
        _CLOCK.wait(_POLL_S)
    return found


class Stopwatch:
    """Time since it was made."""

    def __init__(self) -> None:
        self._start_ns = _CLOCK.mono_ns()

    @property
    def elapsed_s(self) -> float:
        """Seconds on the monotonic clock."""
        return (_CLOCK.mono_ns() - self._start_ns) / NS_PER_S
