"""How long to wait before trying again: full jitter, so that a site does not retry in step.

Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random

FIRST_S = 0.5
CAP_S = 30.0


class Backoff:
    """Waits drawn from an interval that doubles with every failure."""

    def __init__(self, jitter: random.Random) -> None:
        self._jitter = jitter
        self._failures = 0

    def next_s(self, *, slowly: bool = False) -> float:
        """Seconds to wait now; `slowly` for what only a person can mend."""
        if slowly:
            return self._jitter.uniform(CAP_S / 2, CAP_S)
        limit_s = self._limit_s()
        self._failures = min(self._failures + 1, 16)
        return self._jitter.uniform(0.0, limit_s)

    def worked(self, for_s: float) -> None:
        """It worked for so long: if that is as long as the next wait, a failure is a first one.

        What works for a moment each time is asked less and less often.
        """
        if for_s >= self._limit_s():
            self._failures = 0

    def _limit_s(self) -> float:
        limit_s: float = min(CAP_S, FIRST_S * 2**self._failures)
        return limit_s
