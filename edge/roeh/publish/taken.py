"""Rows that the broker took and the desk has not acknowledged: which are sent again, and when.

A row is overdue after `patience_s`. If the desk was heard since it was taken, that row was
lost on the way, or the desk will not have it: it goes again, and after `_LOST_TRIES` it is
left out for a while so that it does not take the place of others. If the desk was not heard
at all it is away: then, after each wait of a back-off, one row goes again and not twenty; the
one for which the fewest bytes were spent, so an alert often and its picture seldom. Where the
window is full, a row that went again in vain makes room for another, so that rows which the
desk cannot bear are never all that it is offered.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.peers import MAX_NAMED_ROWS, OutboxItem, OutboxKind
from roeh.transport.backoff import Backoff, Jitter

#: A desk that is back has this long to acknowledge what it has, before it is sent again.
_BACK_GRACE_S = 2.0
#: So often a row goes in vain while the desk acknowledges others, before it is left out.
_LOST_TRIES = 3


class Overdue(msgspec.Struct, frozen=True):
    """What is to be done now about rows that were not acknowledged.

    Attributes:
        again: send these again.
        left_out: the desk acknowledges others and not these; not now.
        resting: the desk is away; these make room for others, for a while.
        idle: the desk is away and there is nothing here to ask it with.
    """

    again: tuple[OutboxItem, ...] = ()
    left_out: tuple[OutboxItem, ...] = ()
    resting: tuple[OutboxItem, ...] = ()
    idle: bool = False


class _Taken(msgspec.Struct, frozen=True):
    item: OutboxItem
    since_ns: int


class TakenRows:
    """Pure bookkeeping; every time is monotonic nanoseconds handed in.

    Args:
        patience_s: how long the desk may take.
        cap_s: the longest wait between rows that are sent to a desk that is away.
        jitter: draws the waits.
    """

    def __init__(self, patience_s: float, cap_s: float, jitter: Jitter) -> None:
        self._patience_ns = int(patience_s * NS_PER_S)
        self._backoff = Backoff(cap_s, jitter)
        self._rows: dict[int, _Taken] = {}
        self._tries: dict[int, int] = {}
        self._spent_bytes: dict[int, int] = {}
        self._heard_ns: int | None = None
        self._away = False
        self._step_ns = 0
        self._not_before_ns = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def away(self) -> bool:
        """Whether nothing was heard of the desk for too long."""
        return self._away

    def rows(self) -> tuple[int, ...]:
        """The rows."""
        return tuple(self._rows)

    def add(self, item: OutboxItem, now_ns: int) -> None:
        """The broker took this row."""
        self._rows[item.row] = _Taken(item, now_ns)

    def acknowledged(self, rows: Iterable[int], now_ns: int) -> None:
        """The desk has these, by its signature."""
        for row in rows:
            self._rows.pop(row, None)
            self._tries.pop(row, None)
        self._heard_ns = now_ns
        self._backoff.reset()
        if self._away:
            self._away = False
            self._spent_bytes.clear()
            self._not_before_ns = now_ns + int(_BACK_GRACE_S * NS_PER_S)

    def take_all(self) -> tuple[OutboxItem, ...]:
        """All of them, out of here: the connection was lost, they are sent again."""
        items = tuple(taken.item for taken in self._rows.values())
        self._rows.clear()
        return items

    def overdue(self, now_ns: int, *, full: bool) -> Overdue:
        """Take out what has to go again now; `full`: no other row has room."""
        if self._away:
            return self._step(now_ns, full=full)
        late = [
            taken
            for taken in self._rows.values()
            if now_ns - taken.since_ns >= self._patience_ns and now_ns >= self._not_before_ns
        ]
        lost = [taken.item for taken in late if self._was_heard_since(taken.since_ns)]
        again = [item for item in lost if self._try(item.row) < _LOST_TRIES]
        left_out = tuple(item for item in lost if item not in again)
        for item in lost:
            del self._rows[item.row]
        if len(late) > len(lost):
            self._away, self._step_ns = True, now_ns
            step = self._step(now_ns, full=full)
            again.extend(step.again)
            return Overdue(tuple(again), left_out, step.resting)
        return Overdue(tuple(again), left_out)

    def wakes_ns(self) -> int | None:
        """When there may be something overdue; None: nothing waits."""
        if self._away:
            return self._step_ns
        if not self._rows:
            return None
        oldest_ns = min(taken.since_ns for taken in self._rows.values())
        return max(oldest_ns + self._patience_ns, self._not_before_ns)

    def _was_heard_since(self, t_ns: int) -> bool:
        return self._heard_ns is not None and self._heard_ns >= t_ns

    def _try(self, row: int) -> int:
        tries = self._tries.pop(row, 0) + 1
        self._tries[row] = tries
        while len(self._tries) > MAX_NAMED_ROWS:
            del self._tries[next(iter(self._tries))]
        return tries

    def _step(self, now_ns: int, *, full: bool) -> Overdue:
        """When it is time: one row goes again or, if the window is full, makes room in turns."""
        if now_ns < self._step_ns:
            return Overdue()
        self._step_ns = now_ns + int(self._backoff.next_wait_s() * NS_PER_S)
        items = [taken.item for taken in self._rows.values()]
        if not items:
            return Overdue(idle=True)
        spent = [item for item in items if self._is_spent(item)]
        item = min(
            spent if full and spent else items,
            key=lambda item: (self._bytes_with(item), -item.priority, item.row),
        )
        del self._rows[item.row]
        if full and spent:
            self._spent_bytes.pop(item.row, None)
            return Overdue(resting=(item,))
        self._spent_bytes[item.row] = self._bytes_with(item)
        return Overdue(again=(item,))

    def _is_spent(self, item: OutboxItem) -> bool:
        """Pictures are too large to ask with while there is much else."""
        return item.row in self._spent_bytes or item.kind is OutboxKind.THUMBNAIL

    def _bytes_with(self, item: OutboxItem) -> int:
        return self._spent_bytes.get(item.row, 0) + len(item.payload)
