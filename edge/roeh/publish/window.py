"""The rows between outbox and broker: which may be sent now, which wait for an answer.

Invariants (edge/design/delivery.md):
    1. A row is deleted only after the broker took it with success.
    2. No more rows are held than fit the window, and no more are unanswered.
    3. When the connection is lost every unanswered row is sent again.
    4. One row that a broker will not have does not hold up the others.
A broker that refuses, that takes alerts which nobody reads, or whose connection just
broke, is asked with one row at a time, until it takes one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.peers import MAX_NAMED_ROWS, OutboxItem, OutboxKind
from roeh.transport.mqtt import FIRST_FAILURE, NO_MATCHING_SUBSCRIBERS

_FIRST_PAUSE_S = 0.5
_MAX_DOUBLINGS = 16
#: How long an alert may wait after the control room came back to an idle broker.
_UNREAD_CAP_S = 10.0
#: A row that was alone under way so often when the connection broke may be why.
_SUSPECT_LOSSES = 3
#: How long a row's refusals are remembered after it may be tried again.
_MEMORY_NS = 3600 * NS_PER_S


class Verdict(enum.Enum):
    """What the broker's answer means for a row."""

    DELIVERED = "the broker took it"
    REFUSED = "the broker refused it; it stays and is tried again later"
    UNREAD = "the broker took it and nobody reads; it stays and is sent again"


class Answered(msgspec.Struct, frozen=True):
    """A row and what became of it."""

    row: int
    reason_code: int
    verdict: Verdict


class _Refusal(msgspec.Struct, frozen=True):
    """How often a row was refused in a row, and when it may be tried again."""

    count: int
    until_ns: int


class Window:
    """Pure bookkeeping; every time is monotonic nanoseconds handed in."""

    def __init__(self, size: int, refused_cap_s: float) -> None:
        self.size = size
        self._refused_cap_s = refused_cap_s
        self._held: list[OutboxItem] = []
        self._in_flight: dict[int, OutboxItem] = {}
        self._refused: dict[int, _Refusal] = {}
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
        """How many rows wait for an answer."""
        return len(self._in_flight)

    @property
    def full(self) -> bool:
        """Whether rows wait only because the window is full."""
        return bool(self._held) and len(self._in_flight) >= self.size

    @property
    def unread(self) -> bool:
        """Whether the broker says that nobody reads alerts."""
        return self._unread

    def accept(self, items: Iterable[OutboxItem], now_ns: int) -> None:
        """Rows leased from the outbox; those already known are left alone."""
        known = set(self.known_rows(now_ns))
        self._hold(item for item in items if item.row not in known)

    def room(self) -> int:
        """How many more rows may be leased."""
        return max(0, self.size - len(self._held) - len(self._in_flight))

    def known_rows(self, now_ns: int) -> tuple[int, ...]:
        """Rows that must not be leased now; as many as one request can name."""
        rows = (
            *(item.row for item in self._held),
            *(item.row for item in self._in_flight.values()),
            *self._delivered,
            *(row for row, refusal in self._refused.items() if refusal.until_ns > now_ns),
        )
        return rows[:MAX_NAMED_ROWS]

    def next_to_send(self, now_ns: int) -> OutboxItem | None:
        """Take out the next row to hand to the broker, if one may be sent now."""
        limit = 1 if self._probing else self.size
        if not self._held or len(self._in_flight) >= limit or now_ns < self._paused_until_ns:
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
        verdict = self._judge(item, reason_code)
        if verdict is Verdict.DELIVERED:
            self._deliver(item)
        elif verdict is Verdict.REFUSED:
            self.refuse(item, now_ns)
        else:
            self._unread, self._alerts_are_read = True, False
            self._hold((item,))
            self._pause(now_ns, _UNREAD_CAP_S)
        return Answered(row=item.row, reason_code=reason_code, verdict=verdict)

    def refuse(self, item: OutboxItem, now_ns: int) -> None:
        """The row cannot be delivered now: leave it out, longer each time."""
        before = self._refused.get(item.row)
        count = 1 if before is None else before.count + 1
        wait_s = _doubled(_FIRST_PAUSE_S, count, self._refused_cap_s)
        self._refused = {
            row: refusal
            for row, refusal in self._refused.items()
            if refusal.until_ns > now_ns - _MEMORY_NS
        }
        self._refused[item.row] = _Refusal(count, now_ns + int(wait_s * NS_PER_S))
        self._pause(now_ns, self._refused_cap_s)

    def connection_lost(self, now_ns: int) -> tuple[int, ...]:
        """What was not answered is sent again; rows under suspicion are refused instead.

        Returns:
            The rows refused.
        """
        unanswered = list(self._in_flight.values())
        self._in_flight.clear()
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
        """When time alone lets the next row go; None: it does not."""
        if self._held and self._paused_until_ns > now_ns:
            return self._paused_until_ns
        return None

    def _judge(self, item: OutboxItem, reason_code: int) -> Verdict:
        """Alerts wait for a reader; a picture does only while alerts have none either."""
        if reason_code >= FIRST_FAILURE:
            return Verdict.REFUSED
        if reason_code != NO_MATCHING_SUBSCRIBERS:
            return Verdict.DELIVERED
        if item.kind is OutboxKind.THUMBNAIL and self._alerts_are_read:
            return Verdict.DELIVERED
        return Verdict.UNREAD

    def _deliver(self, item: OutboxItem) -> None:
        self._delivered.append(item.row)
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
