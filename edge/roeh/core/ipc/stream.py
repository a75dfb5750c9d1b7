"""Length-prefixed, acknowledged requests over a unix stream.

The client says who it is and is welcomed or refused, then asks one thing at a time;
messages are MessagePack. An answer means that what the verb promises has happened.
Errors cross the border whole: code, what, which, remedy.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from roeh.core.clock import NS_PER_S, Clock, SystemClock
from roeh.core.errors import PeerGone, PeerRefused, RoehError, error_by_code
from roeh.core.ipc.credentials import Users
from roeh.core.ipc.framing import (
    MAX_MESSAGE_BYTES,
    WHOLE_MESSAGE_TIMEOUT_S,
    frame_message,
    receive_message,
    send_message,
)
from roeh.core.ipc.listener import UnixListener
from roeh.core.peers import PEER_VERBS, VERB_MESSAGES, Role, Verb

PROTOCOL = 1
#: Of one role, more than it needs: publish has eight. They are counted by the user, whom
#: the kernel tells, so that one who faces the network leaves the others theirs.
MAX_CONNECTIONS_A_ROLE = 16
#: Of one user, whatever roles it has.
MAX_CONNECTIONS = 64
#: A whole request of a role that hands over no pictures of a camera: a statement, an alert.
MAX_SMALL_REQUEST_BYTES = 512 * 1024

_MAX_HELLO_BYTES = 1024

_CONNECT_RETRY_S = 0.05
_CLOSE_TIMEOUT_S = 2.0
_SHOWN_CHARS = 40

Handler = Callable[[Role, Verb, msgspec.Struct], msgspec.Struct]
_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)
_ParsedT = TypeVar("_ParsedT", bound=msgspec.Struct)


class _Hello(msgspec.Struct, frozen=True):
    role: Role
    protocol: int


class _Request(msgspec.Struct, frozen=True):
    verb: str
    body: bytes


class _Failure(msgspec.Struct, frozen=True):
    code: str
    what: str
    which: str
    remedy: str


class _Answer(msgspec.Struct, frozen=True):
    """To a request: one of both. To a hello: neither is a welcome."""

    body: bytes | None = None
    failure: _Failure | None = None


# msgspec 0.22 looks into a type when it is first decoded, and two threads that do so at once
# can end the process (SIGSEGV): it looks into all of them here, before there are threads.
for _message_type in (
    *(_Hello, _Request, _Answer),
    *(message_type for pair in VERB_MESSAGES.values() for message_type in pair),
):
    msgspec.msgpack.Decoder(_message_type)


class StreamClient:
    """One role's end of the stream to evidence.

    Calls are one at a time; a thread that may wait long keeps a client of its own.
    A connection that ended is opened anew by the next call, until `close`.
    """

    def __init__(self, path: Path, role: Role, clock: Clock, *, timeout_s: float = 10.0) -> None:
        self._path = path
        self._role = role
        self._clock = clock
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._socket: socket.socket | None = None

    def call(
        self,
        verb: Verb,
        request: msgspec.Struct,
        answer_type: type[_AnswerT],
        *,
        timeout_s: float | None = None,
    ) -> _AnswerT:
        """Ask and wait for the answer; `timeout_s` is longer than what the verb may wait.

        Raises:
            PeerGone: nobody answered; whether it happened is unknown, so ask again.
            RoehError: what the other side answered; PeerRefused when it turned this role away.
        """
        patience_s = self._timeout_s if timeout_s is None else timeout_s
        with self._lock:
            try:
                answer = self._exchange(verb, request, patience_s)
                if answer.failure is None:
                    return _parse(answer.body or b"", answer_type, str(self._path))
            except (OSError, EOFError) as error:
                self._drop()
                raise PeerGone(
                    what=f"no answer to {verb.value} ({type(error).__name__}: {error})",
                    which=str(self._path),
                    remedy="it is asked again when the process is back",
                ) from None
            except BaseException:
                # What is left in the stream belongs to no later question.
                self._drop()
                raise
        raise _error(answer.failure)

    def wait_until_there(self, timeout_s: float, stop: threading.Event | None = None) -> bool:
        """Wait until the other side takes connections; False when it did not in time.

        Raises:
            PeerRefused: it takes them, but not from this role.
        """
        deadline_ns = self._clock.mono_ns() + int(timeout_s * NS_PER_S)
        while self._clock.mono_ns() < deadline_ns and not self._closed.is_set():
            with self._lock:
                try:
                    self._connected(self._timeout_s)
                except (OSError, EOFError):
                    self._drop()
                else:
                    return True
            if self._clock.wait(_CONNECT_RETRY_S, stop):
                break
        return False

    def close(self) -> None:
        """Let the connection go, from any thread: a waiting call fails, so do later ones."""
        self._closed.set()
        connection = self._socket
        if connection is not None:
            _shut(connection, socket.SHUT_RDWR)
        with self._lock:
            self._drop()

    def _exchange(self, verb: Verb, request: msgspec.Struct, timeout_s: float) -> _Answer:
        connection = self._connected(timeout_s)
        body = msgspec.msgpack.encode(request)
        send_message(connection, msgspec.msgpack.encode(_Request(verb=verb.value, body=body)))
        return _parse(receive_message(connection, self._clock, timeout_s), _Answer, str(self._path))

    def _connected(self, timeout_s: float) -> socket.socket:
        if self._socket is not None and not _idle(self._socket):
            self._drop()
        if self._socket is None and not self._closed.is_set():
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._introduce(self._socket, timeout_s)
            except BaseException:
                self._drop()
                raise
        if self._socket is None or self._closed.is_set():
            raise EOFError("this end was closed")
        return self._socket

    def _introduce(self, connection: socket.socket, timeout_s: float) -> None:
        connection.settimeout(timeout_s)
        connection.connect(str(self._path))
        hello = _Hello(role=self._role, protocol=PROTOCOL)
        with contextlib.suppress(ConnectionError):  # whoever hung up said why before
            send_message(connection, msgspec.msgpack.encode(hello))
        raw = receive_message(connection, self._clock, timeout_s)
        failure = _parse(raw, _Answer, str(self._path)).failure
        if failure is not None:
            raise _error(failure)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class StreamServer:
    """The answering end: one thread a connection, each request checked against the table."""

    def __init__(
        self,
        path: Path,
        users: Users,
        handler: Handler,
        *,
        on_refused: Callable[[RoehError], None],
        clock: Clock | None = None,
    ) -> None:
        self._users = users
        self._handler = handler
        self._on_refused = on_refused
        self._clock = SystemClock() if clock is None else clock
        self._listener = UnixListener(path, socket.SOCK_STREAM)
        self._lock = threading.Lock()
        self._peers: dict[socket.socket, threading.Thread] = {}
        self._connections: dict[tuple[Role, ...], int] = {}
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, answer what is being worked on, end every connection."""
        self._listener.shut()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            peers = dict(self._peers)
        for connection in peers:
            _shut(connection, socket.SHUT_RD)
        deadline_ns = self._clock.mono_ns() + int(_CLOSE_TIMEOUT_S * NS_PER_S)
        for connection, thread in peers.items():
            thread.join(max(0.0, (deadline_ns - self._clock.mono_ns()) / NS_PER_S))
            if thread.is_alive():
                _shut(connection, socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while (connection := self._listener.accept()) is not None:
            try:
                self._take(connection, self._users.check_any(connection))
            except RoehError as error:
                self._refuse(connection, error)
                connection.close()

    def _take(self, connection: socket.socket, user: tuple[Role, ...]) -> None:
        """Serve it, unless its user (its roles stand for it) has too many connections."""
        allowed = min(MAX_CONNECTIONS, MAX_CONNECTIONS_A_ROLE * len(user))
        thread = threading.Thread(
            target=self._serve, args=(connection, user), name="peer", daemon=True
        )
        with self._lock:
            if self._connections.get(user, 0) >= allowed:
                raise PeerRefused(
                    what=f"{allowed} peers of its user are connected already",
                    which=f"a new peer ({', '.join(role.value for role in user)})",
                    remedy="find out which process opens connections and does not close them",
                )
            self._connections[user] = self._connections.get(user, 0) + 1
            self._peers[connection] = thread
        thread.start()

    def _serve(self, connection: socket.socket, user: tuple[Role, ...]) -> None:
        try:
            self._converse(connection)
        except RoehError as error:
            self._refuse(connection, error)
        except (OSError, EOFError):
            return  # the peer ended: its supervisor knows
        finally:
            with self._lock:
                self._peers.pop(connection, None)
                self._connections[user] -= 1
            connection.close()

    def _refuse(self, connection: socket.socket, error: RoehError) -> None:
        """Say why, if the peer listens, before hanging up."""
        self._on_refused(error)
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.send(frame_message(msgspec.msgpack.encode(_failed(error))))

    def _converse(self, connection: socket.socket) -> None:
        role = self._greet(connection)
        send_message(connection, msgspec.msgpack.encode(_Answer()))
        hands_over_pictures = Verb.GOP_STORE in PEER_VERBS[role]
        max_bytes = MAX_MESSAGE_BYTES if hands_over_pictures else MAX_SMALL_REQUEST_BYTES
        while True:
            raw = receive_message(connection, self._clock, None, max_bytes=max_bytes)
            answer = self._answer(role, _parse(raw, _Request, role.value))
            send_message(connection, msgspec.msgpack.encode(answer))

    def _greet(self, connection: socket.socket) -> Role:
        raw = receive_message(
            connection, self._clock, WHOLE_MESSAGE_TIMEOUT_S, max_bytes=_MAX_HELLO_BYTES
        )
        hello = _parse(raw, _Hello, "a new peer")
        self._users.check(connection, hello.role)
        if hello.protocol != PROTOCOL:
            raise PeerRefused(
                what=f"speaks protocol {hello.protocol}",
                which=hello.role.value,
                remedy=f"run the same version of roeh everywhere (protocol {PROTOCOL})",
            )
        return hello.role

    def _answer(self, role: Role, request: _Request) -> _Answer:
        try:
            verb = _verb(role, request.verb)
            body = _parse(request.body, VERB_MESSAGES[verb][0], role.value)
            answer = self._handler(role, verb, body)
        except RoehError as error:
            if isinstance(error, PeerRefused):
                self._on_refused(error)
            return _failed(error)
        return _Answer(body=msgspec.msgpack.encode(answer))


def _verb(role: Role, name: str) -> Verb:
    """The verb of that name, if the table lets this role ask for it."""
    for verb in PEER_VERBS[role]:
        if verb.value == name:
            return verb
    raise PeerRefused(
        what=f"may not ask for {name[:_SHOWN_CHARS]!r}",
        which=role.value,
        remedy="see the table in core/peers.py",
    )


def _failed(error: RoehError) -> _Answer:
    return _Answer(failure=_Failure(error.code, error.what, error.which, error.remedy))


def _error(failure: _Failure) -> RoehError:
    return error_by_code(failure.code)(
        what=failure.what, which=failure.which, remedy=failure.remedy
    )


def _parse(raw: bytes, expected: type[_ParsedT], peer: str) -> _ParsedT:
    try:
        return msgspec.msgpack.decode(raw, type=expected)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerRefused(
            what=f"sent what is not a {expected.__name__.lstrip('_')} ({error})",
            which=peer,
            remedy="run the same version of roeh everywhere",
        ) from None


def _idle(connection: socket.socket) -> bool:
    """Whether the connection is open and nothing is left in it, so that it can be used."""
    try:
        connection.setblocking(False)
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False  # the end of the stream, or an answer that nobody waited for


def _shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        return  # the other side was faster
