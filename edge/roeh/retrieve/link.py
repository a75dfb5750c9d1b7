"""The way to evidence from the event loop: a few connections, each with a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from roeh.core.clock import Clock
from roeh.core.ipc.stream import StreamClient
from roeh.core.peers import Role, Verb

#: Of MAX_CONNECTIONS_A_ROLE: the builder, the reports and the orders have theirs beside these.
_CONNECTIONS = 6
_TIMEOUT_S = 10.0

_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)


class EvidenceLink:
    """Asks evidence without holding up the loop; more than six questions wait for each other."""

    def __init__(self, socket_path: Path, clock: Clock, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._clients = [
            StreamClient(socket_path, Role.RETRIEVE, clock, timeout_s=timeout_s)
            for _ in range(_CONNECTIONS)
        ]
        self._idle = list(self._clients)
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="ask")

    async def ask(
        self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]
    ) -> _AnswerT:
        """Ask and wait for the answer.

        Raises:
            PeerGone: nobody answered; whether it happened is unknown, so ask again.
            RoehError: what evidence answered instead.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._ask, verb, request, answer_type)

    def close(self) -> None:
        """Let the connections go: who waits is told PeerGone."""
        for client in self._clients:
            client.close()
        self._threads.shutdown()

    def _ask(self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]) -> _AnswerT:
        with self._one() as client:
            return client.call(verb, request, answer_type)

    @contextlib.contextmanager
    def _one(self) -> Iterator[StreamClient]:
        # There are as many threads as connections: one is idle.
        client = self._idle.pop()
        try:
            yield client
        finally:
            self._idle.append(client)
