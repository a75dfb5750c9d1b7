"""How long is tried again, and how soon: doubling pauses, until nothing came for so long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from roeh.core.clock import NS_PER_S, Clock
from roeh.police.pole import Busy

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0

_AnswerT = TypeVar("_AnswerT")


class Patience:
    """Tries again for `timeout_s` from the last progress on."""

    def __init__(self, timeout_s: float, clock: Clock) -> None:
        self._timeout_ns, self._clock = int(timeout_s * NS_PER_S), clock
        self.progressed()

    def progressed(self) -> None:
        """Something came: all of the patience is there again."""
        self._pause_s = _FIRST_PAUSE_S
        self._until_ns = self._clock.mono_ns() + self._timeout_ns

    def wait(self, busy: Busy) -> None:
        """Pause before it is tried again.

        Raises:
            RoehError: the one that `busy` stands for, when there is no patience left.
        """
        left_s = (self._until_ns - self._clock.mono_ns()) / NS_PER_S
        if left_s <= 0:
            raise busy.error from busy
        self._clock.wait(min(max(self._pause_s, busy.after_s), left_s))
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


def at_once(ask: Callable[[], _AnswerT]) -> _AnswerT:
    """An answer, or the reason why there is none now.

    Raises:
        RoehError: what the pole said, or that it cannot be reached.
    """
    try:
        return ask()
    except Busy as busy:
        raise busy.error from busy
