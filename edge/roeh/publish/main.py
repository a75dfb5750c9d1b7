"""The publish process: the only one of a pole that speaks to the broker.

It faces the network, so it is trusted with nothing: rows come from evidence and are
deleted by evidence, and neither key nor store is within its reach.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, ack_mode
from roeh.core.config.password import read_password
from roeh.core.delivery import MAX_STATEMENT_BYTES
from roeh.core.errors import EXIT_OK
from roeh.core.metrics import node_metrics
from roeh.core.notify import Notifier
from roeh.core.order_listener import OrderListener
from roeh.core.paths import evidence_socket
from roeh.core.peers import Role
from roeh.core.types import ProcessReport
from roeh.keys.tls_files import tls_pair
from roeh.publish.evidence_link import EvidenceLink
from roeh.publish.inbox import QueueInbox, Woken
from roeh.publish.sender import Named, Sender
from roeh.transport.mqtt import BrokerEvent, BrokerOptions, MqttConnection, Will
from roeh.transport.tls import TlsFiles, TlsFilesWatch

#: The broker keeps the session, and with it the will, for longer than the will's delay.
_SESSION_EXPIRY_S = 3600
#: Topic and properties of a packet that comes down.
_PACKET_OVERHEAD_BYTES = 1024


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Publish until `stop`; the exit status of the process.

    A broker that is away or refuses does not end it: it says so in its report and
    tries again.
    """
    notifier = Notifier()
    inbox = QueueInbox()
    evidence = EvidenceLink(evidence_socket(config), clock, inbox)
    sender = Sender(
        named=Named(
            site=config.node.site,
            node=config.node.name,
            ack=ack_mode(config),
            has_desk=bool(config.desk.keys_file),
        ),
        broker=config.broker,
        evidence=evidence,
        connect=_connector(config),
        inbox=inbox,
        clock=clock,
        on_progress=notifier.progress,
        on_report=_metrics_writer(config, clock),
        tls_files=TlsFilesWatch(lambda: tls_files(config)) if config.broker.tls.ca_file else None,
    )
    threading.Thread(target=_wake_on, args=(stop, inbox), name="stop", daemon=True).start()
    orders = OrderListener(evidence_socket(config), Role.PUBLISH, clock, stop)
    notifier.ready(f"publishing to {config.broker.host}:{config.broker.port}")
    evidence.wait_until_there(stop)
    sender.run(stop)
    notifier.stopping()
    orders.close()
    evidence.close()
    return EXIT_OK


def _metrics_writer(config: NodeConfig, clock: Clock) -> Callable[[ProcessReport], object]:
    metrics = node_metrics(config, Role.PUBLISH.value, clock)

    def write(report: ProcessReport) -> None:
        if metrics is not None:
            metrics.write_if_due(report.state, report.counters)

    return write


def broker_options(config: NodeConfig) -> BrokerOptions:
    """How this node connects; the password is read anew, so that it may be changed.

    Raises:
        ConfigError: the password file cannot be read.
    """
    broker = config.broker
    return BrokerOptions(
        host=broker.host,
        port=broker.port,
        client_id=f"roeh-{config.node.site}-{config.node.name}",
        tls=tls_files(config) if broker.tls.ca_file else None,
        username=broker.username,
        password=read_password(broker.password_file, key="broker.password_file"),
        keepalive_s=broker.keepalive_s,
        session_expiry_s=_SESSION_EXPIRY_S,
        clean_start=False,
        max_incoming_bytes=MAX_STATEMENT_BYTES + _PACKET_OVERHEAD_BYTES,
    )


def tls_files(config: NodeConfig) -> TlsFiles:
    """The files of TLS: those named, else those that `roeh keys install` put there."""
    files = config.broker.tls
    if not files.certificate_file and (pair := tls_pair(config)) is not None:
        return TlsFiles(files.ca_file, pair.certificate_file, pair.key_file)
    return TlsFiles(files.ca_file, files.certificate_file, files.key_file)


def _connector(
    config: NodeConfig,
) -> Callable[[Will, Callable[[BrokerEvent], None]], MqttConnection]:
    def connect(will: Will, hand_over: Callable[[BrokerEvent], None]) -> MqttConnection:
        return MqttConnection(broker_options(config), hand_over, will)

    return connect


def _wake_on(stop: threading.Event, inbox: QueueInbox) -> None:
    stop.wait()
    inbox.put(Woken())
