"""The rows between outbox and broker: which may be sent now, which wait for an answer.

Invariants (edge/design/delivery.md):
    1. A row is deleted only after the broker took it with success (ack = "broker"), or
       leaves only when evidence says that the desk acknowledged it (ack = "desk").
    2. No more rows are held than fit the window, and no more are under way: sent and not
       answered by the broker, or taken by it and not acknowledged by the desk.
    3. When the connection is lost every row under way is sent again.
    4. Rows that broker or desk will not have do not hold up the others.
A broker that refuses, that takes alerts which nobody reads, or whose connection just
broke, is asked with one row at a time, until it takes one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.delivery import MAX_NAMED_ROWS, OutboxItem, OutboxKind
from roeh.publish.left_out import LeftOut, doubled_s, one_more
from roeh.publish.suspects import MAX_SUSPECTS, Suspects
from roeh.publish.taken import TakenRows
from roeh.transport.mqtt import FIRST_FAILURE, NO_MATCHING_SUBSCRIBERS

_FIRST_PAUSE_S = 0.5
_MAX_DOUBLINGS = 16
#: A lease that waits longer would not give back what made room meanwhile.
_AWAY_LEASE_S = 2.0
#: How long an alert may wait after the control room came back to an idle broker.
_UNREAD_CAP_S = 10.0
#: A row that was alone under way so often when the connection broke may be why.
_SUSPECT_LOSSES = 3


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
        self._refused: dict[int, LeftOut] = {}
        self._suspects = Suspects()
        #: Suspects that the last lease let come.
        self._let_come: frozenset[int] = frozenset()
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

    def accept(self, items: Iterable[OutboxItem], now_ns: int, *, are_all: bool = False) -> None:
        """Rows leased from the outbox; those already known are left alone.

        Args:
            items: the rows.
            now_ns: monotonic.
            are_all: there is no other row that the lease let come.
        """
        came = {item.row: item for item in items}
        if are_all:
            self._suspects.gone(self._let_come - came.keys() - self._placed())
        self._let_come = frozenset()
        known = set(self._known_rows(now_ns))
        self._hold(item for row, item in came.items() if row not in known)

    def room(self) -> int:
        """How many more rows may be leased."""
        return max(0, self.size - len(self._held) - self.in_flight)

    def known_rows(self, now_ns: int) -> tuple[int, ...]:
        """Rows that must not be leased now; as many as one request can name.

        Of the suspects only as many may come as there are places for.
        """
        rows = self._known_rows(now_ns)
        self._let_come = frozenset(self._suspects.rows()) - set(rows)
        return rows

    def lease_wait_s(self, now_ns: int, longest_s: float) -> float:
        """How long a lease may wait: not beyond the end of what it is told to leave out."""
        untils_ns = [
            *(refusal.until_ns for refusal in self._refused.values() if refusal.until_ns > now_ns),
            *self._suspects.untils_ns(now_ns),
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
        self._refused = one_more(
            self._refused, item.row, now_ns, _FIRST_PAUSE_S, self._refused_cap_s
        )
        self._pause(now_ns, self._refused_cap_s)

    def acknowledged(self, rows: Iterable[int], now_ns: int) -> None:
        """The desk has these, by its signature; evidence let them out of the outbox."""
        gone = set(rows)
        self._suspects.acknowledged(gone, now_ns, was_away=self.desk_away)
        if self._taken is not None:
            self._taken.acknowledged(gone, now_ns)
        self._held = [item for item in self._held if item.row not in gone]
        self._settled |= gone & {item.row for item in self._in_flight.values()}
        for row in gone:
            self._refused.pop(row, None)

    def send_overdue_again(self, now_ns: int) -> int:
        """What the desk did not acknowledge in time goes again.

        Returns:
            How many rows.
        """
        if self._taken is None:
            return 0
        placed = self._placed()
        on_their_way = sum(row in self._suspects for row in placed) - sum(
            row in self._suspects for row in self._taken.rows()
        )
        # Where there is one place only, it is not a suspect's to keep. Where no more can be
        # named in a lease, those set aside would come straight back: they stay.
        places = min(self._suspects.places(self.size), self.size - 1)
        if len(self._suspects) + self.size > MAX_SUSPECTS:
            places = self.size
        overdue = self._taken.overdue(
            now_ns,
            places=places - on_their_way,
            suspects=self._suspects,
            crowded=self._suspects.any_ready(now_ns, placed),
        )
        tried = (*overdue.again, *overdue.aside, *overdue.kept)
        self._suspects.suspect((item.row for item in tried), now_ns)
        self._suspects.leave_out(
            (item.row for item in (*overdue.left_out, *overdue.resting)), now_ns
        )
        if overdue.idle:
            self._suspects.ask_with_one(now_ns)
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
        wakes_ns = [] if self._taken is None else [self._taken.wakes_ns(now_ns)]
        if self._held and self._paused_until_ns > now_ns:
            wakes_ns.append(self._paused_until_ns)
        return min((wake_ns for wake_ns in wakes_ns if wake_ns is not None), default=None)

    def _placed(self) -> frozenset[int]:
        """Rows that are held or under way."""
        return frozenset(
            (
                *(item.row for item in self._held),
                *(item.row for item in self._in_flight.values()),
                *(() if self._taken is None else self._taken.rows()),
            )
        )

    def _known_rows(self, now_ns: int) -> tuple[int, ...]:
        placed = self._placed()
        free = self._suspects.places(self.size) - sum(row in self._suspects for row in placed)
        let_come = frozenset(self._suspects.ready(now_ns, placed)[: max(0, free)])
        not_named_here = placed | let_come
        rows = (
            *placed,
            *self._delivered,
            *(row for row, refusal in self._refused.items() if refusal.until_ns > now_ns),
            *(row for row in self._suspects.rows() if row not in not_named_here),
        )
        return rows[:MAX_NAMED_ROWS]

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
        wait_s = doubled_s(_FIRST_PAUSE_S, self._pauses, cap_s)
        self._paused_until_ns = now_ns + int(wait_s * NS_PER_S)
