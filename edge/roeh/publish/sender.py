"""The loop of publish: from the outbox to the broker, and back with what comes down.

One thread, one place to wait (the inbox). Rows live in evidence's outbox; what is here
is in memory only, so that this process may be killed at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import AckMode, BrokerSection
from roeh.core.errors import RoehError
from roeh.core.log import log_error, log_for
from roeh.core.types import ProcessReport
from roeh.publish.answers import Answers
from roeh.publish.asking import Asking
from roeh.publish.certificates import Certificates
from roeh.publish.checkpoint_times import CheckpointTimes
from roeh.publish.down import Down, DownGate, is_down
from roeh.publish.evidence_link import Evidence
from roeh.publish.heartbeat import Heartbeat
from roeh.publish.inbox import (
    AnswerLeaseFailed,
    AnswersLeased,
    FromBroker,
    Inbox,
    Leased,
    LeaseFailed,
)
from roeh.publish.link import Connect, Link
from roeh.publish.overruling import Overruling
from roeh.publish.pace import Pace
from roeh.publish.presence import Presence
from roeh.publish.rows import Rows
from roeh.publish.standing import Standing
from roeh.publish.window import Verdict
from roeh.transport.backoff import Backoff, Jitter, system_jitter
from roeh.transport.messages import (
    CheckpointMessage,
    Incoming,
    checkpoint_message,
    health_message,
)
from roeh.transport.mqtt import (
    FIRST_FAILURE,
    Acknowledged,
    BrokerEvent,
    Disconnected,
    NotOpened,
    Opened,
    Session,
)
from roeh.transport.tls import TlsFilesWatch
from roeh.transport.topics import Channel

_STATUS_S = 2.0
#: A connection that lasted this long was a good one.
_SETTLED_S = 5.0
_FAREWELL_S = 2.0

_log = log_for("publish")


class Named(msgspec.Struct, frozen=True):
    """Which node this is, and whose word takes an alert out of its outbox.

    Attributes:
        has_desk: whether anybody is believed who speaks down.
    """

    site: str
    node: str
    ack: AckMode
    has_desk: bool


def _pass_over(_report: ProcessReport) -> None:
    """Nobody else wants it."""


class Sender:
    """Owns the connection and the parts that speak on it."""

    def __init__(
        self,
        *,
        named: Named,
        broker: BrokerSection,
        evidence: Evidence,
        connect: Connect,
        inbox: Inbox,
        clock: Clock,
        on_progress: Callable[[], None],
        on_report: Callable[[ProcessReport], object] = _pass_over,
        tls_files: TlsFilesWatch | None = None,
        jitter: Jitter = system_jitter,
    ) -> None:
        self._named = named
        self._broker = broker
        self._evidence = evidence
        self._connect = connect
        self._inbox = inbox
        self._clock = clock
        self._on_progress = on_progress
        self._on_report = on_report
        self._tls_files = tls_files
        self._certificates = Certificates()
        self._backoff = Backoff(broker.backoff_cap_s, jitter)
        self._heartbeat = Heartbeat(named.site, named.node, broker.heartbeat_s)
        self._standing = Standing(f"{broker.host}:{broker.port}")
        self._asking = Asking(clock, self._standing)
        self._gate = DownGate(named.site, named.node, clock)
        self._down = Down(evidence, self._standing)
        self._checkpoints = CheckpointTimes(broker.checkpoint_s)
        self._overruling = Overruling()
        pace = Pace(broker.max_bps)
        self._rows = Rows(
            site=named.site,
            node=named.node,
            broker=broker,
            ack=named.ack,
            # The state message, and an answer to a command.
            other_places=2 if named.has_desk else 1,
            evidence=evidence,
            asking=self._asking,
            standing=self._standing,
            gate=self._gate,
            pace=pace,
            clock=clock,
            jitter=jitter,
        )
        self._answers = Answers(
            site=named.site,
            node=named.node,
            evidence=evidence,
            asking=self._asking,
            pace=pace,
            clock=clock,
            backoff=Backoff(broker.backoff_cap_s, jitter),
            max_packet_bytes=broker.max_packet_bytes,
        )
        self._link: Link | None = None
        now_ns = clock.mono_ns()
        # After a power cut in a whole street not every pole knocks at once.
        self._dial_ns = now_ns + int(jitter(broker.connect_spread_s) * NS_PER_S)
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
            self._rows.send(link.connection)
            self._rows.lease()
            if self._named.has_desk:
                self._answers.send(link.connection)
                self._answers.lease()
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
        if self._link is not None or now_ns < self._dial_ns or not self._asking.is_open():
            return
        try:
            number = self._evidence.begin_connection(self._overruling.at_least)
        except RoehError as error:
            self._asking.failed(error)
            return
        presence = Presence(self._named.site, self._named.node, number, self._clock)
        if self._tls_files is not None:
            self._tls_files.used()
        try:
            connection = self._connect(presence.will(), self._hand_over_of(number.number))
        except RoehError as error:
            self._standing.refused(str(error))
            self._dial_later()
            return
        self._link = Link(connection, presence, self._clock, has_desk=self._named.has_desk)
        connection.open_soon()

    def _hand_over_of(self, number: int) -> Callable[[BrokerEvent], None]:
        def hand_over(event: BrokerEvent) -> None:
            # On paho's thread, before anything is queued.
            if isinstance(event, Incoming) and not self._gate.lets_in(event):
                return
            if not self._inbox.put(FromBroker(number, event)):
                self._gate.drop_one()

        return hand_over

    def _opened(self, link: Link, session: Session) -> None:
        self._rows.connection_opened(session)
        self._answers.max_packet_bytes = self._rows.max_packet_bytes
        self._certificates.broker_ends_us = session.broker_certificate_ends_us
        self._certificates.own_ends_us = session.own_certificate_ends_us
        self._status_ns = self._clock.mono_ns()
        self._heartbeat.begin()
        self._standing.connected()
        link.opened(session)

    def _lost(self, link: Link, reason: str) -> None:
        self._let_go(link)
        self._standing.refused(reason)
        self._dial_later()

    def _let_go(self, link: Link) -> None:
        link.connection.abandon()
        self._link = None
        if link.lasted_s() > _SETTLED_S:
            self._backoff.reset()
        self._rows.connection_lost()
        self._answers.connection_lost()

    def _connect_anew(self, link: Link) -> None:
        """At once, on a session that is kept; no will is spoken if it takes less than its delay."""
        self._let_go(link)
        self._dial_ns = self._clock.mono_ns()

    def _dial_later(self) -> None:
        wait_s = self._backoff.next_wait_s()
        self._dial_ns = self._clock.mono_ns() + int(wait_s * NS_PER_S)

    def _check_silence(self) -> None:
        """A broker that owes an answer for too long is not believed to be there."""
        link = self._open_link()
        if link is None:
            return
        limit_ns = self._clock.mono_ns() - int(self._broker.ack_timeout_s * NS_PER_S)
        owed_since_ns = (self._rows.silent_since_ns(), link.silent_since_ns())
        if any(since_ns is not None and since_ns <= limit_ns for since_ns in owed_since_ns):
            seconds = f"{self._broker.ack_timeout_s:g} s"
            self._lost(link, f"no acknowledgement from the broker for {seconds}")

    # -- evidence

    def _ask_evidence(self) -> None:
        """Everything that evidence is asked and told, while it is there."""
        if not self._asking.is_open():
            return
        try:
            self._rows.delete_delivered()
            self._answers.tell_delivered()
            self._report()
            self._beat()
            self._prove()
        except RoehError as error:
            self._asking.failed(error)

    def _report(self) -> None:
        now_us = self._clock.mono_ns() // NS_PER_US
        self._rows.observe()
        self._standing.count("down_dropped", self._gate.dropped())
        report: ProcessReport | None = self._standing.due_report(now_us)
        if report is not None:
            self._on_report(report)
            self._evidence.report(report)
            self._standing.reported(report)

    def _beat(self) -> None:
        now_ns = self._clock.mono_ns()
        link = self._open_link()
        if link is None or now_ns < self._status_ns:
            return
        self._status_ns = now_ns + int(_STATUS_S * NS_PER_S)
        if self._tls_files is not None and self._tls_files.changed():
            self._standing.observe_tls_files(self._tls_files.complaint)
            if not self._tls_files.complaint:
                self._connect_anew(link)
                return
        status = self._evidence.status()
        reading = self._clock.read()
        self._standing.observe_certificates(
            self._certificates.complaint(reading.t_utc_ns // NS_PER_US)
        )
        number = link.presence.connection_number
        health = self._heartbeat.beat(status, reading, number, self._certificates)
        if health is not None:
            link.connection.publish(health_message(health))

    def _prove(self) -> None:
        """Send the witnesses the newest checkpoint when it is time."""
        link = self._open_link()
        if link is None or not self._named.has_desk:
            return
        if not self._checkpoints.is_due(self._clock.mono_ns()):
            return
        proof = self._evidence.checkpoint_proof()
        wanted = self._checkpoints.wants(proof, self._clock.mono_ns())
        if not wanted or proof.note is None:
            return
        self._standing.count("checkpoints")
        message = CheckpointMessage(
            site=self._named.site,
            node=self._named.node,
            note=proof.note,
            from_size=proof.from_size,
            hashes=proof.hashes,
        )
        link.connection.publish(checkpoint_message(message))

    # -- what happens

    def _take(self, happening: object) -> None:
        if isinstance(happening, Leased):
            self._rows.leased(happening.batch)
        elif isinstance(happening, LeaseFailed):
            self._rows.lease_failed(happening.error)
        elif isinstance(happening, AnswersLeased):
            self._answers.leased(happening.batch)
        elif isinstance(happening, AnswerLeaseFailed):
            self._answers.lease_failed(happening.error)
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
        elif isinstance(event, Incoming):
            self._take_incoming(link, event)
        elif link.session is not None:
            self._acknowledged(link, event)

    def _take_incoming(self, link: Link, incoming: Incoming) -> None:
        if is_down(incoming.topic):
            self._take_down(incoming)
        elif link.session is not None:  # else queued for an earlier connection; comes again
            self._read_own_state(link, incoming)

    def _take_down(self, incoming: Incoming) -> None:
        # A trust list is signed under the city's root: it needs no key of a desk.
        is_trust = incoming.topic.endswith(f"/{Channel.TRUST.value}")
        if not (self._named.has_desk or is_trust) or not self._asking.is_open():
            return  # whoever said it says it again
        try:
            rows = self._down.take(incoming)
        except RoehError as error:
            self._asking.failed(error)
            return
        if rows:
            self._rows.acknowledged(rows)
        if incoming.topic.endswith(f"/{Channel.COSIGN.value}"):
            self._checkpoints.cosigned(incoming.payload.decode("utf-8", "replace"))

    def _read_own_state(self, link: Link, incoming: Incoming) -> None:
        higher = link.read_own_state(incoming)
        if higher is None:
            return
        own = link.presence.connection_number
        now_ns = self._clock.mono_ns()
        if self._overruling.overtake(higher, now_ns):
            self._connect_anew(link)
        if self._overruling.keeps_happening(now_ns):
            self._standing.overruled(own, higher)

    def _acknowledged(self, link: Link, event: Acknowledged) -> None:
        if link.is_birth(event):
            if event.reason_code >= FIRST_FAILURE:
                self._standing.row_refused(event.reason_code)
            return
        if self._answers.answered(event.packet_id, event.reason_code):
            return
        answered = self._rows.answered(event.packet_id, event.reason_code)
        if answered is not None and answered.verdict in (Verdict.DELIVERED, Verdict.TAKEN):
            self._backoff.reset()

    # -- waiting and ending

    def _patience_s(self) -> float:
        """How long nothing is due."""
        now_ns = self._clock.mono_ns()
        asking_ns = self._asking.from_ns
        due_ns = [now_ns + int(_STATUS_S * NS_PER_S)]
        link = self._open_link()
        if self._link is None:
            due_ns.append(max(self._dial_ns, asking_ns))
        if link is not None:
            due_ns.append(max(self._status_ns, asking_ns))
            wakes_ns = [self._rows.wakes_ns(now_ns), link.birth_due_ns()]
            if self._named.has_desk:
                wakes_ns.append(self._answers.wakes_ns(now_ns))
                wakes_ns.append(max(self._checkpoints.due_ns() or now_ns, asking_ns))
            due_ns.extend(wake_ns for wake_ns in wakes_ns if wake_ns is not None)
        if self._rows.owes_evidence():
            due_ns.append(asking_ns)
        return max(0.0, (min(due_ns) - now_ns) / NS_PER_S)

    def _say_goodbye(self) -> None:
        """Offline on purpose: readers need not wait for the will."""
        link = self._open_link()
        if link is not None:
            self._say_farewell(link)
        try:
            self._rows.delete_delivered()
            self._answers.tell_delivered()
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
