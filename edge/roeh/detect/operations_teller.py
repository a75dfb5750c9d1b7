"""Which operations hold, told to evidence, which puts their begins and ends on record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import PeerGone, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.operations import OperationNow, TellOperations
from roeh.core.peers import Done, Role, Verb
from roeh.vision.rules import Operations

#: How late a begin or an end is on record at the most, while evidence is there.
_PERIOD_S = 1.0
#: What was taken is told again so often: a node.db that was made anew may have lost it.
_AGAIN_S = 30.0
_TIMEOUT_S = 5.0

_log = log_for("detect")


class OperationsTeller:
    """Tells in a thread of its own, by the clock and not by frames, until `close`.

    Args:
        socket_path: evidence's.
        operations: told of.
        may_tell: whether orders of before this process are known: until then an operation that
            one of them holds would seem to have ended.
    """

    def __init__(
        self,
        socket_path: Path,
        clock: Clock,
        operations: Operations,
        may_tell: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._operations = operations
        self._may_tell = may_tell
        self._client = StreamClient(socket_path, Role.DETECT, clock, timeout_s=_TIMEOUT_S)
        self._taken: tuple[OperationNow, ...] | None = None
        self._taken_ns = 0
        self._was_refused = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="operations", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell no more: an operation that holds goes on without this process."""
        self._closing.set()
        self._client.close()
        self._thread.join(_TIMEOUT_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            if self._may_tell():
                self._tell()
            self._clock.wait(_PERIOD_S, self._closing)

    def _tell(self) -> None:
        reading = self._clock.read()
        now = self._operations.now(t_utc_ns=reading.t_utc_ns, t_mono_ns=reading.t_mono_ns)
        is_old = reading.t_mono_ns - self._taken_ns >= _AGAIN_S * NS_PER_S
        if now == self._taken and not is_old:
            return
        try:
            self._client.call(Verb.OPERATIONS_TELL, TellOperations(now), Done)
        except RoehError as error:
            if not isinstance(error, PeerGone) and not self._was_refused:
                log_error(_log, error)
                self._was_refused = True
            return
        self._taken, self._taken_ns, self._was_refused = now, reading.t_mono_ns, False
