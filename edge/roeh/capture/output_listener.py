"""What alerts let on: asked of evidence in a thread of its own, each once."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from roeh.capture.outputs import Outputs
from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import PeerGone, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.outputs import OutputsOn, TakeOutputs
from roeh.core.peers import Role, Verb
from roeh.sources.outputs.output import OutputFailed

_WAIT_S = 25.0
_TIMEOUT_S = 5.0
_FIRST_BACKOFF_S = 0.1
_MAX_BACKOFF_S = 2.0

_log = log_for("capture")


class OutputListener:
    """Lets outputs on as evidence says, until `close`."""

    def __init__(self, socket_path: Path, clock: Clock, outputs: Outputs) -> None:
        self._clock = clock
        self._outputs = outputs
        self._client = StreamClient(socket_path, Role.CAPTURE, clock, timeout_s=_TIMEOUT_S)
        self._closing = threading.Event()
        # None until evidence has answered once: it tells that capture was just started.
        self._from_leaf: int | None = None
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let nothing on any more."""
        self._closing.set()
        self._client.close()
        self._thread.join(_TIMEOUT_S)

    def _run(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while not self._closing.is_set():
            try:
                self._take()
                backoff_s = _FIRST_BACKOFF_S
            except RoehError as error:
                if not isinstance(error, PeerGone):
                    log_error(_log, error)
                self._clock.wait(backoff_s, self._closing)
                backoff_s = min(_MAX_BACKOFF_S, 2 * backoff_s)

    def _take(self) -> None:
        request = TakeOutputs(from_leaf=self._from_leaf, wait_s=_WAIT_S)
        answer = self._client.call(
            Verb.OUTPUTS_TAKE, request, OutputsOn, timeout_s=_WAIT_S + _TIMEOUT_S
        )
        # Before it is done: whatever happens then, it is not done twice.
        self._from_leaf = answer.next_leaf
        for item in answer.items:
            with contextlib.suppress(OutputFailed):  # it stands in the status
                self._outputs.let_on(item.output, item.until_mono_us * NS_PER_US)
