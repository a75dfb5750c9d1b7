"""What delivery costs at the desk: real ingest and broker, beside paho alone in the same run."""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import statistics
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from roeh.bench.processes import cpu_s
from roeh.core.clock import NS_PER_S, Clock, SystemClock
from roeh.core.config import DeskConfig, load_desk_config
from roeh.core.errors import PeerGone
from roeh.core.ids import ClockIds
from roeh.core.types import (
    Alert,
    AlertPhase,
    ClockState,
    EvidenceReference,
    RuleKind,
    Where,
)
from roeh.demo.broker import LOOPBACK, choose_broker
from roeh.desk.keys import make_desk_keys, open_ack_key
from roeh.transport.down import Ack, parse_body
from roeh.transport.messages import Incoming, Outgoing
from roeh.transport.mqtt import BrokerEvent, BrokerOptions, MqttConnection
from roeh.transport.signed import DeskKey, StatementKind, open_statement
from roeh.transport.topics import Channel, Topic, topic_filter

_POLES = 20
#: Alerts of one pole under way: as many as publish sends.
_WINDOW = 20
_WARM_UP = 500
_SATURATED = 10_000
_PACED = 500
_PACED_EVERY_S = 0.02
_PATIENCE_S = 30.0
_SUBSCRIBED_AFTER_S = 0.05
_LOOK_EVERY_S = 0.0005
#: More than are ever under way: the broker is not to wait for a reader's answers.
_UNDER_WAY = 1500


class _Shared(Protocol):
    """A number that two processes share."""

    value: int


class DeliveryFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies in milliseconds (p50, p95, p99), CPU in microseconds an alert.

    Attributes:
        acknowledged_ms: from publishing to the desk's signed word, which comes after its
            commit; fifty alerts a second.
        plain_ms: the same messages from paho to paho over the same broker.
        alerts_per_s: through ingest when there is always one waiting.
        ingest_cpu_us, broker_cpu_us: of those, an alert.
        plain_cpu_us: of a reader that does nothing with them.
    """

    acknowledged_ms: tuple[float, float, float]
    plain_ms: tuple[float, float, float]
    alerts_per_s: float
    ingest_cpu_us: float
    broker_cpu_us: float
    plain_per_s: float
    plain_cpu_us: float

    @property
    def alerts_per_s_a_core(self) -> float:
        """What one core takes in when it does nothing else."""
        return 1e6 / self.ingest_cpu_us


def measure_delivery() -> DeliveryFigures:
    """Run ingest over a broker, then a plain reader over the same."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="roeh-bench-") as directory:
        broker = choose_broker(clock, prefer="mosquitto")
        broker.start()
        try:
            config = _desk(Path(directory), broker.port)
            reader = _PlainReader(broker.port, clock)
            plain_ms, plain_per_s, plain_cpu_us = reader.measure()
            reader.close()
            with _ingest(Path(directory)) as pid:
                poles = _Poles(broker.port, open_ack_key(config).verifier, clock)
                poles.begin()
                poles.send(_WARM_UP)
                before_s, broker_before_s = cpu_s([pid]), cpu_s([broker.pid])
                begin_ns = clock.mono_ns()
                poles.send(_SATURATED)
                took_s = (clock.mono_ns() - begin_ns) / NS_PER_S
                used_s = cpu_s([pid]) - before_s
                broker_s = cpu_s([broker.pid]) - broker_before_s
                latencies_ms = poles.send(_PACED, every_s=_PACED_EVERY_S)
                poles.close()
        finally:
            broker.stop()
    return DeliveryFigures(
        acknowledged_ms=_quantiles(latencies_ms),
        plain_ms=_quantiles(plain_ms),
        alerts_per_s=_SATURATED / took_s,
        ingest_cpu_us=used_s / _SATURATED * 1e6,
        broker_cpu_us=broker_s / _SATURATED * 1e6,
        plain_per_s=plain_per_s,
        plain_cpu_us=plain_cpu_us,
    )


def _desk(directory: Path, port: int) -> DeskConfig:
    path = directory / "desk.toml"
    path.write_text(
        f'[paths]\ndata_dir = "{directory}/desk"\n[broker]\nhost = "{LOOPBACK}"\nport = {port}\n',
        encoding="utf-8",
    )
    config = load_desk_config(path)
    make_desk_keys(config)
    return config


@contextlib.contextmanager
def _ingest(directory: Path) -> Iterator[int]:
    """`roeh desk run --only ingest`, as it is run; its process id."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "roeh", "desk", "run", "--only", "ingest"),
            *("-c", str(directory / "desk.toml")),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


class _Poles:
    """Publish alerts of several poles over one connection, each with its window."""

    def __init__(self, port: int, key: DeskKey, clock: Clock) -> None:
        self._clock = clock
        self._key = key
        self._alerts = _Alerts(clock)
        self._events: queue.SimpleQueue[BrokerEvent] = queue.SimpleQueue()
        self._connection = _connection(port, "bench-poles", self._events)
        self._connection.subscribe(topic_filter(Channel.ACK))
        self._sent_ns: dict[str, int] = {}
        self._latencies_ms: list[float] = []

    def begin(self) -> None:
        """Speak until the desk hears: what is said before it listens is heard by nobody."""
        while not self._latencies_ms:
            alert_id, message = self._alerts.next()
            self._sent_ns[alert_id] = self._clock.mono_ns()
            self._connection.publish(message)
            self._hear(_SUBSCRIBED_AFTER_S)
            self._hear(_SUBSCRIBED_AFTER_S)
        self._sent_ns.clear()

    def send(self, count: int, every_s: float = 0.0) -> list[float]:
        """Send and wait until the desk has acknowledged all; milliseconds of each."""
        self._latencies_ms = []
        due_ns = self._clock.mono_ns()
        unsent = deque(self._alerts.next() for _ in range(count))
        while unsent or self._sent_ns:
            now_ns = self._clock.mono_ns()
            if unsent and len(self._sent_ns) < _POLES * _WINDOW and now_ns >= due_ns:
                due_ns += round(every_s * NS_PER_S)
                alert_id, message = unsent.popleft()
                self._sent_ns[alert_id] = self._clock.mono_ns()
                self._connection.publish(message)
                timeout_s = 0.0
            elif unsent and len(self._sent_ns) < _POLES * _WINDOW:
                timeout_s = (due_ns - now_ns) / NS_PER_S
            else:
                timeout_s = _PATIENCE_S
            self._hear(timeout_s)
        return self._latencies_ms

    def close(self) -> None:
        """Say goodbye."""
        self._connection.close()

    def _hear(self, timeout_s: float) -> None:
        try:
            event = self._events.get(block=timeout_s > 0, timeout=timeout_s)
        except queue.Empty:
            if timeout_s >= _PATIENCE_S:
                raise PeerGone(
                    what=f"nothing is acknowledged for {_PATIENCE_S:.0f} s",
                    which="the bench of delivery",
                    remedy="run ingest alone and see what it says",
                ) from None
            return
        if not isinstance(event, Incoming):
            return
        now_ns = self._clock.mono_ns()
        addressee = "/".join(event.topic.split("/")[2:4])
        statement = open_statement(event.payload, StatementKind.ACK, addressee, [self._key])
        for entry in parse_body(statement.body, Ack).acks:
            sent_ns = self._sent_ns.pop(entry.id, None)
            if sent_ns is not None:
                self._latencies_ms.append((now_ns - sent_ns) / 1e6)


class _Alerts:
    """Alerts as poles say them, each pole with its own count."""

    def __init__(self, clock: Clock) -> None:
        self._ids = ClockIds(clock)
        self._count = 0

    def next(self) -> tuple[str, Outgoing]:
        """The id of the next alert, and its message."""
        seq, pole = divmod(self._count, _POLES)
        self._count += 1
        alert_id, node = self._ids.new(), f"pole-{pole}"
        alert = Alert(
            id=alert_id, raised_id=alert_id, site="bench", node=node,
            boot_id="8be4df61-93ca-4ad2-9b9b-0242ac120002", phase=AlertPhase.RAISED,
            priority=5, rule="quay", rule_kind=RuleKind.ZONE_ENTRY, zone="quay",
            label="person", confidence=0.83,
            where=Where(47.1, 1.2, 12.3, 0.8, 9.0, 8.4, 52.1, 4.3, 4.1),
            track_ids=(3,), count=1, dwell_s=0.6, t_utc_us=1_760_000_000_000_000,
            t_mono_us=42, clock=ClockState(synchronised=True, error_us=2000),
            evidence=EvidenceReference("north", 10, 16, 0, 42), model_sha256="a" * 64,
            thumbnail_sha256=None, seq=seq + 1,
        )  # fmt: skip
        return alert_id, Outgoing(Topic("bench", node, Channel.ALERT), msgspec.json.encode(alert))


class _PlainReader:
    """A process that reads the same topic and counts, through paho as ingest does."""

    def __init__(self, port: int, clock: Clock) -> None:
        context = multiprocessing.get_context("spawn")
        self._clock = clock
        self._alerts = _Alerts(clock)
        self._count = context.Value("q", 0)
        self._arrived_ns = context.Value("q", 0)
        self._process = context.Process(
            target=_read, args=(port, self._count, self._arrived_ns), daemon=True
        )
        self._process.start()
        self._connection = _connection(port, "bench-plain", queue.SimpleQueue())
        while not self._count.value:  # until it has subscribed
            self._check_lives()
            self._connection.publish(self._alerts.next()[1])
            clock.wait(_SUBSCRIBED_AFTER_S)

    def measure(self) -> tuple[list[float], float, float]:
        """Milliseconds of each message, messages a second, and CPU in microseconds each."""
        assert self._process.pid is not None
        self._send(_WARM_UP)
        before_s, begin_ns = cpu_s([self._process.pid]), self._clock.mono_ns()
        self._send(_SATURATED)
        took_s = (self._clock.mono_ns() - begin_ns) / NS_PER_S
        cpu_us = (cpu_s([self._process.pid]) - before_s) / _SATURATED * 1e6
        latencies_ms: list[float] = []
        for _ in range(_PACED):
            sent_ns = self._clock.mono_ns()
            self._send(1)
            latencies_ms.append((self._arrived_ns.value - sent_ns) / 1e6)
            self._clock.wait(_PACED_EVERY_S)
        return latencies_ms, _SATURATED / took_s, cpu_us

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.terminate()
        self._process.join()

    def _send(self, more: int) -> None:
        """Send so many and wait until all were read, as many under way as for ingest."""
        unsent = deque(self._alerts.next()[1] for _ in range(more))
        published, counted = self._count.value, self._count.value + more
        while self._count.value < counted:
            if unsent and published - self._count.value < _POLES * _WINDOW:
                self._connection.publish(unsent.popleft())
                published += 1
            else:
                self._check_lives()
                self._clock.wait(_LOOK_EVERY_S)

    def _check_lives(self) -> None:
        if self._process.exitcode is not None:
            raise PeerGone(
                what=f"the plain reader ended with status {self._process.exitcode}",
                which="the bench of delivery",
                remedy="see what it says above",
            )


def _read(port: int, count: _Shared, arrived_ns: _Shared) -> None:
    """Count messages until terminated."""
    clock = SystemClock()
    events: queue.SimpleQueue[BrokerEvent] = queue.SimpleQueue()
    connection = _connection(port, "bench-reader", events)
    connection.subscribe(topic_filter(Channel.ALERT))
    while True:
        if isinstance(events.get(), Incoming):
            arrived_ns.value = clock.mono_ns()
            count.value += 1


def _connection(
    port: int, client_id: str, events: queue.SimpleQueue[BrokerEvent]
) -> MqttConnection:
    options = BrokerOptions(
        host=LOOPBACK, port=port, client_id=client_id, receive_maximum=_UNDER_WAY
    )
    connection = MqttConnection(options, events.put)
    connection.open()
    return connection


def _quantiles(values_ms: list[float]) -> tuple[float, float, float]:
    """p50, p95 and p99."""
    cuts = statistics.quantiles(values_ms, n=100)
    return cuts[49], cuts[94], cuts[98]
