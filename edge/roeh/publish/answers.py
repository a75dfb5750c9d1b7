"""Answers to commands, one after the other: its picture first, then what evidence signed.

An answer that the broker would not take, or that nobody reads, goes to the end and is tried
again after a wait. What is here is in memory only; evidence keeps it until it was delivered.
"""

from __future__ import annotations

from collections import deque

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.delivery import AnswerBatch, AnswerItem, LeaseAnswers
from roeh.core.errors import RoehError
from roeh.publish.asking import Asking
from roeh.publish.evidence_link import Evidence
from roeh.publish.link import Connection
from roeh.publish.pace import Pace
from roeh.transport.backoff import Backoff
from roeh.transport.messages import answer_message, snapshot_message
from roeh.transport.mqtt import PACKET_TOO_LARGE, packet_bytes

_LEASE_WAIT_S = 25.0
#: No more are asked for while so many wait here.
_MAX_WAITING = 8


class _UnderWay(msgspec.Struct, frozen=True):
    item: AnswerItem
    packet_id: int
    is_picture: bool


class Answers:
    """Takes one place of the broker's Receive Maximum."""

    def __init__(
        self,
        *,
        site: str,
        node: str,
        evidence: Evidence,
        asking: Asking,
        pace: Pace,
        clock: Clock,
        backoff: Backoff,
        max_packet_bytes: int,
    ) -> None:
        self.max_packet_bytes = max_packet_bytes
        self._site = site
        self._node = node
        self._evidence = evidence
        self._asking = asking
        self._pace = pace
        self._clock = clock
        self._backoff = backoff
        self._waiting: deque[AnswerItem] = deque()
        self._under_way: _UnderWay | None = None
        self._pictured: int | None = None
        self._delivered: tuple[int, ...] = ()
        self._leasing = False
        self._from_ns = 0

    def lease(self) -> None:
        """Ask evidence for answers, if there is room for some."""
        if self._leasing or len(self._waiting) >= _MAX_WAITING or not self._asking.is_open():
            return
        self._leasing = True
        self._evidence.lease_answers(LeaseAnswers(self._known_rows(), _LEASE_WAIT_S))

    def leased(self, batch: AnswerBatch) -> None:
        """Evidence answered the lease."""
        self._leasing = False
        known = set(self._known_rows())
        self._waiting.extend(item for item in batch.items if item.row not in known)

    def lease_failed(self, error: RoehError) -> None:
        """Evidence did not."""
        self._leasing = False
        self._asking.failed(error)

    def send(self, connection: Connection) -> None:
        """The next one, if it is time and none is under way."""
        now_ns = self._clock.mono_ns()
        if self._under_way is not None or not self._waiting or now_ns < self._from_ns:
            return
        if not self._pace.may_send(now_ns):
            return
        item = self._waiting.popleft()
        message = answer_message(self._site, self._node, item.statement)
        is_picture = item.picture is not None and self._pictured != item.row
        if item.picture is not None and is_picture:
            message = snapshot_message(self._site, self._node, item.command_id, item.picture)
        size_bytes = packet_bytes(message)
        if size_bytes > self.max_packet_bytes:
            # It would end the connection, each time anew.
            self._under_way = _UnderWay(item, 0, is_picture)
            self.answered(0, PACKET_TOO_LARGE)
            return
        self._pace.sent(size_bytes, now_ns)
        self._under_way = _UnderWay(item, connection.publish(message), is_picture)

    def answered(self, packet_id: int, reason_code: int) -> bool:
        """The broker answered a packet; whether it was one of these."""
        under_way = self._under_way
        if under_way is None or under_way.packet_id != packet_id:
            return False
        self._under_way = None
        # 0x10 too: nobody was there to read it.
        if reason_code != 0:
            self._pictured = None
            self._waiting.append(under_way.item)
            wait_s = self._backoff.next_wait_s()
            self._from_ns = self._clock.mono_ns() + int(wait_s * NS_PER_S)
            return True
        self._backoff.reset()
        if under_way.is_picture:
            self._pictured = under_way.item.row
            self._waiting.appendleft(under_way.item)
        else:
            self._delivered += (under_way.item.row,)
        return True

    def connection_lost(self) -> None:
        """What was under way is sent again, its picture too."""
        if self._under_way is not None:
            self._waiting.appendleft(self._under_way.item)
        self._under_way = None
        self._pictured = None

    def tell_delivered(self) -> None:
        """Evidence may forget what the broker has.

        Raises:
            RoehError: evidence does not answer; it is told again.
        """
        if self._delivered:
            self._evidence.answers_delivered(self._delivered)
            self._delivered = ()

    def wakes_ns(self, now_ns: int) -> int | None:
        """When something is due by time alone; None: nothing."""
        wakes_ns: list[int] = []
        if self._delivered or (not self._leasing and len(self._waiting) < _MAX_WAITING):
            wakes_ns.append(self._asking.from_ns)
        if self._waiting and self._under_way is None:
            wakes_ns.append(max(self._from_ns, self._pace.wakes_ns(now_ns) or now_ns))
        return min(wakes_ns, default=None)

    def _known_rows(self) -> tuple[int, ...]:
        under_way = () if self._under_way is None else (self._under_way.item.row,)
        return (*under_way, *(item.row for item in self._waiting), *self._delivered)
