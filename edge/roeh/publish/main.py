"""The publish process: the only one of a pole that speaks to the broker.

It faces the network, so it is trusted with nothing: rows come from evidence and are
deleted by evidence, and neither key nor store is within its reach.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK, ConfigError
from roeh.core.notify import Notifier
from roeh.core.paths import evidence_socket
from roeh.publish.evidence_link import EvidenceLink
from roeh.publish.inbox import QueueInbox, Woken
from roeh.publish.sender import Sender
from roeh.transport.mqtt import BrokerEvent, BrokerOptions, MqttConnection, Will
from roeh.transport.tls import TlsFiles

#: The broker keeps the session, and with it the will, for longer than the will's delay.
_SESSION_EXPIRY_S = 3600


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Publish until `stop`; the exit status of the process.

    A broker that is away or refuses does not end it: it says so in its report and
    tries again.
    """
    notifier = Notifier()
    inbox = QueueInbox()
    evidence = EvidenceLink(evidence_socket(config), clock, inbox)
    sender = Sender(
        site=config.node.site,
        node=config.node.name,
        broker=config.broker,
        evidence=evidence,
        connect=_connector(config),
        inbox=inbox,
        clock=clock,
        on_progress=notifier.progress,
    )
    threading.Thread(target=_wake_on, args=(stop, inbox), name="stop", daemon=True).start()
    notifier.ready(f"publishing to {config.broker.host}:{config.broker.port}")
    evidence.wait_until_there(stop)
    sender.run(stop)
    notifier.stopping()
    evidence.close()
    return EXIT_OK


def broker_options(config: NodeConfig) -> BrokerOptions:
    """How this node connects; the password is read anew, so that it may be changed.

    Raises:
        ConfigError: the password file cannot be read.
    """
    broker = config.broker
    files = broker.tls
    tls = None
    if files.ca_file:
        tls = TlsFiles(files.ca_file, files.certificate_file, files.key_file)
    return BrokerOptions(
        host=broker.host,
        port=broker.port,
        client_id=f"roeh-{config.node.site}-{config.node.name}",
        tls=tls,
        username=broker.username,
        password=_password(broker.password_file),
        keepalive_s=broker.keepalive_s,
        session_expiry_s=_SESSION_EXPIRY_S,
        clean_start=False,
    )


def _connector(
    config: NodeConfig,
) -> Callable[[Will, Callable[[BrokerEvent], None]], MqttConnection]:
    def connect(will: Will, hand_over: Callable[[BrokerEvent], None]) -> MqttConnection:
        return MqttConnection(broker_options(config), hand_over, will)

    return connect


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            what=f"the password cannot be read ({getattr(error, 'strerror', None) or error})",
            which=f"broker.password_file = {path}",
            remedy="write the password as one line into a file this user can read",
        ) from None


def _wake_on(stop: threading.Event, inbox: QueueInbox) -> None:
    stop.wait()
    inbox.put(Woken())
