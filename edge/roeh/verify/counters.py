"""Sets of counters, of GOPs or segments, kept as stretches: those of years take little."""

from __future__ import annotations

import bisect


class CounterStretches:
    """Counters, kept as stretches that neither touch nor overlap."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def __contains__(self, counter: object) -> bool:
        if not isinstance(counter, int):
            return False
        at = bisect.bisect_right(self._firsts, counter) - 1
        return at >= 0 and counter <= self._lasts[at]

    def add(self, first: int, last: int) -> None:
        """All counters from `first` to `last`."""
        begin = bisect.bisect_left(self._lasts, first - 1)
        end = bisect.bisect_right(self._firsts, last + 1)
        if begin < end:
            first = min(first, self._firsts[begin])
            last = max(last, self._lasts[end - 1])
        self._firsts[begin:end] = [first]
        self._lasts[begin:end] = [last]
