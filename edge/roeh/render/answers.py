"""The child's side of the protocol: the order from standard input, answers to standard output."""

from __future__ import annotations

import os

import msgspec

from roeh.core.durable_files import write_all
from roeh.core.rendering import (
    MAX_ANSWER_BYTES,
    MAX_ORDER_BYTES,
    Answer,
    Envelope,
    Finished,
    Piece,
)

_STDIN, _STDOUT = 0, 1
#: Leaves room for what stands round a piece.
_PIECE_BYTES = MAX_ANSWER_BYTES // 2


class Answers:
    """Writes answers; counts what was given."""

    def __init__(self, descriptor: int = _STDOUT) -> None:
        self.size_bytes = 0
        self._descriptor = descriptor
        self._encoder = msgspec.msgpack.Encoder()

    def give(self, content: bytes) -> None:
        """The next bytes of the result."""
        for at in range(0, len(content), _PIECE_BYTES):
            self.send(Piece(content[at : at + _PIECE_BYTES]))
        self.size_bytes += len(content)

    def finish(self, finished: Finished) -> None:
        """All was given."""
        self.send(msgspec.structs.replace(finished, size_bytes=self.size_bytes))

    def send(self, answer: Answer) -> None:
        """One answer."""
        encoded = self._encoder.encode(answer)
        write_all(self._descriptor, len(encoded).to_bytes(4, "big") + encoded)


def read_envelope() -> Envelope:
    """The one order that this process is for."""
    size = int.from_bytes(_read_exactly(4), "big")
    if size > MAX_ORDER_BYTES:
        raise ValueError("an order that is too large")
    return msgspec.msgpack.decode(_read_exactly(size), type=Envelope)


def _read_exactly(size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(_STDIN, min(size, 1 << 20))
        if not part:
            raise EOFError("the order ends too early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
