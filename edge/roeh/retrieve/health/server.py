"""The health page: two addresses, on loopback, that only tell.

GET /             the health page
GET /health.json  the same for a machine: NodeHealth, or HealthUnknown with 503
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

import roeh
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import ConfigError, RoehError
from roeh.core.log import log_for
from roeh.core.peers import NodeStatus
from roeh.retrieve.health.node_health import HealthUnknown, NodeHealth, node_health
from roeh.retrieve.health.page import CONTENT_SECURITY_POLICY, health_page, unknown_page
from roeh.retrieve.health.status import StatusFeed
from roeh.retrieve.listening import cannot_listen

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_MAX_REQUEST_BYTES = 4096


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whoever sends garbage is answered 400; the journal need not hold a traceback of it."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


_log = log_for("retrieve.http")
_log.addFilter(_is_our_fault)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HealthServer:
    """Serves the pages; `start` and `stop` on one event loop."""

    def __init__(self, config: NodeConfig, feed: StatusFeed, clock: Clock) -> None:
        self._config = config
        self._feed = feed
        self._clock = clock
        self._host = _loopback(config.retrieve.host)
        self._runner: web.AppRunner | None = None
        self.answered = 0
        self.answered_unknown = 0

    async def start(self) -> str:
        """Listen; the address of the page, with the port that was chosen for port 0.

        Raises:
            PortTaken: another program listens there.
            ConfigError: this machine cannot listen there.
        """
        app = web.Application(middlewares=[self._guard], client_max_size=_MAX_REQUEST_BYTES)
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/", self._page)
        app.router.add_get("/health.json", self._json)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, logger=_log)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._config.retrieve.port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            where = f"{self._config.retrieve.host}:{self._config.retrieve.port}"
            raise cannot_listen(
                error,
                "retrieve",
                where,
                other_port="this node",
                place="use a loopback address",
            ) from None
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    async def stop(self) -> None:
        """End every connection and stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _page(self, _request: web.Request) -> web.Response:
        health = await self._health()
        if isinstance(health, HealthUnknown):
            return web.Response(text=unknown_page(health), content_type="text/html", status=503)
        return web.Response(text=health_page(health), content_type="text/html")

    async def _json(self, _request: web.Request) -> web.Response:
        health = await self._health()
        status = 503 if isinstance(health, HealthUnknown) else 200
        body = msgspec.json.encode(health)
        return web.Response(body=body, content_type="application/json", status=status)

    async def _health(self) -> NodeHealth | HealthUnknown:
        answer = await self._feed.newest()
        self.answered += 1
        if isinstance(answer, NodeStatus):
            return node_health(self._config, answer, self._clock.read(), roeh.__version__)
        self.answered_unknown += 1
        return _unknown(self._config, answer)

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Only loopback's own names: a page elsewhere cannot point its own name at us."""
        if not _is_loopback_name(request.host):
            return web.Response(text="this page is served on loopback only\n", status=421)
        return await handler(request)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    # Which library serves the page is nobody's business.
    response.headers["Server"] = "roeh"


def _unknown(config: NodeConfig, error: RoehError) -> HealthUnknown:
    return HealthUnknown(
        site=config.node.site,
        node=config.node.name,
        software=roeh.__version__,
        what=f"the evidence process does not answer ({error.what})",
        remedy="it is started again by itself; when this lasts, look at its journal "
        "and run roeh doctor",
    )


def _loopback(host: str) -> str:
    name = "127.0.0.1" if host == "localhost" else host
    if not _is_loopback_address(name):
        raise ConfigError(
            what="the health page knows no certificates: it is served on loopback only",
            which=f"[retrieve] host = {host!r}",
            remedy='write "127.0.0.1" or "::1"; people come by [access] host',
        )
    return name


def _is_loopback_name(host_and_port: str) -> bool:
    name = host_and_port.strip()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    return name == "localhost" or _is_loopback_address(name)


def _is_loopback_address(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
