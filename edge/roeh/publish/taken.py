"""Rows that the broker took and the desk has not acknowledged: which are sent again, and when.

A row is overdue after `patience_s`, and then a suspect: it was lost on the way, or the desk is
away, or will not have it. Suspects keep a few places; the others are set aside, so that rows
which the desk cannot bear are never all that it is offered. If the desk was heard since the row
was taken it goes again, and after `_LOST_TRIES` it is left out for a while. If the desk was not
heard at all it is away: then, after each wait of a back-off, one suspect goes again and not
twenty; the one for which the fewest bytes were spent, so an alert often and its picture seldom.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.delivery import MAX_NAMED_ROWS, OutboxItem, OutboxKind
from roeh.transport.backoff import Backoff, Jitter

#: A desk that is back has this long to acknowledge what it has, before it is sent again.
_BACK_GRACE_S = 2.0
#: So often a row goes in vain while the desk acknowledges others, before it is left out.
_LOST_TRIES = 3


class Overdue(msgspec.Struct, frozen=True):
    """What is to be done now about rows that were not acknowledged.

    Attributes:
        again: send these again.
        aside: there is no place for these; they go again when there is one.
        left_out: the desk acknowledges others and not these; not now.
        resting: the desk is away; these make room for others, for a while.
        kept: suspects that keep their place.
        idle: the desk is away and there is nothing here to ask it with.
    """

    again: tuple[OutboxItem, ...] = ()
    aside: tuple[OutboxItem, ...] = ()
    left_out: tuple[OutboxItem, ...] = ()
    resting: tuple[OutboxItem, ...] = ()
    kept: tuple[OutboxItem, ...] = ()
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

    def overdue(
        self, now_ns: int, *, places: int, suspects: Container[int], crowded: bool
    ) -> Overdue:
        """Take out what has to go again or to give up its place now.

        Args:
            now_ns: monotonic.
            places: how many suspects may have a place from here on.
            suspects: rows that were overdue before.
            crowded: other suspects wait for a place.
        """
        late = [
            taken
            for taken in self._rows.values()
            if now_ns - taken.since_ns >= self._patience_ns and now_ns >= self._not_before_ns
        ]
        waited = {taken.item.row for taken in late}
        asked = sum(row in suspects for row in self._rows if row not in waited)
        places = max(0, places - asked)
        lost = [] if self._away else [t for t in late if self._was_heard_since(t.since_ns)]
        if len(late) > len(lost) and not self._away:
            self._away, self._step_ns = True, now_ns
        tried = {taken.item.row: self._try(taken.item.row) for taken in lost}
        left_out = tuple(t.item for t in lost if tried[t.item.row] >= _LOST_TRIES)
        lost_anew = [t.item for t in lost if tried[t.item.row] < _LOST_TRIES]
        again, aside = lost_anew[:places], lost_anew[places:]
        for taken in lost:
            del self._rows[taken.item.row]
        silent = sorted((t.item for t in late if t not in lost), key=self._cost)
        kept = silent[: places - len(again)]
        resting = silent[len(kept) :]
        for item in resting:
            self._rest(item)
        step = Overdue()
        if self._away:
            step = self._step(now_ns, suspects=suspects, kept=kept, crowded=crowded)
        return Overdue(
            again=(*again, *step.again),
            aside=tuple(aside),
            left_out=left_out,
            resting=(*resting, *step.resting),
            kept=tuple(item for item in kept if item.row in self._rows),
            idle=step.idle,
        )

    def wakes_ns(self, now_ns: int) -> int | None:
        """When there may be something overdue; None: nothing waits."""
        late_ns = [taken.since_ns + self._patience_ns for taken in self._rows.values()]
        due_ns = [max(min(late_ns), self._not_before_ns)] if late_ns else []
        if self._away:
            # Those that are late and here already wait for their step.
            due_ns = [t_ns for t_ns in late_ns if t_ns > now_ns]
            due_ns.append(self._step_ns)
        return min(due_ns, default=None)

    def _was_heard_since(self, t_ns: int) -> bool:
        return self._heard_ns is not None and self._heard_ns >= t_ns

    def _try(self, row: int) -> int:
        tries = self._tries.pop(row, 0) + 1
        self._tries[row] = tries
        while len(self._tries) > MAX_NAMED_ROWS:
            del self._tries[next(iter(self._tries))]
        return tries

    def _step(
        self, now_ns: int, *, suspects: Container[int], kept: list[OutboxItem], crowded: bool
    ) -> Overdue:
        """When it is time: one suspect goes again or, if others wait, makes room in turns."""
        if now_ns < self._step_ns:
            return Overdue()
        self._step_ns = now_ns + int(self._backoff.next_wait_s() * NS_PER_S)
        if not self._rows:
            return Overdue(idle=True)
        asked = [taken.item for row, taken in self._rows.items() if row in suspects]
        items = {item.row: item for item in (*kept, *asked)}.values()
        if not items:
            return Overdue()
        spent = [item for item in items if self._is_spent(item)]
        item = min(spent if crowded and spent else items, key=self._cost)
        if crowded and spent:
            self._rest(item)
            return Overdue(resting=(item,))
        del self._rows[item.row]
        self._spent_bytes[item.row] = self._bytes_with(item)
        return Overdue(again=(item,))

    def _rest(self, item: OutboxItem) -> None:
        del self._rows[item.row]
        self._spent_bytes.pop(item.row, None)

    def _is_spent(self, item: OutboxItem) -> bool:
        """Pictures are too large to ask with while there is much else."""
        return item.row in self._spent_bytes or item.kind is OutboxKind.THUMBNAIL

    def _cost(self, item: OutboxItem) -> tuple[int, int, int]:
        """Least first: whom to ask the desk with."""
        return self._bytes_with(item), -item.priority, item.row

    def _bytes_with(self, item: OutboxItem) -> int:
        return self._spent_bytes.get(item.row, 0) + len(item.payload)
