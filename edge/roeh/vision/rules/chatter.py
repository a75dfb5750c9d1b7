"""A rule that raises again and again at one place is held to a rate that a person can read.

Ten alarms in ten minutes is what one operator can look at at the most (EEMUA 191, and
ANSI/ISA-18.2 call more a flood): one rule alone must not use that up. Nothing falls silent: as
soon as the window has room the next one is raised, and says how many were held back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from roeh.core.clock import NS_PER_S


class Chatter:
    """Holds back what one rule raises beyond a count within a sliding window.

    Args:
        count: at most so many within the window; 0: as many as come.
        window_s: monotonic.
    """

    def __init__(self, count: int, window_s: float) -> None:
        self._count = count
        self._window_ns = round(window_s * NS_PER_S)
        self._raised_ns: deque[int] = deque()
        self._waiting: set[str] = set()
        self._held_back = 0

    def keep(self, holding: Collection[str]) -> None:
        """Count those that waited and are over: they passed untold."""
        self._held_back += len(self._waiting.difference(holding))
        self._waiting.intersection_update(holding)

    def holds_back(self, key: str, now_ns: int) -> bool:
        """Whether an occurrence has to wait until the window has room."""
        while self._raised_ns and now_ns - self._raised_ns[0] >= self._window_ns:
            self._raised_ns.popleft()
        if self._count == 0 or len(self._raised_ns) < self._count:
            return False
        self._waiting.add(key)
        return True

    def raise_now(self, key: str, now_ns: int) -> int:
        """It is raised; returns how many passed untold since the last that was."""
        self._raised_ns.append(now_ns)
        self._waiting.discard(key)
        held_back, self._held_back = self._held_back, 0
        return held_back
