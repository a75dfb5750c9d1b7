"""A process tells the node's status how it is, without ever waiting for it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import PeerGone, RoehError, one_line
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.metrics import MetricsFile
from roeh.core.peers import Done, Role, Verb
from roeh.core.types import MAX_DETAIL_CHARS, ProcessReport

State = Literal["starting", "ok", "degraded", "blind", "stopped"]

_PERIOD_S = 5.0
_TIMEOUT_S = 2.0
_RETRY_S = 0.5

_log = log_for("report")


class Reporter:
    """Sends the newest state at once when it changes, and its counters now and then.

    While evidence is away nothing is kept: the next report carries the whole state.
    `close` tells that the process stopped, if evidence is there to hear it. What is told is
    also written to `metrics`, if there is such a file.
    """

    def __init__(
        self,
        socket_path: Path,
        role: Role,
        clock: Clock,
        metrics: MetricsFile | None = None,
    ) -> None:
        self._role = role
        self._clock = clock
        self._metrics = metrics
        self._client = StreamClient(socket_path, role, clock, timeout_s=_TIMEOUT_S)
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._state: State = "starting"
        self._detail = ""
        self._counters: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)
        self._thread.start()

    def update(self, state: State, detail: str, counters: dict[str, float]) -> None:
        """Set what is to be told."""
        with self._lock:
            changed = (state, detail) != (self._state, self._detail)
            self._state, self._detail, self._counters = state, detail, counters
        if changed:
            self._changed.set()

    def close(self) -> None:
        """Tell that the process stops, and end."""
        with self._lock:
            self._state, self._detail = "stopped", "stopped on request"
        self._stopping.set()
        self._changed.set()
        self._thread.join(_TIMEOUT_S + 1.0)
        self._client.close()

    def _run(self) -> None:
        refused = False
        while True:
            last = self._stopping.is_set()
            self._changed.clear()
            report = self._report()
            if self._metrics is not None:
                self._metrics.write_if_due(report.state, report.counters)
            try:
                self._client.call(Verb.PROCESS_REPORT, report, Done)
                wait_s = _PERIOD_S
            except PeerGone:
                # Evidence is away: say it again soon, not only after a whole period.
                wait_s = _RETRY_S
            except RoehError as error:
                wait_s = _PERIOD_S
                if not refused:
                    log_error(_log, error)
                refused = True
            if last:
                return
            self._changed.wait(wait_s)

    def _report(self) -> ProcessReport:
        with self._lock:
            return ProcessReport(
                process=self._role.value,
                state=self._state,
                detail=one_line(self._detail)[:MAX_DETAIL_CHARS],
                t_mono_us=self._clock.mono_ns() // NS_PER_US,
                counters=dict(self._counters),
            )
