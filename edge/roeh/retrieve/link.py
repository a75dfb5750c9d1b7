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
from roeh.retrieve.door.doors import Turns
from roeh.retrieve.door.problems import HttpProblem

#: Of MAX_CONNECTIONS_A_ROLE: the builder, the reports and the orders have theirs beside these.
_CONNECTIONS = 6
_TIMEOUT_S = 10.0

#: Questions a second that make evidence write, fewer than it takes (evidence/write_pace.py), and
#: how many at once: whoever asks more waits here, and does not meet a refusal there.
PACE_HZ: dict[Verb, float] = {
    Verb.VISITOR_JUDGE: 40.0,
    Verb.STRANGER_NOTE: 2.0,
    Verb.VISITOR_HOLD: 1.5,
    Verb.VISITOR_RELEASE: 1.5,
    Verb.EXPORT_REQUEST: 1.5,
    Verb.EXPORT_APPROVE: 1.5,
    Verb.EXPORT_NOTE: 10.0,
    Verb.TRUST_OFFER: 0.5,
}
AT_ONCE = 48
_PATIENCE_S = 0.25
_RETRY_AFTER_S = 5

_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)


class EvidenceLink:
    """Asks evidence without holding up the loop; more than six questions wait for each other."""

    def __init__(self, socket_path: Path, clock: Clock, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._clients = [
            StreamClient(socket_path, Role.RETRIEVE, clock, timeout_s=timeout_s)
            for _ in range(_CONNECTIONS)
        ]
        self._clock = clock
        self._turns = {verb: Turns(rate_hz, AT_ONCE) for verb, rate_hz in PACE_HZ.items()}
        self._idle = list(self._clients)
        self._threads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="ask")

    async def ask(
        self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]
    ) -> _AnswerT:
        """Ask and wait for the answer.

        Raises:
            HttpProblem: too much is asked of the pole.
            PeerGone: nobody answered; whether it happened is unknown, so ask again.
            RoehError: what evidence answered instead.
        """
        await self._wait_for_turn(verb)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._ask, verb, request, answer_type)

    def close(self) -> None:
        """Let the connections go: who waits is told PeerGone."""
        for client in self._clients:
            client.close()
        self._threads.shutdown()

    async def _wait_for_turn(self, verb: Verb) -> None:
        turns = self._turns.get(verb)
        if turns is None:
            return
        wait_s = turns.take(self._clock.mono_ns(), _PATIENCE_S)
        if wait_s is None:
            raise HttpProblem(
                503,
                code="ACCESS_REFUSED",
                what="too many people ask for the same",
                which="this pole",
                remedy=f"ask again in {_RETRY_AFTER_S} s",
                headers=(("Retry-After", str(_RETRY_AFTER_S)),),
            )
        if wait_s:
            await asyncio.sleep(wait_s)

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
