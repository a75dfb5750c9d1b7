"""The evidence process: opens the store, answers the others until told to stop."""

from __future__ import annotations

import contextlib
import threading

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK
from roeh.core.ipc.stream import StreamServer
from roeh.core.notify import Notifier
from roeh.core.paths import evidence_socket, node_database
from roeh.core.users import node_users
from roeh.evidence.service import EvidenceService, log_refusal
from roeh.ledger.alerts import NodeStore
from roeh.ledger.database import NodeDatabase


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Serve until `stop`; the exit status of the process.

    Raises:
        StorageFull, StorageFailed: the store or the socket cannot be opened.
    """
    notifier = Notifier()
    with contextlib.ExitStack() as closing:
        database = NodeDatabase(node_database(config))
        closing.callback(database.close)
        store = NodeStore(
            database,
            clock,
            outbox_max_bytes=config.outbox.max_bytes,
            history_max_bytes=config.outbox.history_max_bytes,
        )
        service = EvidenceService(store, clock, on_progress=notifier.progress)
        server = StreamServer(
            evidence_socket(config),
            node_users(config),
            service.handle,
            on_refused=log_refusal,
            clock=clock,
        )
        # In this order backwards: no lease waits, every answer is given, the store closes.
        closing.callback(server.close)
        closing.callback(store.wake)
        server.start()
        notifier.ready("storing alerts")
        stop.wait()
        notifier.stopping()
    return EXIT_OK
