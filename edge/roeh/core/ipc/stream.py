"""Length-prefixed, acknowledged requests over a unix stream.

A frame is a 4-byte big-endian length and that many bytes of MessagePack. The client
says who it is, then asks one thing at a time; an answer means that what the verb
promises has happened. Errors cross the border whole: code, what, which, remedy.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from roeh.core.clock import Clock
from roeh.core.errors import PeerGone, PeerRefused, RoehError, error_by_code
from roeh.core.ipc.credentials import Users, bind_unix_socket
from roeh.core.peers import PEER_VERBS, VERB_MESSAGES, Role, Verb

PROTOCOL = 1
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_PARTIAL_TIMEOUT_S = 10.0
_CONNECT_RETRY_S = 0.05

Handler = Callable[[Role, Verb, msgspec.Struct], msgspec.Struct]
_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)


class _Hello(msgspec.Struct, frozen=True):
    role: Role
    protocol: int


class _Request(msgspec.Struct, frozen=True):
    verb: Verb
    body: msgspec.Raw


class _Failure(msgspec.Struct, frozen=True):
    code: str
    what: str
    which: str
    remedy: str


class _Answer(msgspec.Struct, frozen=True):
    body: msgspec.Raw | None = None
    failure: _Failure | None = None


class StreamClient:
    """One role's end of the stream to evidence.

    Calls are one at a time; a thread that may wait long keeps a client of its own.
    A broken connection is opened anew by the next call.
    """

    def __init__(self, path: Path, role: Role, clock: Clock, *, timeout_s: float = 10.0) -> None:
        self._path = path
        self._role = role
        self._clock = clock
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def call(
        self,
        verb: Verb,
        request: msgspec.Struct,
        answer_type: type[_AnswerT],
        *,
        timeout_s: float | None = None,
    ) -> _AnswerT:
        """Ask and wait for the answer.

        Raises:
            PeerGone: nobody answered; whether it happened is unknown, so ask again.
            RoehError: what the other side answered.
        """
        with self._lock:
            try:
                answer = self._exchange(verb, request, timeout_s or self._timeout_s)
            except (OSError, EOFError, msgspec.DecodeError) as error:
                self._drop()
                raise PeerGone(
                    what=f"no answer to {verb.value} ({type(error).__name__}: {error})",
                    which=str(self._path),
                    remedy="it is asked again when the process is back",
                ) from None
        if answer.failure is not None:
            failure = answer.failure
            raise error_by_code(failure.code)(
                what=failure.what, which=failure.which, remedy=failure.remedy
            )
        return msgspec.msgpack.decode(answer.body or b"", type=answer_type)

    def wait_until_there(self, timeout_s: float, stop: threading.Event | None = None) -> bool:
        """Wait until the other side takes connections; False when it did not in time."""
        deadline_ns = self._clock.mono_ns() + int(timeout_s * 1e9)
        while self._clock.mono_ns() < deadline_ns:
            with self._lock:
                try:
                    self._connected(self._timeout_s)
                except OSError:
                    self._drop()
                else:
                    return True
            if self._clock.wait(_CONNECT_RETRY_S, stop):
                break
        return False

    def close(self) -> None:
        """Let the connection go. Safe from another thread: a waiting call then fails."""
        connection = self._socket
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the other side was faster

    def _exchange(self, verb: Verb, request: msgspec.Struct, timeout_s: float) -> _Answer:
        connection = self._connected(timeout_s)
        connection.settimeout(timeout_s)
        body = msgspec.Raw(msgspec.msgpack.encode(request))
        _send(connection, msgspec.msgpack.encode(_Request(verb=verb, body=body)))
        return msgspec.msgpack.decode(_receive(connection), type=_Answer)

    def _connected(self, timeout_s: float) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(timeout_s)
            try:
                connection.connect(str(self._path))
                hello = _Hello(role=self._role, protocol=PROTOCOL)
                _send(connection, msgspec.msgpack.encode(hello))
            except OSError:
                connection.close()
                raise
            self._socket = connection
        return self._socket

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
    ) -> None:
        self._users = users
        self._handler = handler
        self._on_refused = on_refused
        self._path = path
        self._listener = bind_unix_socket(path, socket.SOCK_STREAM)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="accept", daemon=True)

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._closing.set()
        # Closing alone would not wake accept(2).
        for open_socket in (self._listener, *self._open_connections()):
            try:
                open_socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it had ended by itself
        self._thread.join()
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _open_connections(self) -> tuple[socket.socket, ...]:
        with self._lock:
            return tuple(self._connections)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection,), name="peer", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._converse(connection)
        except RoehError as error:
            self._on_refused(error)
        except (OSError, EOFError):
            return  # the peer ended: its supervisor knows
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _converse(self, connection: socket.socket) -> None:
        role = self._greet(connection)
        while not self._closing.is_set():
            request = _parse(_receive(connection), _Request, role.value)
            answer = self._answer(role, request)
            _send(connection, msgspec.msgpack.encode(answer))

    def _greet(self, connection: socket.socket) -> Role:
        hello = _parse(_receive(connection), _Hello, "a new peer")
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
            if request.verb not in PEER_VERBS[role]:
                raise PeerRefused(
                    what=f"may not ask for {request.verb.value}",
                    which=role.value,
                    remedy="see the table in core/peers.py",
                )
            request_type, _ = VERB_MESSAGES[request.verb]
            body = _parse(bytes(request.body), request_type, role.value)
            answer = self._handler(role, request.verb, body)
        except RoehError as error:
            if isinstance(error, PeerRefused):
                self._on_refused(error)
            return _Answer(failure=_Failure(error.code, error.what, error.which, error.remedy))
        return _Answer(body=msgspec.Raw(msgspec.msgpack.encode(answer)))


_ParsedT = TypeVar("_ParsedT", bound=msgspec.Struct)


def _parse(raw: bytes, expected: type[_ParsedT], peer: str) -> _ParsedT:
    try:
        return msgspec.msgpack.decode(raw, type=expected)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PeerRefused(
            what=f"sent what is not a request ({error})",
            which=peer,
            remedy="run the same version of roeh everywhere",
        ) from None


def _send(connection: socket.socket, payload: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(payload)) + payload)


def _receive(connection: socket.socket) -> bytes:
    """One whole frame; the wait for its first byte keeps the connection's own time-out."""
    patience_s = connection.gettimeout()
    head = _receive_exactly(connection, 1)
    connection.settimeout(_PARTIAL_TIMEOUT_S)
    head += _receive_exactly(connection, _LENGTH.size - 1)
    (length,) = _LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise PeerRefused(
            what=f"announced a message of {length} bytes",
            which="a peer on a unix stream",
            remedy=f"at most {MAX_MESSAGE_BYTES} bytes are taken",
        )
    payload = _receive_exactly(connection, length)
    connection.settimeout(patience_s)
    return payload


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise EOFError("the other end closed the stream")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
