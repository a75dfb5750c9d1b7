"""What evidence knows of the node, for Prometheus: on a thread of its own, now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock, ClockReading
from roeh.core.custody import EvidenceStatus
from roeh.core.errors import RoehError
from roeh.core.log import log_error, log_for
from roeh.core.metrics import CONDITIONS, MetricsFile
from roeh.core.peers import NodeStatus
from roeh.evidence.storage_state import STORAGE_OK

#: A node is as its worst process is.
_WORST_FIRST = ("blind", "stopped", "degraded", "starting", "ok")
_END_TIMEOUT_S = 5.0

_log = log_for("evidence")


class NodeMetrics:
    """Writes the file until closed; what cannot be read is one line in the log.

    Args:
        file: where it stands.
        status: of the node.
        recording: how that is.
        gaps: how many there are.
        clock: of the machine.
    """

    def __init__(
        self,
        file: MetricsFile,
        *,
        status: Callable[[], NodeStatus],
        recording: Callable[[], EvidenceStatus],
        gaps: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._file = file
        self._status = status
        self._recording = recording
        self._gaps = gaps
        self._clock = clock
        self._stop = threading.Event()
        self._is_well = True
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def begin(self) -> None:
        """From now on."""
        self._thread.start()

    def close(self) -> None:
        """No more; before the store closes."""
        self._stop.set()
        self._thread.join(_END_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                status = self._status()
                own = next(r for r in status.reports if r.process == "evidence")
                counters = {
                    **own.counters,
                    **status_counters(status, self._clock.read()),
                    **recording_counters(self._recording()),
                    "gaps": float(self._gaps()),
                }
                self._file.write_if_due(own.state, counters)
                self._is_well = True
            except RoehError as error:
                if self._is_well:
                    log_error(_log, error)
                self._is_well = False
                self._file.write_if_due("degraded", {"storage_failing": 1.0})
            wait_ns = self._file.due_ns - self._clock.mono_ns()
            self._clock.wait(max(1.0, wait_ns / NS_PER_S), self._stop)


def status_counters(status: NodeStatus, now: ClockReading) -> dict[str, float]:
    """A node's status as counters; what is not known is left out."""
    states = {report.process: report.state for report in status.reports}
    worst = next((state for state in _WORST_FIRST if state in states.values()), "starting")
    board = status.board
    known: dict[str, float | None] = {
        "clock_synchronised": float(now.synchronised),
        "clock_error_us": now.utc_error_ns / NS_PER_US,
        "alarms": len(status.alarms),
        "alerts_stored": status.alerts_stored,
        "outbox_rows": status.outbox_rows,
        "outbox_bytes": status.outbox_bytes,
        "outbox_oldest_age_us": status.outbox_oldest_age_us,
        "outbox_evicted": status.outbox_evicted,
        "outbox_refused": status.outbox_refused,
        "storage_failing": float(status.storage_state != STORAGE_OK),
        "retention_us": board.retention_us,
        "witnessed_age_us": board.witnessed_age_us,
        "temperature_c": board.temperature_c,
        "wear_percent": board.wear_percent,
        "certificate_days": board.certificate_days,
        "statements_refused": board.statements_refused,
    }
    for condition in CONDITIONS:
        known[f"node_{condition}"] = float(condition == worst)
        for process, state in states.items():
            known[f"said_{process}_{condition}"] = float(condition == state)
    for camera in status.cameras:
        known[f"fragment_age_{camera.camera_id}_us"] = camera.fragment_age_us
    for cause in board.throttled:
        known[f"throttled_{cause.replace('_', '-')}"] = 1.0
    return {name: float(value) for name, value in known.items() if value is not None}


def recording_counters(recording: EvidenceStatus) -> dict[str, float]:
    """How recording is, as counters."""
    return {
        "segments": float(recording.segments),
        "segments_bytes": float(recording.segments_bytes),
        "locked_bytes": float(recording.locked_bytes),
        "held_bytes": float(recording.held_bytes),
        "free_bytes": float(recording.free_bytes),
        "ledger_size": float(recording.ledger_size),
        **{
            f"written_{what}_bytes": float(written)
            for what, written in recording.bytes_written.items()
        },
    }
