"""The rows between outbox and broker: which may be sent now, which wait for an answer.

Invariants (edge/design/delivery.md):
    1. A row is deleted only after the broker took it with success (ack = "broker"), or
       leaves only when evidence says that the desk acknowledged it (ack = "desk").
    2. No more rows are held than fit the window, and no more are under way: sent and not
       answered by the broker, or taken by it and not acknowledged by the desk.
    3. When the connection is lost every row under way is sent again.
    4. One row that broker or desk will not have does not hold up the others.
A broker that refuses, that takes alerts which nobody reads, or whose connection just
broke, is asked with one row at a time, until it takes one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.peers import MAX_NAMED_ROWS, OutboxItem, OutboxKind
from roeh.publish.taken import TakenRows
from roeh.transport.mqtt import FIRST_FAILURE, NO_MATCHING_SUBSCRIBERS

_FIRST_PAUSE_S = 0.5
_MAX_DOUBLINGS = 16
#: A lease that waits longer would not give back what made room meanwhile.
_AWAY_LEASE_S = 2.0
#: How long a row is left out that the desk does not acknowledge.
_FIRST_IGNORED_S, _IGNORED_CAP_S = 60.0, 3600.0
#: How long an alert may wait after the control room came back to an idle broker.
_UNREAD_CAP_S = 10.0
#: A row that was alone under way so often when the connection broke may be why.
_SUSPECT_LOSSES = 3
#: How long a row's refusals are remembered after it may be tried again.
_MEMORY_NS = 3600 * NS_PER_S


class Verdict(enum.Enum):
    """What the broker's answer means for a row."""

    DELIVERED = "the broker took it, and its word is enough"
    TAKEN = "the broker took it; the desk has still to acknowledge it"
    REFUSED = "the broker refused it; it stays and is tried again later"
    UNREAD = "the broker took it and nobody reads; it stays and is sent again"


class Answered(msgspec.Struct, frozen=True):
    """A row and what became of it."""

    row: int
    reason_code: int
    verdict: Verdict


class _Refusal(msgspec.Struct, frozen=True):
    """How often a row was refused or ignored, and when it may be tried again."""

    count: int
    until_ns: int


class Window:
    """Pure bookkeeping; every time is monotonic nanoseconds handed in.

    Args:
        size: how many rows may be under way.
        refused_cap_s: the longest that a refused row is left out.
        taken: rows that the desk has to acknowledge; None where the broker's word counts.
    """

    def __init__(self, size: int, refused_cap_s: float, taken: TakenRows | None = None) -> None:
        self.size = size
        self._taken = taken
        #: Acknowledged by the desk before the broker answered: their places are not free yet.
        self._settled: set[int] = set()
        self._refused_cap_s = refused_cap_s
        self._held: list[OutboxItem] = []
        self._in_flight: dict[int, OutboxItem] = {}
        self._refused: dict[int, _Refusal] = {}
        self._ignored: dict[int, _Refusal] = {}
        self._resting: dict[int, _Refusal] = {}
        self._losses: dict[int, int] = {}
        self._delivered: list[int] = []
        self._last_answer_ns = 0
        self._probing = False
        self._pauses = 0
        self._paused_until_ns = 0
        self._alerts_are_read = False
        self._unread = False

    @property
    def in_flight(self) -> int:
        """How many rows are under way."""
        return len(self._in_flight) + (0 if self._taken is None else len(self._taken))

    @property
    def full(self) -> bool:
        """Whether rows wait only because the window is full."""
        return bool(self._held) and self.in_flight >= self.size

    @property
    def unread(self) -> bool:
        """Whether the broker says that nobody reads alerts."""
        return self._unread

    @property
    def desk_away(self) -> bool:
        """Whether nothing was heard of the desk for too long."""
        return self._taken is not None and self._taken.away

    def accept(self, items: Iterable[OutboxItem], now_ns: int) -> None:
        """Rows leased from the outbox; those already known are left alone."""
        known = set(self.known_rows(now_ns))
        self._hold(item for item in items if item.row not in known)

    def room(self) -> int:
        """How many more rows may be leased."""
        return max(0, self.size - len(self._held) - self.in_flight)

    def known_rows(self, now_ns: int) -> tuple[int, ...]:
        """Rows that must not be leased now; as many as one request can name."""
        rows = (
            *(item.row for item in self._held),
            *(item.row for item in self._in_flight.values()),
            *(() if self._taken is None else self._taken.rows()),
            *self._delivered,
            *(row for row, refusal in self._refused.items() if refusal.until_ns > now_ns),
            *(row for row, refusal in self._ignored.items() if refusal.until_ns > now_ns),
            *(row for row, refusal in self._resting.items() if refusal.until_ns > now_ns),
        )
        return rows[:MAX_NAMED_ROWS]

    def lease_wait_s(self, now_ns: int, longest_s: float) -> float:
        """How long a lease may wait: not beyond the end of what it is told to leave out."""
        untils_ns = [
            refusal.until_ns
            for left_out in (self._refused, self._ignored, self._resting)
            for refusal in left_out.values()
            if refusal.until_ns > now_ns
        ]
        if self.desk_away:
            longest_s = min(longest_s, _AWAY_LEASE_S)
        return min([longest_s, *((until_ns - now_ns) / NS_PER_S for until_ns in untils_ns)])

    def next_to_send(self, now_ns: int) -> OutboxItem | None:
        """Take out the next row to hand to the broker, if one may be sent now."""
        if not self._held or self.in_flight >= self.size or now_ns < self._paused_until_ns:
            return None
        if self._probing and self._in_flight:
            return None
        return self._held.pop(0)

    def sent(self, item: OutboxItem, packet_id: int, now_ns: int) -> None:
        """The row was handed to the broker under this packet id."""
        if not self._in_flight:
            self._last_answer_ns = now_ns
        self._in_flight[packet_id] = item

    def answered(self, packet_id: int, reason_code: int, now_ns: int) -> Answered | None:
        """The broker answered; None when it is no row's packet."""
        item = self._in_flight.pop(packet_id, None)
        if item is None:
            return None
        self._last_answer_ns = now_ns
        if item.row in self._settled:
            self._settled.discard(item.row)
            self._go_on(item)
            return Answered(row=item.row, reason_code=reason_code, verdict=Verdict.TAKEN)
        verdict = self._judge(item, reason_code)
        if verdict is Verdict.DELIVERED:
            self._delivered.append(item.row)
            self._go_on(item)
        elif verdict is Verdict.TAKEN and self._taken is not None:
            self._taken.add(item, now_ns)
            self._go_on(item)
        elif verdict is Verdict.REFUSED:
            self.refuse(item, now_ns)
        else:
            self._unread, self._alerts_are_read = True, False
            self._hold((item,))
            self._pause(now_ns, _UNREAD_CAP_S)
        return Answered(row=item.row, reason_code=reason_code, verdict=verdict)

    def refuse(self, item: OutboxItem, now_ns: int) -> None:
        """The row cannot be delivered now: leave it out, longer each time, and go slowly."""
        self._refused = _left_out(
            self._refused, item.row, now_ns, _FIRST_PAUSE_S, self._refused_cap_s
        )
        self._pause(now_ns, self._refused_cap_s)

    def acknowledged(self, rows: Iterable[int], now_ns: int) -> None:
        """The desk has these, by its signature; evidence let them out of the outbox."""
        gone = set(rows)
        # One that had rested was not why the desk was silent: nor were the others. Else those
        # that rested more than once may be what it cannot bear.
        if gone & self._resting.keys():
            self._resting.clear()
        self._resting = {row: rest for row, rest in self._resting.items() if rest.count > 1}
        if self._taken is not None:
            self._taken.acknowledged(gone, now_ns)
        self._held = [item for item in self._held if item.row not in gone]
        self._settled |= gone & {item.row for item in self._in_flight.values()}
        for row in gone:
            self._refused.pop(row, None)
            self._ignored.pop(row, None)

    def send_overdue_again(self, now_ns: int) -> int:
        """What the desk did not acknowledge in time goes again.

        Returns:
            How many rows.
        """
        if self._taken is None:
            return 0
        overdue = self._taken.overdue(now_ns, full=self.room() == 0)
        for item in overdue.left_out:
            self._ignored = _left_out(
                self._ignored, item.row, now_ns, _FIRST_IGNORED_S, _IGNORED_CAP_S
            )
        for item in overdue.resting:
            self._resting = _left_out(
                self._resting, item.row, now_ns, self._refused_cap_s, _IGNORED_CAP_S
            )
        if overdue.idle and self._resting:
            # Nothing else is there to ask the desk with.
            rested = min(self._resting, key=lambda row: self._resting[row].count)
            self._resting[rested] = _Refusal(self._resting[rested].count, now_ns)
        self._hold(overdue.again)
        return len(overdue.again)

    def lease_anew(self) -> None:
        """Forget what was not sent yet, so that the most urgent come first after an outage."""
        self._held.clear()

    def connection_lost(self, now_ns: int) -> tuple[int, ...]:
        """What was under way is sent again; rows under suspicion are refused instead.

        Returns:
            The rows refused.
        """
        unanswered = [item for item in self._in_flight.values() if item.row not in self._settled]
        self._in_flight.clear()
        self._settled.clear()
        if self._taken is not None:
            self._hold(self._taken.take_all())
        self._alerts_are_read = False
        # After a break one row goes first: if it breaks again, it is known which it was.
        self._probing = True
        if len(unanswered) == 1:
            (item,) = unanswered
            self._losses[item.row] = self._losses.get(item.row, 0) + 1
            if self._losses[item.row] >= _SUSPECT_LOSSES:
                self.refuse(item, now_ns)
                return (item.row,)
        self._hold(unanswered)
        return ()

    def to_delete(self) -> tuple[int, ...]:
        """Delivered rows that still have to be deleted from the outbox."""
        return tuple(self._delivered)

    def deleted(self, rows: tuple[int, ...]) -> None:
        """These rows are gone from the outbox."""
        gone = set(rows)
        self._delivered = [row for row in self._delivered if row not in gone]

    def silent_since_ns(self) -> int | None:
        """Since when the broker owes an answer; None when it owes none."""
        return self._last_answer_ns if self._in_flight else None

    def wakes_ns(self, now_ns: int) -> int | None:
        """When time alone lets a row go; None: it does not."""
        wakes_ns = [] if self._taken is None else [self._taken.wakes_ns()]
        if self._held and self._paused_until_ns > now_ns:
            wakes_ns.append(self._paused_until_ns)
        return min((wake_ns for wake_ns in wakes_ns if wake_ns is not None), default=None)

    def _judge(self, item: OutboxItem, reason_code: int) -> Verdict:
        """Alerts wait for a reader; a picture does only while alerts have none either."""
        if reason_code >= FIRST_FAILURE:
            return Verdict.REFUSED
        taken = Verdict.DELIVERED if self._taken is None else Verdict.TAKEN
        if reason_code != NO_MATCHING_SUBSCRIBERS:
            return taken
        if item.kind is OutboxKind.THUMBNAIL and self._alerts_are_read:
            return taken
        return Verdict.UNREAD

    def _go_on(self, item: OutboxItem) -> None:
        """The broker took a row: it works."""
        if self._taken is None:
            self._refused.pop(item.row, None)
        self._losses.clear()
        self._probing, self._pauses, self._paused_until_ns = False, 0, 0
        if item.kind is not OutboxKind.THUMBNAIL:
            self._alerts_are_read, self._unread = True, False

    def _hold(self, items: Iterable[OutboxItem]) -> None:
        self._held.extend(items)
        self._held.sort(key=lambda item: (-item.priority, item.row))

    def _pause(self, now_ns: int, cap_s: float) -> None:
        self._probing = True
        if now_ns < self._paused_until_ns:
            return  # one burst of answers counts once
        self._pauses = min(self._pauses + 1, _MAX_DOUBLINGS)
        wait_s = _doubled(_FIRST_PAUSE_S, self._pauses, cap_s)
        self._paused_until_ns = now_ns + int(wait_s * NS_PER_S)


def _doubled(first_s: float, times: int, cap_s: float) -> float:
    """The first wait, doubled with every further time, up to the cap."""
    return min(cap_s, first_s * 2.0 ** (min(times, _MAX_DOUBLINGS) - 1))


def _left_out(
    known: dict[int, _Refusal], row: int, now_ns: int, first_s: float, cap_s: float
) -> dict[int, _Refusal]:
    """One more row left out, longer each time; what is long over is forgotten."""
    before = known.get(row)
    count = 1 if before is None else before.count + 1
    kept = {
        other: refusal for other, refusal in known.items() if refusal.until_ns > now_ns - _MEMORY_NS
    }
    wait_s = _doubled(first_s, count, cap_s)
    return {**kept, row: _Refusal(count, now_ns + int(wait_s * NS_PER_S))}
