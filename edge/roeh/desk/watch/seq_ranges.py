"""Which numbers of a node's count have arrived, and which are missing between them."""

from __future__ import annotations

import bisect
import itertools

from roeh.core.orders import SeqRange


class SeqRanges:
    """A set of numbers kept as the ranges they form: a healthy node takes one."""

    def __init__(self) -> None:
        self._ranges: list[SeqRange] = []

    def __contains__(self, seq: int) -> bool:
        index = self._index_up_to(seq)
        return index >= 0 and seq <= self._ranges[index].last

    def add(self, seq: int) -> bool:
        """Add one; False when it was there."""
        if seq in self:
            return False
        index = self._index_up_to(seq)
        first = last = seq
        if index + 1 < len(self._ranges) and self._ranges[index + 1].first == seq + 1:
            last = self._ranges.pop(index + 1).last
        if index >= 0 and self._ranges[index].last == seq - 1:
            first = self._ranges.pop(index).first
            index -= 1
        self._ranges.insert(index + 1, SeqRange(first, last))
        return True

    def missing(self, since: int | None = None) -> tuple[SeqRange, ...]:
        """The gaps between the first number and the last one.

        Args:
            since: count from this number on; None: from the first that arrived.
        """
        known = list(self._ranges)
        if since is not None:
            known.insert(0, SeqRange(since - 1, since - 1))
            known.sort()
        gaps = (
            SeqRange(before.last + 1, after.first - 1)
            for before, after in itertools.pairwise(known)
        )
        return tuple(gap for gap in gaps if gap.first <= gap.last)

    def _index_up_to(self, seq: int) -> int:
        """Index of the last range that begins at or before `seq`; -1 without one."""
        return bisect.bisect_right(self._ranges, seq, key=lambda known: known.first) - 1
