"""The loop of publish: from the outbox to the broker, and back with the answers.

One thread, one place to wait (the inbox). Rows live in evidence's outbox; what is here
is a window on them, in memory only, so that this process may be killed at any time.
The order of a delivery:

    1. lease rows from evidence;  2. publish with QoS 1;  3. wait for the PUBACK;
    4. on success have evidence delete the row.

Killed before 4, the row is sent again and the receiver removes the duplicate by id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config.schema import BrokerSection
from roeh.core.errors import RoehError
from roeh.core.flows import IN_FLIGHT
from roeh.core.log import log_error, log_for
from roeh.core.peers import LeaseOutbox, OutboxItem
from roeh.core.types import ProcessReport
from roeh.publish.evidence_link import Evidence
from roeh.publish.heartbeat import Heartbeat
from roeh.publish.inbox import FromBroker, Inbox, Leased, LeaseFailed
from roeh.publish.link import Connect, Link
from roeh.publish.presence import Presence
from roeh.publish.standing import Standing
from roeh.publish.window import Verdict, Window
from roeh.transport.backoff import Backoff, Jitter, system_jitter
from roeh.transport.messages import Incoming, health_message, outbox_message
from roeh.transport.mqtt import (
    FIRST_FAILURE,
    PACKET_TOO_LARGE,
    Acknowledged,
    BrokerEvent,
    Disconnected,
    NotOpened,
    Opened,
    Session,
    packet_bytes,
)

_LEASE_WAIT_S = 10.0
_STATUS_S = 2.0
_EVIDENCE_RETRY_S = 0.25
#: A connection that lasted this long was a good one.
_SETTLED_S = 5.0
_FAREWELL_S = 2.0

_log = log_for("publish")


class Sender:
    """Owns the window, the connection and the back-off."""

    def __init__(
        self,
        *,
        site: str,
        node: str,
        broker: BrokerSection,
        evidence: Evidence,
        connect: Connect,
        inbox: Inbox,
        clock: Clock,
        on_progress: Callable[[], None],
        jitter: Jitter = system_jitter,
    ) -> None:
        self._site = site
        self._node = node
        self._broker = broker
        self._evidence = evidence
        self._connect = connect
        self._inbox = inbox
        self._clock = clock
        self._on_progress = on_progress
        self._window = Window(IN_FLIGHT.bound, broker.backoff_cap_s)
        self._backoff = Backoff(broker.backoff_cap_s, jitter)
        self._heartbeat = Heartbeat(site, node, broker.heartbeat_s)
        self._standing = Standing(f"{broker.host}:{broker.port}")
        self._leasing = False
        self._link: Link | None = None
        self._max_packet_bytes = broker.max_packet_bytes
        now_ns = clock.mono_ns()
        # After a power cut in a whole street not every pole knocks at once.
        self._dial_ns = now_ns + int(jitter(broker.connect_spread_s) * NS_PER_S)
        self._evidence_ns = now_ns
        self._status_ns = now_ns

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop, then say goodbye."""
        while not stop.is_set():
            self.turn()
        self._say_goodbye()

    def turn(self) -> None:
        """Do what is due, then wait for what happens next."""
        self._dial_when_due()
        link = self._open_link()
        if link is not None:
            self._send_rows(link)
            self._lease_rows()
            link.repeat_birth_when_due()
        self._ask_evidence()
        self._on_progress()
        happening = self._inbox.get(self._patience_s())
        while happening is not None:
            self._take(happening)
            happening = self._inbox.get(0.0)
        self._check_silence()

    def _open_link(self) -> Link | None:
        """The link, once the broker took us in."""
        return self._link if self._link is not None and self._link.session is not None else None

    # -- the connection

    def _dial_when_due(self) -> None:
        now_ns = self._clock.mono_ns()
        if self._link is not None or now_ns < self._dial_ns or now_ns < self._evidence_ns:
            return
        try:
            number = self._evidence.begin_connection()
        except RoehError as error:
            self._evidence_failed(error)
            return
        presence = Presence(self._site, self._node, number, self._clock)
        try:
            connection = self._connect(presence.will(), self._hand_over_of(number))
        except RoehError as error:
            self._standing.refused(str(error))
            self._dial_later()
            return
        self._link = Link(connection, presence, self._clock)
        connection.open_soon()

    def _hand_over_of(self, number: int) -> Callable[[BrokerEvent], None]:
        return lambda event: self._inbox.put(FromBroker(number, event))

    def _opened(self, link: Link, session: Session) -> None:
        # One place stays free for the state message.
        self._window.size = max(1, min(IN_FLIGHT.bound, session.receive_maximum) - 1)
        self._max_packet_bytes = min(
            self._broker.max_packet_bytes, session.max_packet_bytes or self._broker.max_packet_bytes
        )
        self._status_ns = self._clock.mono_ns()
        self._heartbeat.begin()
        self._standing.connected()
        link.opened(session)

    def _lost(self, link: Link, reason: str) -> None:
        link.connection.abandon()
        self._link = None
        if link.lasted_s() > _SETTLED_S:
            self._backoff.reset()
        for row in self._window.connection_lost(self._clock.mono_ns()):
            self._tell_refused(row, PACKET_TOO_LARGE)
        self._standing.refused(reason)
        self._dial_later()

    def _dial_later(self) -> None:
        wait_s = self._backoff.next_wait_s()
        self._dial_ns = self._clock.mono_ns() + int(wait_s * NS_PER_S)

    def _check_silence(self) -> None:
        """A broker that owes an answer for too long is not believed to be there."""
        link = self._open_link()
        if link is None:
            return
        limit_ns = self._clock.mono_ns() - int(self._broker.ack_timeout_s * NS_PER_S)
        owed_since_ns = (self._window.silent_since_ns(), link.silent_since_ns())
        if any(since_ns is not None and since_ns <= limit_ns for since_ns in owed_since_ns):
            seconds = f"{self._broker.ack_timeout_s:g} s"
            self._lost(link, f"no acknowledgement from the broker for {seconds}")

    # -- rows

    def _send_rows(self, link: Link) -> None:
        while True:
            now_ns = self._clock.mono_ns()
            item = self._window.next_to_send(now_ns)
            if item is None:
                break
            message = outbox_message(item, self._site, self._node)
            if packet_bytes(message) > self._max_packet_bytes:
                self._refuse_oversize(item, now_ns)
                continue
            self._window.sent(item, link.connection.publish(message), now_ns)
        if self._window.full:
            self._standing.count(IN_FLIGHT.counter)

    def _refuse_oversize(self, item: OutboxItem, now_ns: int) -> None:
        """A packet over the broker's limit would end the connection, each time anew."""
        self._window.refuse(item, now_ns)
        self._tell_refused(item.row, PACKET_TOO_LARGE)

    def _lease_rows(self) -> None:
        now_ns = self._clock.mono_ns()
        room = self._window.room()
        if self._leasing or room == 0 or now_ns < self._evidence_ns:
            return
        self._leasing = True
        self._evidence.lease(
            LeaseOutbox(
                limit=room,
                in_flight_rows=self._window.known_rows(now_ns),
                wait_s=_LEASE_WAIT_S,
            )
        )

    # -- evidence

    def _ask_evidence(self) -> None:
        """Everything that evidence is asked and told, while it is there."""
        if self._clock.mono_ns() < self._evidence_ns:
            return
        try:
            self._delete_delivered()
            self._report()
            self._beat()
        except RoehError as error:
            self._evidence_failed(error)

    def _delete_delivered(self) -> None:
        rows = self._window.to_delete()
        if rows:
            self._evidence.delivered(rows)
            self._window.deleted(rows)

    def _report(self) -> None:
        now_us = self._clock.mono_ns() // NS_PER_US
        self._standing.observe_window(in_flight=self._window.in_flight, unread=self._window.unread)
        report: ProcessReport | None = self._standing.due_report(now_us)
        if report is not None:
            self._evidence.report(report)
            self._standing.reported(report)

    def _beat(self) -> None:
        now_ns = self._clock.mono_ns()
        link = self._open_link()
        if link is None or now_ns < self._status_ns:
            return
        self._status_ns = now_ns + int(_STATUS_S * NS_PER_S)
        status = self._evidence.status()
        number = link.presence.connection_number
        health = self._heartbeat.beat(status, self._clock.read(), number)
        if health is not None:
            link.connection.publish(health_message(health))

    def _tell_refused(self, row: int, reason_code: int) -> None:
        self._standing.row_refused(reason_code)
        try:
            self._evidence.refused(row, reason_code)
        except RoehError as error:
            self._evidence_failed(error)

    def _evidence_failed(self, error: RoehError) -> None:
        if self._standing.evidence_away():
            log_error(_log, error)
        self._evidence_ns = self._clock.mono_ns() + int(_EVIDENCE_RETRY_S * NS_PER_S)

    # -- what happens

    def _take(self, happening: object) -> None:
        if isinstance(happening, Leased):
            self._leasing = False
            self._standing.evidence_there()
            self._window.accept(happening.batch.items, self._clock.mono_ns())
        elif isinstance(happening, LeaseFailed):
            self._leasing = False
            self._evidence_failed(happening.error)
        elif isinstance(happening, FromBroker):
            self._take_from_broker(happening)

    def _take_from_broker(self, happening: FromBroker) -> None:
        link, event = self._link, happening.event
        if link is None or happening.connection_number != link.presence.connection_number:
            return  # last words of a connection that is over
        if isinstance(event, Opened):
            self._opened(link, event.session)
        elif isinstance(event, NotOpened):
            self._lost(link, str(event.error))
        elif isinstance(event, Disconnected):
            self._lost(link, event.reason)
        elif link.session is None:
            return  # queued for an earlier connection; read again after the birth
        elif isinstance(event, Acknowledged):
            self._acknowledged(link, event)
        elif isinstance(event, Incoming):
            higher = link.read_own_state(event)
            if higher is not None:
                self._standing.overruled(link.presence.connection_number, higher)

    def _acknowledged(self, link: Link, event: Acknowledged) -> None:
        if link.is_birth(event):
            if event.reason_code >= FIRST_FAILURE:
                self._standing.row_refused(event.reason_code)
            return
        answered = self._window.answered(event.packet_id, event.reason_code, self._clock.mono_ns())
        if answered is None:
            return
        if answered.verdict is Verdict.REFUSED:
            self._tell_refused(answered.row, answered.reason_code)
        elif answered.verdict is Verdict.DELIVERED:
            self._backoff.reset()
            self._standing.delivered()
        else:
            self._standing.count("unread")

    # -- waiting and ending

    def _patience_s(self) -> float:
        """How long nothing is due."""
        now_ns = self._clock.mono_ns()
        due_ns = [now_ns + int(_STATUS_S * NS_PER_S)]
        link = self._open_link()
        if self._link is None:
            due_ns.append(max(self._dial_ns, self._evidence_ns))
        if link is not None:
            due_ns.append(max(self._status_ns, self._evidence_ns))
            wakes_ns = (self._window.wakes_ns(now_ns), link.birth_due_ns())
            due_ns.extend(wake_ns for wake_ns in wakes_ns if wake_ns is not None)
            if self._window.room() and not self._leasing:
                due_ns.append(self._evidence_ns)
        if self._window.to_delete():
            due_ns.append(self._evidence_ns)
        return max(0.0, (min(due_ns) - now_ns) / NS_PER_S)

    def _say_goodbye(self) -> None:
        """Offline on purpose: readers need not wait for the will."""
        link = self._open_link()
        if link is not None:
            self._say_farewell(link)
        try:
            self._delete_delivered()
            self._evidence.report(self._standing.last_report(self._clock.mono_ns() // NS_PER_US))
        except RoehError as error:
            log_error(_log, error)  # those rows are sent once more, and removed as duplicates
        if link is not None:
            link.connection.close()
        elif self._link is not None:
            self._link.connection.abandon()

    def _say_farewell(self, link: Link) -> None:
        packet_id = link.connection.publish(link.presence.farewell(self._clock))
        deadline_ns = self._clock.mono_ns() + int(_FAREWELL_S * NS_PER_S)
        while (left_ns := deadline_ns - self._clock.mono_ns()) > 0:
            happening = self._inbox.get(left_ns / NS_PER_S)
            if happening is None:
                break
            if isinstance(happening, FromBroker) and isinstance(happening.event, Acknowledged):
                if happening.event.packet_id == packet_id:
                    break
                self._take(happening)
