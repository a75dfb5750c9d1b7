"""`roeh desk run --only witness`: the process that sees every ledger and cosigns.

It needs a broker, its own state and its own keys, and nothing else of a desk: the police may
run one alone, on a machine of theirs.
"""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import BrokerRefused, ConfigError, KeyRefused, MessageRefused
from roeh.core.log import log_error, log_for
from roeh.core.metrics import MetricsFile, desk_metrics
from roeh.core.notify import Notifier
from roeh.core.types import Alert
from roeh.desk.broker import desk_broker_options
from roeh.desk.witness.alarm import MAX_ALARMS, StandingAlarm, WitnessAlarms, alarm_topic
from roeh.desk.witness.entries import AlarmKind
from roeh.desk.witness.key import WitnessKeys, read_witness_keys
from roeh.desk.witness.witness import Witness
from roeh.keys.chain import TrustAnchors, trust_anchors
from roeh.keys.safe_files import read_public
from roeh.keys.signer import NodeName
from roeh.transport.backoff import Backoff
from roeh.transport.messages import (
    CheckpointMessage,
    HealthMessage,
    Incoming,
    StateMessage,
    down_message,
    parse_up,
)
from roeh.transport.mqtt import BrokerEvent, BrokerOptions, Disconnected, MqttConnection
from roeh.transport.topics import SIGNED, Channel, parse_topic, topic_filter
from roeh.transport.view_messages import ViewMessage

#: What is read: states first, so that keys are known when checkpoints come.
CHANNELS = (Channel.STATE, Channel.CHECKPOINT, Channel.HEALTH, Channel.ALERT)
_BACKOFF_CAP_S = 10.0
_TICK_S = 1.0
_COMPLAIN_EVERY_S = 60.0
_RECEIVE_MAXIMUM = 1000
_LOG = log_for("witness")

_Events = queue.SimpleQueue[BrokerEvent | None]


def run_witness(config: DeskConfig, clock: Clock, stop: threading.Event) -> None:
    """Witness until told to stop; a broker that is away is waited for.

    Raises:
        ConfigError, KeyRefused: its files or keys cannot be used.
        StorageFailed: its state cannot be read or written.
    """
    section = config.witness
    state_dir = Path(section.state_dir)
    keys = read_witness_keys(state_dir, section.name)
    witness = Witness(
        state_dir,
        keys,
        read_anchors(section.ca_file),
        clock,
        may_be_unsynchronised=section.allow_unsynchronised,
    )
    try:
        process = WitnessProcess(
            witness,
            keys,
            desk_broker_options(config, "witness"),
            clock,
            desk_metrics(config, "witness", clock),
        )
        process.run(stop)
    finally:
        witness.close()


def read_anchors(ca_file: str) -> TrustAnchors | None:
    """The roots of a witness, and revocation lists that stand in the same file.

    Raises:
        ConfigError: it cannot be read, or holds no root.
    """
    if not ca_file:
        return None
    try:
        content = read_public(Path(ca_file))
        return trust_anchors(content, content)
    except KeyRefused as error:
        raise ConfigError(
            what=error.what,
            which=f"witness.ca_file = {ca_file}",
            remedy="name the PEM file of the roots whose poles this witness trusts",
        ) from None


class WitnessProcess:
    """The witness's connection to the broker, kept through its absences.

    Args:
        witness: judges and keeps.
        keys: sign its alarms.
        options: how it reaches the broker.
        clock: times pauses, and the alarms.
        metrics: where it shows its counts; None: nowhere.
    """

    def __init__(
        self,
        witness: Witness,
        keys: WitnessKeys,
        options: BrokerOptions,
        clock: Clock,
        metrics: MetricsFile | None = None,
    ) -> None:
        self._witness = witness
        self._keys = keys
        self._options = msgspec.structs.replace(options, receive_maximum=_RECEIVE_MAXIMUM)
        self._clock = clock
        self._metrics = metrics
        self._notifier = Notifier()
        self._events: _Events = queue.SimpleQueue()
        self._said: tuple[StandingAlarm, ...] | None = None
        self._refused = 0
        self._complained_mono_ns: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Until told to stop.

        Raises:
            StorageFailed: what was seen cannot be made durable.
        """
        threading.Thread(target=self._wake_on, args=(stop,), name="stop", daemon=True).start()
        self._notifier.ready(f"witnessing {self._options.address} as {self._keys.name}")
        backoff = Backoff(_BACKOFF_CAP_S)
        told = False
        while not stop.is_set():
            try:
                connection = self._connect()
            except BrokerRefused as error:
                if not told:
                    log_error(_LOG, error)
                told = True
                self._show(is_connected=False)
                self._clock.wait(backoff.next_wait_s(), stop)
                continue
            told = False
            backoff.reset()
            _LOG.info(
                "%s witnesses at %s; poles know it by %s",
                self._keys.name,
                self._options.address,
                self._keys.verifier_key,
            )
            try:
                self._serve(connection, stop)
            finally:
                connection.close()
        self._notifier.stopping()

    def _connect(self) -> MqttConnection:
        self._events = queue.SimpleQueue()
        connection = MqttConnection(self._options, self._events.put)
        connection.open()
        for channel in CHANNELS:
            connection.subscribe(topic_filter(channel))
        self._said = None
        return connection

    def _serve(self, connection: MqttConnection, stop: threading.Event) -> None:
        look_mono_ns = 0
        while not stop.is_set():
            if self._clock.mono_ns() >= look_mono_ns:
                self._witness.refresh()
                self._say_alarms(connection)
                self._show(is_connected=True)
                self._notifier.progress()
                look_mono_ns = self._clock.mono_ns() + round(_TICK_S * NS_PER_S)
            try:
                event = self._events.get(timeout=_TICK_S if self._witness.is_read else 0.0)
            except queue.Empty:
                self._witness.read_next()
                continue
            if isinstance(event, Incoming):
                self._take(connection, event)
            elif isinstance(event, Disconnected):
                _LOG.warning("%s; waiting for %s", event.reason, self._options.address)
                return

    def _take(self, connection: MqttConnection, incoming: Incoming) -> None:
        try:
            topic = parse_topic(incoming.topic)
            message = parse_up(topic, incoming)
        except MessageRefused as error:
            self._complain(error)
            return
        name = NodeName(topic.site, topic.node)
        if isinstance(message, StateMessage):
            if message.log_chain_pem:
                self._witness.announce(name, message.log_chain_pem)
        elif isinstance(message, CheckpointMessage):
            cosigned = self._witness.take(message)
            if cosigned is not None:
                connection.publish(
                    down_message(name.site, name.node, Channel.COSIGN, cosigned.encode())
                )
        elif isinstance(message, Alert | HealthMessage) and message.checkpoint is not None:
            self._witness.take_riding(name, message.checkpoint)

    def _say_alarms(self, connection: MqttConnection) -> None:
        """Say all that stand, when that changed, or is new to this broker."""
        alarms = self._witness.alarms()
        # That none stands is known only when all was read.
        if alarms == self._said or not (alarms or self._witness.is_read):
            return
        said = WitnessAlarms(
            witness=self._keys.name,
            t_utc_us=self._clock.read().t_utc_ns // NS_PER_US,
            alarms=alarms[:MAX_ALARMS],
        )
        connection.publish(
            ViewMessage(
                topic=alarm_topic(self._keys.name),
                payload=self._keys.alarm_statement(msgspec.json.encode(said)),
                content_type=SIGNED,
                retained=True,
            )
        )
        self._said = alarms

    def _show(self, *, is_connected: bool) -> None:
        """Its counts, for Prometheus."""
        if self._metrics is None:
            return
        counts = self._witness.counts
        kinds = [alarm.alarm for alarm in self._witness.alarms()]
        counters = {
            "ledgers": float(self._witness.ledgers),
            "cosigned": float(counts.cosigned),
            "repeated": float(counts.repeated),
            "refused": float(counts.refused),
            "connected": float(is_connected),
            **{f"alarms_{kind.value.replace('_', '-')}": kinds.count(kind) for kind in AlarmKind},
        }
        self._metrics.write_if_due("ok" if is_connected else "degraded", counters)

    def _complain(self, error: MessageRefused) -> None:
        self._refused += 1
        now_ns = self._clock.mono_ns()
        last_ns = self._complained_mono_ns
        if last_ns is None or now_ns - last_ns >= _COMPLAIN_EVERY_S * NS_PER_S:
            self._complained_mono_ns = now_ns
            log_error(_LOG, error)

    def _wake_on(self, stop: threading.Event) -> None:
        stop.wait()
        self._events.put(None)
