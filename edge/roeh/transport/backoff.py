"""How long to wait before trying again: full jitter, so that a thousand poles spread out."""

from __future__ import annotations

import random
from collections.abc import Callable

_BASE_S = 0.5
_MAX_DOUBLINGS = 16

#: A number drawn evenly from [0, bound).
Jitter = Callable[[float], float]


def system_jitter(bound: float) -> float:
    """A number from the system's randomness: two poles of one image must not agree."""
    return random.SystemRandom().uniform(0.0, bound)


class Backoff:
    """Waits that double up to a cap, each drawn evenly from nothing to its bound."""

    def __init__(self, cap_s: float, jitter: Jitter = system_jitter) -> None:
        self._cap_s = cap_s
        self._jitter = jitter
        self._failures = 0

    def next_wait_s(self) -> float:
        """The wait after one more failure."""
        bound_s = min(self._cap_s, _BASE_S * 2.0**self._failures)
        self._failures = min(self._failures + 1, _MAX_DOUBLINGS)
        return self._jitter(bound_s)

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
