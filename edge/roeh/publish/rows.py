"""The outbox's rows on their way: leased, sent, answered, and out of the outbox.

The order of a delivery:

    1. lease rows from evidence;  2. publish with QoS 1;  3. wait for the PUBACK;
    4. wait for the desk's signed acknowledgement, which evidence verifies and by which the
       row leaves (ack = "desk"), or have evidence delete the row at once (ack = "broker").

Killed before 4, the row is sent again and the receiver removes the duplicate by id.
"""

from __future__ import annotations

from roeh.core.clock import Clock
from roeh.core.config import AckMode, BrokerSection
from roeh.core.delivery import LeaseOutbox, OutboxBatch, OutboxItem
from roeh.core.errors import RoehError
from roeh.core.flows import IN_FLIGHT
from roeh.publish.asking import Asking
from roeh.publish.down import DownGate
from roeh.publish.evidence_link import Evidence
from roeh.publish.link import Connection
from roeh.publish.pace import Pace
from roeh.publish.standing import Standing
from roeh.publish.taken import TakenRows
from roeh.publish.window import Answered, Verdict, Window
from roeh.transport.backoff import Jitter
from roeh.transport.messages import outbox_message
from roeh.transport.mqtt import PACKET_TOO_LARGE, Session, packet_bytes

_LEASE_WAIT_S = 10.0


class Rows:
    """The window and what happens round it.

    Args:
        other_places: of the broker's Receive Maximum, for what is no row.
    """

    def __init__(
        self,
        *,
        site: str,
        node: str,
        broker: BrokerSection,
        ack: AckMode,
        other_places: int,
        evidence: Evidence,
        asking: Asking,
        standing: Standing,
        gate: DownGate,
        pace: Pace,
        clock: Clock,
        jitter: Jitter,
    ) -> None:
        self._site = site
        self._node = node
        self._evidence = evidence
        self._asking = asking
        self._standing = standing
        self._gate = gate
        self._pace = pace
        self._clock = clock
        taken = None
        if ack == "desk":
            taken = TakenRows(broker.desk_ack_timeout_s, broker.backoff_cap_s, jitter)
        self._window = Window(IN_FLIGHT.bound, broker.backoff_cap_s, taken)
        self._other_places = other_places
        self._leasing = False
        self._leased_limit = 0
        self._own_max_packet_bytes = broker.max_packet_bytes
        self.max_packet_bytes = broker.max_packet_bytes

    def connection_opened(self, session: Session) -> None:
        """The broker took us in."""
        places = min(IN_FLIGHT.bound, session.receive_maximum)
        self._window.size = max(1, places - self._other_places)
        own_bytes = self._own_max_packet_bytes
        self.max_packet_bytes = min(own_bytes, session.max_packet_bytes or own_bytes)
        if not self._leasing:
            # Meanwhile something more urgent may have come than what is held. A lease that
            # still waits says that nothing has.
            self._window.lease_anew()

    def connection_lost(self) -> None:
        """What was under way is sent again."""
        for row in self._window.connection_lost(self._clock.mono_ns()):
            self._tell_refused(row, PACKET_TOO_LARGE)

    def send(self, connection: Connection) -> None:
        """Hand over what may go now."""
        again = self._window.send_overdue_again(self._clock.mono_ns())
        self._standing.count("sent_again", again)
        while self._pace.may_send(now_ns := self._clock.mono_ns()):
            item = self._window.next_to_send(now_ns)
            if item is None:
                break
            message = outbox_message(item, self._site, self._node)
            size_bytes = packet_bytes(message)
            if size_bytes > self.max_packet_bytes:
                self._refuse_oversize(item, now_ns)
                continue
            self._window.sent(item, connection.publish(message), now_ns)
            self._pace.sent(size_bytes, now_ns)
            self._gate.sent_one()
        if self._window.full:
            self._standing.count(IN_FLIGHT.counter)

    def lease(self) -> None:
        """Ask evidence for as many rows as there is room for."""
        room = self._window.room()
        if self._leasing or room == 0 or not self._asking.is_open():
            return
        self._leasing = True
        self._leased_limit = room
        now_ns = self._clock.mono_ns()
        self._evidence.lease(
            LeaseOutbox(
                limit=room,
                in_flight_rows=self._window.known_rows(now_ns),
                wait_s=self._window.lease_wait_s(now_ns, _LEASE_WAIT_S),
            )
        )

    def leased(self, batch: OutboxBatch) -> None:
        """Evidence answered the lease."""
        self._leasing = False
        self._standing.evidence_there()
        self._window.accept(
            batch.items,
            self._clock.mono_ns(),
            are_all=len(batch.items) < self._leased_limit,
        )

    def lease_failed(self, error: RoehError) -> None:
        """Evidence did not."""
        self._leasing = False
        self._asking.failed(error)

    def answered(self, packet_id: int, reason_code: int) -> Answered | None:
        """The broker answered a packet; None when it was no row's."""
        answered = self._window.answered(packet_id, reason_code, self._clock.mono_ns())
        if answered is None:
            return None
        if answered.verdict is Verdict.REFUSED:
            self._tell_refused(answered.row, answered.reason_code)
        elif answered.verdict is Verdict.UNREAD:
            self._standing.count("unread")
        else:
            self._standing.delivered()
        return answered

    def acknowledged(self, rows: tuple[int, ...]) -> None:
        """The desk has these, and evidence let them out of the outbox."""
        self._window.acknowledged(rows, self._clock.mono_ns())

    def delete_delivered(self) -> None:
        """Have evidence delete what the broker took, where its word counts.

        Raises:
            RoehError: evidence does not answer; it is asked again.
        """
        rows = self._window.to_delete()
        if rows:
            self._evidence.delivered(rows)
            self._window.deleted(rows)

    def observe(self) -> None:
        """Say how the window stands."""
        self._standing.observe_window(
            in_flight=self._window.in_flight,
            unread=self._window.unread,
            desk_away=self._window.desk_away,
        )

    def silent_since_ns(self) -> int | None:
        """Since when the broker owes an answer; None when it owes none."""
        return self._window.silent_since_ns()

    def wakes_ns(self, now_ns: int) -> int | None:
        """When something is due by time alone; None: nothing."""
        wakes_ns = [self._window.wakes_ns(now_ns), self._pace.wakes_ns(now_ns)]
        if self._window.room() and not self._leasing:
            wakes_ns.append(self._asking.from_ns)
        return min((wake_ns for wake_ns in wakes_ns if wake_ns is not None), default=None)

    def owes_evidence(self) -> bool:
        """Whether evidence has still to be told of rows."""
        return bool(self._window.to_delete())

    def _refuse_oversize(self, item: OutboxItem, now_ns: int) -> None:
        """A packet over the broker's limit would end the connection, each time anew."""
        self._window.refuse(item, now_ns)
        self._tell_refused(item.row, PACKET_TOO_LARGE)

    def _tell_refused(self, row: int, reason_code: int) -> None:
        self._standing.row_refused(reason_code)
        try:
            self._evidence.refused(row, reason_code)
        except RoehError as error:
            self._asking.failed(error)
