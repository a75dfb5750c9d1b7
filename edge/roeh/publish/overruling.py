"""What to do when the broker keeps a state of a later connection than ours; pure.

After node.db was restored from an older copy the broker remembers more than the node: it
goes past that number, once a minute at most. If that happens again and again, somebody else
uses the name.
"""

from __future__ import annotations

from roeh.core.clock import NS_PER_S

_EVERY_S = 60.0
#: How long an earlier time counts.
_AGAIN_WITHIN_S = 3600.0
#: No node has a higher number, and evidence learns none (evidence/delivery.py): nobody makes a
#: node use up its numbers.
_HIGHEST = 2**33


class Overruling:
    """Every time is monotonic nanoseconds handed in."""

    def __init__(self) -> None:
        #: The next connection's number has to be greater than this.
        self.at_least = 0
        self._times_ns: list[int] = []
        self._too_far = False

    def overtake(self, higher: int, now_ns: int) -> bool:
        """The broker knows a higher number: whether to connect anew with a still higher one."""
        self._too_far = higher > _HIGHEST
        if self._too_far:
            return False
        if self._times_ns and now_ns - self._times_ns[-1] < _EVERY_S * NS_PER_S:
            return False
        self.at_least = higher
        self._times_ns = [*self._times_ns[-1:], now_ns]
        return True

    def keeps_happening(self, now_ns: int) -> bool:
        """Whether a person should know: it was tried before, and not long ago."""
        recent = [t for t in self._times_ns if now_ns - t <= _AGAIN_WITHIN_S * NS_PER_S]
        return self._too_far or len(recent) > 1
