"""The evidence process: opens the store, answers the others until told to stop."""

from __future__ import annotations

import contextlib
import threading

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK, RoehError, StorageDamaged
from roeh.core.ipc.stream import StreamServer
from roeh.core.metrics import node_metrics
from roeh.core.notify import Notifier
from roeh.core.paths import clock_file, evidence_socket
from roeh.core.peers import Role
from roeh.core.users import node_users
from roeh.evidence.clock_telling import ClockTelling
from roeh.evidence.commands import Commands
from roeh.evidence.delivery import Delivery
from roeh.evidence.health import NodeHealth
from roeh.evidence.metrics import NodeMetrics
from roeh.evidence.operations import OperationsBook
from roeh.evidence.parts import EvidenceParts
from roeh.evidence.rebuilding import note_damage, rebuild_if_needed, rebuild_store
from roeh.evidence.recording import Recording
from roeh.evidence.retrieval import Retrieval
from roeh.evidence.service import EvidenceService, log_refusal
from roeh.ledger.custody import Custody
from roeh.ledger.recovery import RebuildNeeded


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Serve until `stop`; the exit status of the process.

    Raises:
        StorageFull, StorageFailed: the store or the socket cannot be opened, or the medium
            failed: the next start looks at what is on it.
        KeyRefused: a key is missing, unsafe or not this node's.
        ConfigError: desk.keys_file cannot be read.
    """
    telling = ClockTelling(clock_file(config), clock)
    telling.begin()
    with contextlib.closing(telling):
        kept = rebuild_if_needed(config, clock)
        try:
            return _serve(config, clock, stop, telling, kept)
        except RebuildNeeded as found:
            kept = rebuild_store(config, clock, str(found))
        except StorageDamaged:
            if stop.is_set():  # it was met while serving
                note_damage(config)
                raise
            kept = rebuild_store(config, clock, "node.db was damaged")
        return _serve(config, clock, stop, telling, kept)


def _serve(
    config: NodeConfig,
    clock: Clock,
    stop: threading.Event,
    telling: ClockTelling,
    notices: tuple[str, ...],
) -> int:
    notifier = Notifier()
    failures: list[RoehError] = []

    def fail(error: RoehError) -> None:
        failures.append(error)
        stop.set()

    with contextlib.ExitStack() as closing:
        parts = EvidenceParts(config, clock, closing, on_failed=fail)
        recording = Recording(parts, on_lost=fail, notices=notices)
        closing.callback(recording.close)
        recording.begin()
        parts.finish_erasures()
        parts.access.begin()
        commands = Commands(parts.commands(restart=stop.set))
        commands.begin()
        custody = Custody(parts.custody(alarms=recording.alarms))
        retrieval = Retrieval(parts.retrieval(named=custody.named))
        closing.callback(retrieval.close)
        retrieval.begin()
        service = EvidenceService(
            parts.store,
            clock,
            on_progress=notifier.progress,
            recording=recording,
            storage=parts.storage,
            more={
                **custody.answerers,
                **Delivery(parts.delivery()).answerers,
                **commands.answerers,
                **OperationsBook(parts.database, parts.log).answerers,
                **parts.outputs.answerers,
                **retrieval.answerers,
            },
            by_role=commands.role_answerers,
            restarting=commands.restarting,
            board=NodeHealth(parts.health()).now,
            more_alarms=lambda: parts.trust.alarms() + retrieval.alarms() + telling.alarms(),
            counters=lambda: commands.counters() | retrieval.counters(),
        )
        server = StreamServer(
            evidence_socket(config),
            node_users(config),
            service.handle,
            on_refused=log_refusal,
            clock=clock,
        )
        # In this order backwards: no lease waits, every answer is given, segments close,
        # the store closes.
        closing.callback(server.close)
        closing.callback(parts.store.wake)
        closing.callback(parts.outputs.wake)
        closing.callback(commands.close)
        metrics = node_metrics(config, Role.EVIDENCE.value, clock)
        if metrics is not None:
            shown = NodeMetrics(
                metrics,
                status=service.status,
                recording=custody.status,
                gaps=custody.gaps,
                clock=clock,
            )
            closing.callback(shown.close)
            shown.begin()
        server.start()
        notifier.ready("storing alerts")
        stop.wait()
        notifier.stopping()
    if failures:
        raise failures[0]
    return EXIT_OK
