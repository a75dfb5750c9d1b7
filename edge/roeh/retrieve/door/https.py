"""The HTTPS listener: who connects is greeted with TLS, counted, and handed to aiohttp.

The TLS context is chosen for each connection as it comes, so another trust list is in force
at once and ends nobody's connection; what an older connection asks is judged all the same.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from roeh.core.clock import Clock
from roeh.core.config import AccessSection
from roeh.core.log import log_for
from roeh.retrieve.door.doors import Places, RefusalDoor
from roeh.retrieve.door.guard import HEADERS
from roeh.retrieve.door.problems import Problem, problem_response
from roeh.retrieve.door.tls import claimed_number
from roeh.retrieve.listening import cannot_listen

HANDSHAKE_S = 10.0
#: A whole head arrives within this, and a connection that asks nothing is kept as long.
HEAD_S = 10.0
_MAX_LINE_BYTES = 8 * 1024
_MAX_HEADERS = 64
#: What was sent and is not acknowledged for so long ends the connection (TCP_USER_TIMEOUT).
_STALLED_MS = 30_000
_READ_BYTES = 64 * 1024
#: Connections that are being greeted: one more ends the oldest, since a greeting is short.
_MAX_GREETINGS = 64
_BACKLOG = 64
#: Answers that are being given when the process ends.
_GOODBYE_S = 2.0
#: After the system gave no descriptor.
_BREATHE_S = 0.2

_log = log_for("retrieve.https")
#: Who looked at what is in the ledger; addresses are kept nowhere.
_unread = log_for("retrieve.requests")
_unread.disabled = True

#: Told why somebody was turned away at the door.
OnStranger = Callable[[str], None]


class PeopleListener:
    """Listens for people; `start` and `stop` on one event loop."""

    def __init__(self, settings: AccessSection, clock: Clock, on_stranger: OnStranger) -> None:
        self._settings = settings
        self._clock = clock
        self._on_stranger = on_stranger
        self._door = RefusalDoor()
        self._places = Places(settings.max_connections)
        self._context: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._greetings: OrderedDict[asyncio.Task[None], socket.socket] = OrderedDict()
        self._runner: web.AppRunner | None = None
        self.strangers = 0
        self.crowded = 0

    @property
    def connections(self) -> int:
        """Of persons that are open."""
        return self._places.taken

    def use(self, context: ssl.SSLContext | None) -> None:
        """Greet with this from now on; None lets nobody in."""
        self._context = context

    async def start(self, app: web.Application) -> str:
        """Listen; the address, with the port that was chosen for port 0.

        Raises:
            PortTaken: another program listens there.
            ConfigError: this machine cannot listen there.
        """
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_GOODBYE_S
        )
        await self._runner.setup()
        try:
            self._socket = _listening(self._settings)
        except OSError as error:
            await self.stop()
            where = f"{self._settings.host}:{self._settings.port}"
            raise cannot_listen(
                error,
                "access",
                where,
                other_port="retrieval",
                place="name an address of this machine",
            ) from None
        self._accepting = asyncio.create_task(self._accept(self._socket))
        host, port = self._socket.getsockname()[:2]
        return f"https://[{host}]:{port}/" if ":" in host else f"https://{host}:{port}/"

    async def stop(self) -> None:
        """End every connection and stop listening."""
        tasks = [*self._greetings, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:
                # It ended before it was taken; or there is no descriptor: the others go on.
                if error.errno != errno.ECONNABORTED:
                    await asyncio.sleep(_BREATHE_S)
                continue
            address = str(peer[0])
            if self._context is None or not self._door.is_open(address, self._clock.mono_ns()):
                connection.close()
                continue
            if len(self._greetings) >= _MAX_GREETINGS:
                oldest, _ = self._greetings.popitem(last=False)
                oldest.cancel()
                self.crowded += 1
            task = asyncio.create_task(self._greet(connection, address, self._context))
            self._greetings[task] = connection
            task.add_done_callback(lambda done: self._greetings.pop(done, None))

    async def _greet(
        self, connection: socket.socket, address: str, context: ssl.SSLContext
    ) -> None:
        loop = asyncio.get_running_loop()
        runner = self._runner
        if runner is None or runner.server is None:
            connection.close()
            return
        server = runner.server
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MS)
        try:
            await loop.connect_accepted_socket(
                lambda: _Connection(server, self._places, loop),
                connection,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
        except ssl.SSLError as error:
            reason = _refusal(error)
            if reason:
                self._turned_away(address, reason)
        except (OSError, asyncio.CancelledError):
            # They hung up, were too slow, or made room for another.
            connection.close()

    def _turned_away(self, address: str, reason: str) -> None:
        self.strangers += 1
        if self._door.refused(address, self._clock.mono_ns()):
            _log.warning("%s was refused too often: not let to the door for a minute", address)
        self._on_stranger(reason)


class _Connection(web.RequestHandler):
    """A person's connection: aiohttp's, with a place of theirs, and our words for garbage."""

    __slots__ = ("_person", "_places")

    def __init__(self, server: web.Server, places: Places, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            # aiohttp keeps a connection without a whole request so long, also before the first.
            keepalive_timeout=HEAD_S,
            lingering_time=0.0,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            max_headers=_MAX_HEADERS,
            read_bufsize=_READ_BYTES,
            auto_decompress=False,
            logger=_log,
            access_log=_unread,
        )
        self._places = places
        self._person: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or hang up."""
        tls = transport.get_extra_info("ssl_object")
        person = claimed_number(tls.getpeercert(binary_form=True) or b"")
        if not self._places.take(person):
            transport.close()
            return
        self._person = person
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave the place to another."""
        if self._person is not None:
            self._places.leave(self._person)
            self._person = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats what was sent
    ) -> web.StreamResponse:
        """What is no HTTP is answered in the same form as all else."""
        # Garbage, and a client that hangs up, are everyday things.
        if not isinstance(exc, (HttpProcessingError, ConnectionError)):
            _log.error("a request cannot be answered", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer was sent already")
        response = problem_response(status, _MALFORMED if status < 500 else _BROKEN)
        response.headers.update(HEADERS)
        response.force_close()
        return response


_MALFORMED = Problem(
    code="MESSAGE_REFUSED",
    what="that is no request of HTTP/1.1, or too long a one",
    which="this connection",
    remedy="ask as /api/v1/openapi.json says",
)
_BROKEN = Problem(
    code="UNEXPECTED",
    what="the pole could not answer this",
    which="its journal says why",
    remedy="try again; tell the technician when it lasts",
)


def _refusal(error: ssl.SSLError) -> str:
    """Why this end refused the other; empty when it was the other that hung up."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "certificate: none was shown"
    if error.reason in ("UNSUPPORTED_PROTOCOL", "WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return "no TLS 1.3"
    return ""


def _listening(settings: AccessSection) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
