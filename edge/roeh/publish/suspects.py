"""Rows that the desk did not acknowledge in time: how many of them have a place, and which next.

One of them may be lost, may be waiting for a desk that is away, or may be one that the desk will
never have. Together they have a quarter of the window, so that rows not yet tried always have
the rest. Suspects that are acknowledged after all earn a place more each, until one is late.
They are no more than a lease can name: of more than that the oldest is forgotten, and comes as
one not yet tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from roeh.core.clock import NS_PER_S
from roeh.core.delivery import MAX_NAMED_ROWS
from roeh.publish.left_out import LeftOut, doubled_s

#: A lease must be able to name them, the window's rows, and some that the broker refused.
MAX_SUSPECTS = MAX_NAMED_ROWS - 128
_SHARE = 4
#: How long a suspect is left out at first and at the most.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 60.0, 3600.0


class Suspects:
    """Pure bookkeeping; every time is monotonic nanoseconds handed in."""

    def __init__(self) -> None:
        self._rows: dict[int, LeftOut] = {}
        self._earned = 0

    def __contains__(self, row: object) -> bool:
        return row in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def places(self, size: int) -> int:
        """How many of a window's places suspects may take."""
        return min(size, max(1, size // _SHARE) + self._earned)

    def suspect(self, rows: Iterable[int], now_ns: int) -> None:
        """These are late; they may be tried again when there is a place."""
        for row in rows:
            self._remember(row, self._rows.get(row, LeftOut(0, now_ns)))

    def leave_out(self, rows: Iterable[int], now_ns: int) -> None:
        """These were tried in vain: not now, and longer each time."""
        for row in rows:
            before = self._rows.get(row)
            count = 1 if before is None else before.count + 1
            wait_s = doubled_s(_FIRST_WAIT_S, count, _LONGEST_WAIT_S)
            self._remember(row, LeftOut(count, now_ns + int(wait_s * NS_PER_S)))

    def acknowledged(self, rows: Iterable[int], now_ns: int, *, was_away: bool) -> None:
        """The desk has these.

        If one of them had waited, it was not why the desk was silent: nor need the others be.
        Else, if the desk was away, those that waited more than once may be what it cannot bear.
        """
        cleared = [left_out for row in rows if (left_out := self._rows.pop(row, None))]
        self._earned += len(cleared)
        if any(left_out.count for left_out in cleared):
            self._may_go(now_ns, most=None)
        elif was_away:
            self._may_go(now_ns, most=1)

    def ask_with_one(self, now_ns: int) -> None:
        """Nothing else is there to ask the desk with: the one that waited least may go."""
        if self._rows:
            row = min(self._rows, key=lambda row: self._rows[row].count)
            self._rows[row] = LeftOut(self._rows[row].count, now_ns)

    def gone(self, rows: Iterable[int]) -> None:
        """These are not in the outbox any more."""
        for row in rows:
            self._rows.pop(row, None)

    def ready(self, now_ns: int, placed: Collection[int]) -> list[int]:
        """Those that have waited and have no place, the least suspect first."""
        ready = self._ready(now_ns, placed)
        return sorted(ready, key=lambda row: (self._rows[row].count, self._rows[row].until_ns, row))

    def any_ready(self, now_ns: int, placed: Collection[int]) -> bool:
        """Whether any waits for a place only."""
        return next(self._ready(now_ns, placed), None) is not None

    def rows(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(self._rows)

    def untils_ns(self, now_ns: int) -> tuple[int, ...]:
        """When those may be tried again that still wait."""
        untils_ns = (left_out.until_ns for left_out in self._rows.values())
        return tuple(until_ns for until_ns in untils_ns if until_ns > now_ns)

    def _ready(self, now_ns: int, placed: Collection[int]) -> Iterator[int]:
        for row, left_out in self._rows.items():
            if left_out.until_ns <= now_ns and row not in placed:
                yield row

    def _remember(self, row: int, left_out: LeftOut) -> None:
        self._rows[row] = left_out
        self._earned = 0
        if len(self._rows) > MAX_SUSPECTS:
            del self._rows[next(iter(self._rows))]

    def _may_go(self, now_ns: int, most: int | None) -> None:
        for row, left_out in self._rows.items():
            if most is None or left_out.count <= most:
                self._rows[row] = LeftOut(left_out.count, min(left_out.until_ns, now_ns))
