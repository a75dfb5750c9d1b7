"""The retrieve process: the pole's health page, and retrieval over HTTPS, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Literal

from roeh.bundle.rendering import Renderer
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK, RoehError
from roeh.core.ipc.report import Reporter
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_for
from roeh.core.metrics import node_metrics
from roeh.core.notify import Notifier
from roeh.core.order_listener import OrderListener
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, Role
from roeh.retrieve.door.people import PeopleServer
from roeh.retrieve.exports.building import ExportBuilding
from roeh.retrieve.health.node_health import exports_waiting
from roeh.retrieve.health.server import HealthServer
from roeh.retrieve.health.status import StatusFeed
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.visits.service import service_of

_PERIOD_S = 2.0
_TIMEOUT_S = 2.0
_DAY_US = 86_400 * 1_000_000

_log = log_for("retrieve")


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Serve until `stop`; the exit status of the process.

    Raises:
        PortTaken: another program listens on the port.
        ConfigError: the health page's address is not loopback, or this machine cannot listen
            at one of the addresses.
    """
    return asyncio.run(_serve(config, clock, stop))


async def _serve(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    async with contextlib.AsyncExitStack() as closing:
        client = StreamClient(evidence_socket(config), Role.RETRIEVE, clock, timeout_s=_TIMEOUT_S)
        closing.callback(client.close)
        feed = StatusFeed(client, clock)
        server = HealthServer(config, feed, clock)
        address = await server.start()
        closing.push_async_callback(server.stop)
        said = f"health page on {address}"
        people = None
        if config.access.host:
            people = _people(config, clock, feed, closing)
            people_address = await people.start()
            closing.push_async_callback(people.stop)
            said = f"{said}, people on {people_address}"
        if config.access.host or config.access.root_file:
            building = ExportBuilding(config, clock)
            building.start()
            closing.push_async_callback(asyncio.to_thread, building.close)
        metrics = node_metrics(config, Role.RETRIEVE.value, clock)
        reporter = Reporter(evidence_socket(config), Role.RETRIEVE, clock, metrics)
        closing.push_async_callback(asyncio.to_thread, reporter.close)
        orders = OrderListener(evidence_socket(config), Role.RETRIEVE, clock, stop)
        closing.push_async_callback(asyncio.to_thread, orders.close)
        notifier = Notifier()
        closing.callback(notifier.stopping)
        _log.info("%s", said)
        notifier.ready(said)
        while not stop.is_set():
            state, detail = _condition(said, people, await feed.newest())
            reporter.update(state, detail, _counters(server, people))
            # The loop that serves is the one that pets the watchdog.
            notifier.progress()
            await asyncio.to_thread(clock.wait, _PERIOD_S, stop)
    return EXIT_OK


def _people(
    config: NodeConfig, clock: Clock, feed: StatusFeed, closing: contextlib.AsyncExitStack
) -> PeopleServer:
    link = EvidenceLink(evidence_socket(config), clock)
    closing.push_async_callback(asyncio.to_thread, link.close)
    return PeopleServer(config, clock, link, service_of(config, clock, link, feed, Renderer()))


def _condition(
    said: str, people: PeopleServer | None, status: NodeStatus | RoehError
) -> tuple[Literal["ok", "degraded"], str]:
    """What the node's status tells of this process."""
    if people is None:
        return "ok", said
    if people.complaint:
        loss = "who is let in is not renewed" if people.greets else "nobody is let in"
        return "degraded", f"{said}; {loss}: {people.complaint}"
    trust = people.trust
    age_us = None if trust is None else trust.age_us
    age = "of unknown age" if age_us is None else f"{age_us // _DAY_US} d old"
    is_stale = trust is None or trust.is_stale
    detail = f"{said}; trust list {trust.version if trust else 0}, {age}"
    if isinstance(status, NodeStatus) and (waiting := exports_waiting(status)):
        detail = f"{detail}; {waiting} exports wait to be built"
    return ("degraded", f"{detail}: stale") if is_stale else ("ok", detail)


def _counters(server: HealthServer, people: PeopleServer | None) -> dict[str, float]:
    counters = {
        "requests_answered": float(server.answered),
        "requests_answered_unknown": float(server.answered_unknown),
    }
    if people is not None:
        listener = people.listener
        counters |= {
            "people_connections": float(listener.connections),
            "people_requests": float(people.guard.requests),
            "people_refused": float(people.guard.refused),
            "people_strangers": float(listener.strangers),
            "people_greetings_crowded_out": float(listener.crowded),
            "bundle_bytes_sent": float(people.service.fetching.bytes_sent),
        }
    return counters
