"""Whole messages on a unix stream: a 4-byte big-endian length and that many bytes.

A message that began has to end in time, and a length has a limit, so that no peer can
hold a thread or memory by sending half of something.
"""

from __future__ import annotations

import socket
import struct

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import PeerRefused

#: The largest group of pictures (core/gop.py) and what is round it.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
#: Once its first byte came, the whole of a message; also a whole answer, to be taken.
WHOLE_MESSAGE_TIMEOUT_S = 10.0

_LENGTH = struct.Struct(">I")
_CHUNK_BYTES = 1 << 18


def frame_message(payload: bytes) -> bytes:
    """The bytes of one message on the stream.

    Raises:
        PeerRefused: it is longer than a message may be.
    """
    _check_length(len(payload), "a message to be sent")
    return _LENGTH.pack(len(payload)) + payload


def send_message(connection: socket.socket, payload: bytes) -> None:
    """Send one message.

    Raises:
        PeerRefused: it is longer than a message may be.
        OSError: the other end is gone, or does not take it in time.
    """
    framed = frame_message(payload)
    connection.settimeout(WHOLE_MESSAGE_TIMEOUT_S)  # sendall takes it for the whole
    connection.sendall(framed)


def receive_message(
    connection: socket.socket,
    clock: Clock,
    wait_s: float | None,
    *,
    max_bytes: int = MAX_MESSAGE_BYTES,
) -> bytes:
    """One whole message, waiting up to `wait_s` for its first byte (None: for ever).

    Raises:
        TimeoutError: nothing came.
        EOFError: the other end closed the stream.
        PeerRefused: the message is too long, or stopped in the middle.
        OSError: the connection broke.
    """
    connection.settimeout(wait_s)
    head = connection.recv(_LENGTH.size)
    if not head:
        raise EOFError("the other end closed the stream")
    deadline_ns = clock.mono_ns() + int(WHOLE_MESSAGE_TIMEOUT_S * NS_PER_S)
    try:
        head += _receive_exactly(connection, _LENGTH.size - len(head), clock, deadline_ns)
        (length,) = _LENGTH.unpack(head)
        _check_length(length, "a peer on a unix stream", max_bytes)
        return _receive_exactly(connection, length, clock, deadline_ns)
    except TimeoutError:
        raise PeerRefused(
            what="stopped in the middle of a message",
            which="a peer on a unix stream",
            remedy=f"a message takes at most {WHOLE_MESSAGE_TIMEOUT_S:.0f} s",
        ) from None


def _receive_exactly(
    connection: socket.socket, count: int, clock: Clock, deadline_ns: int
) -> bytes:
    parts: list[bytes] = []
    while count:
        remaining_s = (deadline_ns - clock.mono_ns()) / NS_PER_S
        if remaining_s <= 0:
            raise TimeoutError
        connection.settimeout(remaining_s)
        part = connection.recv(min(count, _CHUNK_BYTES))
        if not part:
            raise EOFError("the other end closed the stream")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _check_length(length: int, which: str, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
    if length > max_bytes:
        raise PeerRefused(
            what=f"a message of {length} bytes",
            which=which,
            remedy=f"at most {max_bytes} bytes are taken",
        )
