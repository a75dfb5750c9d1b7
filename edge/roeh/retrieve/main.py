"""The retrieve process: the pole's own page, until told to stop."""

from __future__ import annotations

import asyncio
import threading

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK
from roeh.core.ipc.report import Reporter
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_for
from roeh.core.metrics import node_metrics
from roeh.core.notify import Notifier
from roeh.core.order_listener import OrderListener
from roeh.core.paths import evidence_socket
from roeh.core.peers import Role
from roeh.retrieve.server import HealthServer
from roeh.retrieve.status import StatusFeed

_PERIOD_S = 2.0
_TIMEOUT_S = 2.0

_log = log_for("retrieve")


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Serve until `stop`; the exit status of the process.

    Raises:
        PortTaken: another program listens on the port.
        ConfigError: the address is not loopback, or this machine cannot listen there.
    """
    return asyncio.run(_serve(config, clock, stop))


async def _serve(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    client = StreamClient(evidence_socket(config), Role.RETRIEVE, clock, timeout_s=_TIMEOUT_S)
    feed = StatusFeed(client, clock)
    server = HealthServer(config, feed, clock)
    address = await server.start()
    metrics = node_metrics(config, Role.RETRIEVE.value, clock)
    reporter = Reporter(evidence_socket(config), Role.RETRIEVE, clock, metrics)
    orders = OrderListener(evidence_socket(config), Role.RETRIEVE, clock, stop)
    notifier = Notifier()
    _log.info("health page on %s", address)
    notifier.ready(f"health page on {address}")
    try:
        while not stop.is_set():
            reporter.update("ok", f"health page on {address}", _counters(server))
            # The loop that serves is the one that pets the watchdog.
            notifier.progress()
            await asyncio.to_thread(clock.wait, _PERIOD_S, stop)
    finally:
        notifier.stopping()
        await server.stop()
        await asyncio.to_thread(orders.close)
        await asyncio.to_thread(reporter.close)
        client.close()
    return EXIT_OK


def _counters(server: HealthServer) -> dict[str, float]:
    return {
        "requests_answered": float(server.answered),
        "requests_answered_unknown": float(server.answered_unknown),
    }
