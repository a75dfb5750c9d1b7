"""What the node's status is, asked of evidence at most twice a second however many look."""

from __future__ import annotations

import asyncio

from roeh.core.clock import NS_PER_S, Clock, ClockReading
from roeh.core.errors import RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.peers import NodeStatus, NodeStatusRequest, Verb

_KEPT_NS = NS_PER_S // 2


class StatusFeed:
    """The newest status, or why there is none; answers of evidence are shared."""

    def __init__(self, client: StreamClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._asking = asyncio.Lock()
        self._answer: NodeStatus | RoehError | None = None
        self._asked_mono_ns = 0

    async def newest(self) -> NodeStatus | RoehError:
        """The status, at most half a second old; an error is an answer too."""
        async with self._asking:
            now_ns = self._clock.mono_ns()
            if self._answer is None or now_ns - self._asked_mono_ns >= _KEPT_NS:
                self._answer = await asyncio.to_thread(self._ask)
                self._asked_mono_ns = self._clock.mono_ns()
            return self._answer

    def now(self) -> ClockReading:
        """The instant, on every scale of time."""
        return self._clock.read()

    def _ask(self) -> NodeStatus | RoehError:
        try:
            return self._client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        except RoehError as error:
            return error
