"""Alerts on their way to evidence: bounded, in order, kept until they are durable.

A full queue blocks detection: fewer frames are looked at, no alert is lost.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import MessageRefused, PeerGone, RoehError
from roeh.core.flows import ALERTS
from roeh.core.ids import Ids
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.peers import (
    MAX_OPEN_ALERTS,
    AlertStored,
    OpenAlerts,
    OpenAlertsRequest,
    Role,
    StoreAlert,
    Verb,
)
from roeh.detect.alerts import cleared_by_restart

_ROOM_POLL_S = 0.1
_RETRY_S = 0.2
_RETRY_STORAGE_S = 2.0

_log = log_for("detect")


class AlertSender:
    """Hands alerts to evidence in a thread of its own, each until it is acknowledged.

    First it clears what a detection before this one raised and nobody will ever clear
    (edge/design/alerts.md).
    """

    def __init__(self, socket_path: Path, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._client = StreamClient(socket_path, Role.DETECT, clock)
        self._queue: queue.Queue[StoreAlert | None] = queue.Queue(ALERTS.bound)
        self._stopping = threading.Event()
        self._blocked_ns = 0
        self._accepted = self._inherited = self._stored = self._refused = self._given_up = 0
        self._trouble: RoehError | None = None
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def send(self, alert: StoreAlert, stop: threading.Event) -> None:
        """Queue an alert; waits for room when evidence is slower than detection.

        Told to stop while there is no room, it gives the alert up: nobody was promised it.
        """
        start_ns = self._clock.mono_ns()
        while True:
            try:
                self._queue.put(alert, timeout=_ROOM_POLL_S)
                self._accepted += 1
                break
            except queue.Full:
                if stop.is_set():
                    self._given_up += 1
                    break
        self._blocked_ns += self._clock.mono_ns() - start_ns

    @property
    def trouble(self) -> str:
        """Why alerts are not being stored; empty when they are."""
        return "" if self._trouble is None else str(self._trouble)

    @property
    def waiting(self) -> int:
        """How many are not durable yet, the one under way among them."""
        return self._accepted + self._inherited - self._stored - self._refused

    def counters(self) -> dict[str, float]:
        """Cumulative counts."""
        return {
            "alerts_stored": self._stored,
            "alerts_refused": self._refused,
            "alerts_waiting": self.waiting,
            ALERTS.counter: self._blocked_ns / NS_PER_S,
        }

    def close(self, patience_s: float) -> None:
        """Store what is queued, for at most `patience_s`, and end."""
        deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
        while self.waiting and self._clock.mono_ns() < deadline_ns:
            if self._trouble is not None and not isinstance(self._trouble, PeerGone):
                break  # a disk that is full stays so; a process that is away may come back
            self._clock.wait(0.01)
        self._stopping.set()
        self._client.close()
        with contextlib.suppress(queue.Full):
            # Wakes the thread if it waits; with a full queue it does not.
            self._queue.put_nowait(None)
        self._thread.join()
        unstored = self.waiting + self._given_up
        if unstored:
            _log.warning("%d alerts could not be handed to evidence before the end", unstored)

    def _run(self) -> None:
        self._clear_open_alerts()
        while not self._stopping.is_set():
            alert = self._queue.get()
            if alert is not None:
                self._store(alert)

    def _clear_open_alerts(self) -> None:
        """Clear every alert that is open when detection begins."""
        known: set[str] = set()
        while not self._stopping.is_set():
            try:
                found = self._client.call(
                    Verb.ALERTS_OPEN, OpenAlertsRequest(MAX_OPEN_ALERTS), OpenAlerts
                )
            except RoehError as error:
                self._tell(error)
                self._clock.wait(_RETRY_S, self._stopping)
                continue
            self._trouble = None
            new = [alert for alert in found.alerts if alert.raised_id not in known]
            if not new:
                break
            for alert in new:
                known.add(alert.raised_id)
                self._inherited += 1
                self._store(cleared_by_restart(alert, self._ids.new(), self._clock.read()))
        if known:
            _log.info("cleared %d alerts of the detection before", len(known))

    def _store(self, alert: StoreAlert) -> None:
        """Ask until it is durable. Asking twice is safe: evidence knows the id."""
        while not self._stopping.is_set():
            try:
                self._client.call(Verb.ALERT_STORE, alert, AlertStored)
            except MessageRefused as error:
                # It would be refused for ever: a fault of ours, told and counted.
                self._refused += 1
                log_error(_log, error)
                return
            except RoehError as error:
                self._tell(error)
                pause_s = _RETRY_S if isinstance(error, PeerGone) else _RETRY_STORAGE_S
                self._clock.wait(pause_s, self._stopping)
            else:
                self._stored += 1
                self._trouble = None
                return

    def _tell(self, error: RoehError) -> None:
        if self._trouble is None and not self._stopping.is_set():
            log_error(_log, error)
        self._trouble = error
