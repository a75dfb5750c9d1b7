"""The ingest process: takes in what poles say until told to stop.

The order that everything rests on: a message is committed, then its pole is acknowledged,
then the broker is answered. Killed in between, the next who has the message finds it in the
database and acknowledges it again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import DeskFailed, KeyRefused, MessageRefused, one_line
from roeh.core.ids import ClockIds
from roeh.core.log import log_error, log_for
from roeh.core.metrics import desk_metrics
from roeh.core.notify import Notifier
from roeh.desk.alarms.hook import AlarmHook
from roeh.desk.audit.checkpoints import AuditCheckpoints
from roeh.desk.audit.log import AuditLog
from roeh.desk.broker import desk_broker_options
from roeh.desk.commit_hook import CommitHook
from roeh.desk.ingest.acknowledging import acknowledgements
from roeh.desk.ingest.committing import commit
from roeh.desk.ingest.expiry import Expiry
from roeh.desk.ingest.link import SESSION_EXPIRY_S, Arrived, BrokerLink, Connect, Woken
from roeh.desk.ingest.own_facts import OwnFacts
from roeh.desk.ingest.received import Received, Stored, receive, together
from roeh.desk.ingest.sending import ask_for_missing, take_due
from roeh.desk.ingest.seq_rows import is_missing_stale, renew_missing
from roeh.desk.ingest.showing import IngestMetrics
from roeh.desk.ingest.witness_words import WitnessWords
from roeh.desk.keys import StatementSigner, open_ack_key, open_audit_key, open_command_key
from roeh.desk.store import DeskStore, ValueRefused, open_desk_store
from roeh.desk.trust_lists import take_due_lists
from roeh.keys.chain import TrustAnchors, trust_anchors
from roeh.keys.safe_files import read_public
from roeh.transport.backoff import Backoff
from roeh.transport.mqtt import BrokerEvent, MqttConnection

_LOG = log_for("ingest")
_TICK_S = 1.0
_TELL_REFUSED_S = 60.0
_BACKOFF_CAP_S = 5.0
#: Larger than anything a pole sends, with its topic and properties.
_MAX_PACKET_BYTES = 256 * 1024
#: How many batches' worth of messages the broker may have under way to us.
_BATCHES_UNDER_WAY = 3


def run_ingest(config: DeskConfig, clock: Clock, stop: threading.Event) -> None:
    """Take in messages until `stop`; a broker that is away is waited for.

    Raises:
        ConfigError: a file that desk.toml names cannot be read.
        KeyRefused: the desk has no keys, or they are not its own alone.
        DeskFailed: the database cannot be opened; later it is waited for.
        RuntimeMissing: the database's client is not installed.
    """
    notifier = Notifier()
    with contextlib.closing(open_desk_store(config)) as store:
        hook = _hook(config, clock)
        checkpoints = AuditCheckpoints(store, open_audit_key(config), clock, config.name)
        parts = IngestParts(
            store=store,
            hook=hook,
            ack_signer=open_ack_key(config),
            command_signer=open_command_key(config),
            anchors=_anchors(config),
            notifier=notifier,
            witnesses=WitnessWords(config, store, hook, checkpoints, clock),
            expiry=Expiry(config.retention, AuditLog(clock, config.name)),
        )
        file = desk_metrics(config, "ingest", clock)
        metrics = None if file is None else IngestMetrics(file, store, clock)
        ingest = Ingest(config, parts, connector(config), clock, stop, metrics=metrics)
        notifier.ready("taking in what poles say")
        ingest.run()
        notifier.stopping()


class IngestParts(msgspec.Struct, frozen=True):
    """What ingest works with; `anchors` are as `commit` takes them."""

    store: DeskStore
    hook: CommitHook
    ack_signer: StatementSigner
    command_signer: StatementSigner
    anchors: TrustAnchors | None
    notifier: Notifier
    witnesses: WitnessWords | None = None
    expiry: Expiry | None = None


class IngestCounts(msgspec.Struct):
    """What happened since the process started."""

    messages: int = 0
    commits: int = 0
    commit_s: float = 0.0
    new: int = 0
    duplicates: int = 0
    contradicted: int = 0
    not_believed: int = 0
    refused: int = 0
    acknowledgements: int = 0
    commands_sent: int = 0
    resends_asked: int = 0
    commit_failures: int = 0
    expired: int = 0

    def add(self, stored: Stored) -> None:
        """One commit more."""
        self.commits += 1
        self.new += stored.new
        self.duplicates += stored.duplicates
        self.contradicted += stored.contradicted
        self.not_believed += stored.refused


class Ingest:
    """The loop: gather, commit, acknowledge; and each second what time brings.

    Args:
        config: of the desk.
        parts: database, keys and hook.
        connect: makes a connection to the broker.
        clock: the desk's.
        stop: ends it.
        metrics: where it shows its counts; None: nowhere.
    """

    def __init__(
        self,
        config: DeskConfig,
        parts: IngestParts,
        connect: Connect,
        clock: Clock,
        stop: threading.Event,
        *,
        metrics: IngestMetrics | None = None,
    ) -> None:
        self.counts = IngestCounts()
        self._metrics = metrics
        self._settings = config.ingest
        self._parts = parts
        self._clock = clock
        self._stop = stop
        # A broker lets anybody join a group of subscribers, and a member that may not read a
        # message takes it from the others all the same: so its name is a secret.
        group = parts.ack_signer.secret_name(config.ingest.group)
        own = () if parts.witnesses is None else parts.witnesses.filters
        self._link = BrokerLink(connect, group, clock, own)
        self._own_facts = OwnFacts(config, clock)
        self._ids = ClockIds(clock)
        self._tick_due_ns = clock.mono_ns()
        self._refused_why = ""
        self._refused_told = 0
        self._refused_due_ns = clock.mono_ns()

    def run(self) -> None:
        """Until told to stop."""
        threading.Thread(target=self._wake_on_stop, name="stop", daemon=True).start()
        try:
            while not self._stop.is_set():
                self._link.keep_open()
                batch = self._gather()
                if batch:
                    self._commit(batch)
                if self._clock.mono_ns() >= self._tick_due_ns:
                    self._tick()
                self._parts.notifier.progress()
        finally:
            self._link.close()

    def _gather(self) -> list[Arrived]:
        """Messages of one commit: as many as come within its wait, none when it is time."""
        batch: list[Arrived] = []
        until_ns = self._tick_due_ns
        while len(batch) < self._settings.commit_rows:
            wait_s = (until_ns - self._clock.mono_ns()) / NS_PER_S
            found = self._link.next_message(wait_s)
            if isinstance(found, Arrived):
                if not batch:
                    wait_ns = round(self._settings.commit_wait_ms * 1e6)
                    until_ns = self._clock.mono_ns() + wait_ns
                batch.append(found)
            elif isinstance(found, Woken) or wait_s <= 0 or not self._link.is_open:
                break
        return batch

    def _commit(self, arrived: list[Arrived]) -> None:
        batch = [received for one in arrived if (received := self._receive(one)) is not None]
        stored = self._stored(batch) if batch else Stored({})
        if stored is None:
            return  # told to stop: nothing of it was answered, so it comes again
        self.counts.messages += len(arrived)
        if batch:
            self.counts.add(stored)
        for message in acknowledgements(stored, self._parts.ack_signer):
            self.counts.acknowledgements += self._link.say(message)
        for one in arrived:
            if one.incoming.packet_id:
                one.connection.acknowledge(one.incoming.packet_id)

    def _receive(self, arrived: Arrived) -> Received | None:
        witnesses = self._parts.witnesses
        try:
            if witnesses is not None and witnesses.takes(arrived.incoming.topic):
                witnesses.hear(arrived.incoming)
                return None
            return receive(arrived.incoming)
        except MessageRefused as error:
            self.counts.refused += 1
            self._refused_why = one_line(str(error))
            return None

    def _stored(self, batch: list[Received]) -> Stored | None:
        """Commit until it is done; None when told to stop before."""
        try:
            return self._stored_when_it_can_be(batch)
        except ValueRefused as error:
            # One message must not keep the others out, and itself coming back, for ever.
            if len(batch) > 1:
                return self._stored_apart(batch)
            self.counts.refused += 1
            self._refused_why = one_line(f"{batch[0].pole}: {error}")
            return Stored({})

    def _stored_apart(self, batch: list[Received]) -> Stored | None:
        middle = len(batch) // 2
        first = self._stored(batch[:middle])
        second = None if first is None else self._stored(batch[middle:])
        return None if first is None or second is None else together(first, second)

    def _stored_when_it_can_be(self, batch: list[Received]) -> Stored | None:
        backoff = Backoff(_BACKOFF_CAP_S)
        is_away = False
        while True:
            start_ns = self._clock.mono_ns()
            try:
                stored = commit(
                    self._parts.store,
                    batch,
                    self._parts.hook,
                    self._parts.anchors,
                    self._clock.read(),
                )
            except ValueRefused:
                raise
            except DeskFailed as error:
                self.counts.commit_failures += 1
                if not is_away:
                    log_error(_LOG, error)
                is_away = True
                if self._clock.wait(backoff.next_wait_s(), self._stop):
                    return None
                self._parts.notifier.progress()
            else:
                self.counts.commit_s += (self._clock.mono_ns() - start_ns) / NS_PER_S
                if is_away:
                    _LOG.info("the database takes messages again")
                return stored

    def _tick(self) -> None:
        self._tick_due_ns = self._clock.mono_ns() + round(_TICK_S * NS_PER_S)
        self._tell_refused()
        try:
            self._look_after()
            if self._metrics is not None:
                self._metrics.write_if_due(self.counts, is_connected=self._link.is_open)
        except (DeskFailed, KeyRefused) as error:
            log_error(_LOG, error)

    def _look_after(self) -> None:
        now = self._clock.read()
        now_utc_us = now.t_utc_ns // NS_PER_US
        link = self._link
        desk = self._own_facts.now(link.opened_mono_ns, link.broker_certificate_ends_us)
        settings = self._settings
        with self._parts.store.writing() as transaction:
            if is_missing_stale(transaction):
                renew_missing(transaction, now_utc_us)
            self.counts.resends_asked += ask_for_missing(
                transaction,
                self._ids,
                now_utc_us,
                missing_after_us=round(settings.missing_after_s * 1e6),
                resend_every_us=round(settings.resend_every_s * 1e6),
            )
            self._parts.hook.on_time(transaction, desk, now_utc_us)
            if self._parts.expiry is not None:
                self.counts.expired += self._parts.expiry.delete_due(transaction, now)
        if self._link.is_open:
            for command in take_due(self._parts.store, self._parts.command_signer, now_utc_us):
                self.counts.commands_sent += self._link.say(command)
            for trust_list in take_due_lists(self._parts.store, now_utc_us):
                self._link.say(trust_list)
            checkpoint = None if self._parts.witnesses is None else self._parts.witnesses.due()
            if checkpoint is not None:
                self._link.say(checkpoint)

    def _tell_refused(self) -> None:
        """Once a minute at most, however much there is."""
        more = self.counts.refused - self._refused_told
        if not more or self._clock.mono_ns() < self._refused_due_ns:
            return
        _LOG.warning("%d messages were refused; the last: %s", more, self._refused_why)
        self._refused_told = self.counts.refused
        self._refused_due_ns = self._clock.mono_ns() + round(_TELL_REFUSED_S * NS_PER_S)

    def _wake_on_stop(self) -> None:
        self._stop.wait()
        self._link.wake()


def connector(config: DeskConfig) -> Connect:
    """How ingest connects: a session that outlives a restart, answered by hand.

    Raises:
        ConfigError: the password file cannot be read.
    """
    options = msgspec.structs.replace(
        desk_broker_options(config, "ingest"),
        session_expiry_s=SESSION_EXPIRY_S,
        clean_start=False,
        receive_maximum=min(65535, _BATCHES_UNDER_WAY * config.ingest.commit_rows),
        manual_acknowledgement=True,
        max_incoming_bytes=_MAX_PACKET_BYTES,
    )

    def connect(hand_over: Callable[[BrokerEvent], None]) -> MqttConnection:
        return MqttConnection(options, hand_over)

    return connect


def _anchors(config: DeskConfig) -> TrustAnchors | None:
    path = config.witness.ca_file
    return trust_anchors(read_public(Path(path))) if path else None


def _hook(config: DeskConfig, clock: Clock) -> CommitHook:
    return AlarmHook(config, AuditLog(clock, config.name), clock)
