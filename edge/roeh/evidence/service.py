"""What evidence answers to each verb. Who may ask is decided before (core/peers.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.delivery import LeaseOutbox, OutboxBatch, OutboxRefused
from roeh.core.errors import PeerRefused, StorageFailed, StorageFull
from roeh.core.log import log_error, log_for
from roeh.core.peers import (
    AlertStored,
    BoardHealth,
    Done,
    EndStream,
    GopStored,
    NodeStatus,
    NodeStatusRequest,
    OpenAlerts,
    OpenAlertsRequest,
    Role,
    StoreAlert,
    StoreGop,
    Verb,
)
from roeh.core.types import MAX_DETAIL_CHARS, ProcessReport
from roeh.evidence.answerers import Answerer, RoleAnswerer
from roeh.evidence.recording import Recording
from roeh.evidence.storage_state import STORAGE_OK, StorageState
from roeh.evidence.write_pace import WritePace
from roeh.ledger.alerts import NodeStore

#: Processes repeat their report every five seconds; after three of them it is old news.
_SILENT_AFTER_US = 15_000_000

#: Questions of retrieve that are answered at once: the others wait, and recording does not.
_ANSWERED_AT_ONCE = 2
#: Who asks too often is told so no sooner: refusing costs too.
_REFUSED_S = 0.1
#: What it asks that waits by itself.
_WAITING = frozenset({Verb.ORDERS_TAKE})

#: What an alert that finds no room asks for: its rows, its thumbnail, and the log's.
_ALERT_ROOM_BYTES = 1 << 18

_log = log_for("evidence")


class EvidenceService:
    """The verbs, over one store and its recording.

    Args:
        recording: None where only alerts are stored.
        storage: told whether the store takes what is written.
        more: verbs that are answered elsewhere.
        by_role: likewise, where it matters who asks.
        restarting: processes that end because they were ordered to, and start again.
        board: how the board is.
        more_alarms: what a person should know beside the recording, a line each.
        counters: of evidence itself, for its report.
    """

    def __init__(
        self,
        store: NodeStore,
        clock: Clock,
        *,
        on_progress: Callable[[], None],
        recording: Recording | None = None,
        storage: StorageState | None = None,
        more: Mapping[Verb, Answerer] | None = None,
        by_role: Mapping[Verb, RoleAnswerer] | None = None,
        restarting: Callable[[], tuple[str, ...]] = tuple,
        board: Callable[[], BoardHealth] = BoardHealth,
        more_alarms: Callable[[], tuple[str, ...]] = tuple,
        counters: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self._store = store
        self._clock = clock
        self._recording = recording
        self._storage = storage or StorageState()
        self._board = board
        self._more_alarms = more_alarms
        self._counters = counters
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._reports: dict[str, ProcessReport] = {}
        self._refused = 0
        self._answerers: dict[type[msgspec.Struct], Answerer] = {
            StoreGop: self._store_gop,
            EndStream: self._end_stream,
            StoreAlert: self._store_alert,
            OpenAlertsRequest: self._open_alerts,
            LeaseOutbox: self._lease,
            OutboxRefused: self._refuse,
            NodeStatusRequest: lambda _: self.status(),
        }
        self._more = dict(more or {})
        self._by_role = dict(by_role or {})
        self._restarting = restarting
        self._pace = WritePace(clock)
        self._turns = threading.BoundedSemaphore(_ANSWERED_AT_ONCE)

    def handle(self, role: Role, verb: Verb, request: msgspec.Struct) -> msgspec.Struct:
        """Do what was asked, durably where the verb says so, and answer.

        Raises:
            RoehError: what the peer is told instead.
        """
        try:
            self._pace.check(verb)
        except PeerRefused:
            self._clock.wait(_REFUSED_S)
            raise
        if role is not Role.RETRIEVE or verb in _WAITING:
            return self._answered(role, verb, request)
        with self._turns:
            return self._answered(role, verb, request)

    def _answered(self, role: Role, verb: Verb, request: msgspec.Struct) -> msgspec.Struct:
        if isinstance(request, ProcessReport):
            answer: msgspec.Struct = self._report(role, request)
        elif verb in self._more:
            answer = self._more[verb](request)
        elif verb in self._by_role:
            answer = self._by_role[verb](role, request)
        elif type(request) in self._answerers:
            answer = self._answerers[type(request)](request)
        else:
            raise TypeError(f"{verb} has no handler")
        self._on_progress()
        return answer

    def status(self) -> NodeStatus:
        """How the node is now."""
        counts = self._store.counts()
        # After the counts: what they tell of was stored before this moment.
        now = self._clock.read()
        now_us = now.t_mono_ns // NS_PER_US
        oldest_us = counts.oldest_t_stored_mono_us
        if oldest_us is not None and counts.oldest_boot_id != now.boot_id:
            oldest_us = 0  # stored before this boot: at least as old as the boot
        recording = self._recording
        alarms = (() if recording is None else recording.alarms()) + self._more_alarms()
        board = self._board()
        restarting = self._restarting()
        storage = self._storage.text
        with self._lock:
            is_well = storage == STORAGE_OK and not alarms
            own = ProcessReport(
                process=Role.EVIDENCE.value,
                state="ok" if is_well else "degraded",
                detail=(alarms or (storage,))[0][:MAX_DETAIL_CHARS],
                t_mono_us=now_us,
                counters=self._counters(),
            )
            return NodeStatus(
                t_mono_us=now_us,
                boot_id=now.boot_id,
                reports=(own, *(_judged(report, now_us) for report in self._reports.values())),
                alerts_stored=self._store.alerts_stored(),
                outbox_rows=counts.rows,
                outbox_bytes=counts.size_bytes,
                outbox_oldest_age_us=0 if oldest_us is None else now_us - oldest_us,
                outbox_evicted=counts.evicted,
                outbox_refused=self._refused,
                storage_state=storage,
                checkpoint=None if recording is None else recording.checkpoint(),
                cameras=() if recording is None else recording.cameras(),
                alarms=alarms,
                board=board,
                restarting=restarting,
            )

    def _store_alert(self, request: StoreAlert) -> AlertStored:
        with self._storage.watched():
            try:
                seq = self._store.store(request.draft, request.thumbnail)
            except StorageFull:
                if self._recording is None or not self._recording.make_room(_ALERT_ROOM_BYTES):
                    raise
                seq = self._store.store(request.draft, request.thumbnail)
            return AlertStored(seq=seq)

    def _open_alerts(self, request: OpenAlertsRequest) -> OpenAlerts:
        return OpenAlerts(self._store.open_alerts(request.limit))

    def _lease(self, request: LeaseOutbox) -> OutboxBatch:
        return self._store.lease(
            limit=request.limit,
            in_flight_rows=request.in_flight_rows,
            wait_s=request.wait_s,
        )

    def _store_gop(self, request: StoreGop) -> GopStored:
        with self._storage.watched():
            return self._recorded().store(request.gop)

    def _end_stream(self, request: EndStream) -> Done:
        with self._storage.watched():
            return self._recorded().end_stream(request)

    def _recorded(self) -> Recording:
        if self._recording is None:
            raise TypeError("a service without recording was asked to record")
        return self._recording

    def _refuse(self, request: OutboxRefused) -> Done:
        with self._lock:
            self._refused += 1
        _log.error(
            "the broker refused row %d with reason 0x%02x; it stays in the outbox",
            request.row,
            request.reason_code,
        )
        return Done()

    def _report(self, role: Role, report: ProcessReport) -> Done:
        """A process speaks for itself alone, whatever name it gives."""
        with self._lock:
            self._reports[role.value] = msgspec.structs.replace(report, process=role.value)
        return Done()


def _judged(report: ProcessReport, now_us: int) -> ProcessReport:
    """A process that says nothing any more is not believed to be well."""
    age_us = now_us - report.t_mono_us
    if report.state == "stopped" or age_us <= _SILENT_AFTER_US:
        return report
    detail = f"no report for more than {_SILENT_AFTER_US // 1_000_000} s"
    # Nothing is known to be seen.
    state = "blind" if report.process == Role.CAPTURE.value else "degraded"
    return msgspec.structs.replace(report, state=state, detail=detail)


def log_refusal(error: Exception) -> None:
    """A peer was turned away."""
    if isinstance(error, StorageFailed | StorageFull):
        log_error(_log, error)
    else:
        _log.warning("turned away: %s", error)
