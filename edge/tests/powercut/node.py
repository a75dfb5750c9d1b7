"""The store of a node as evidence opens it, with every start-up step, in this process."""

from __future__ import annotations

from pathlib import Path

from roeh.core.clock import SystemClock
from roeh.ledger.alerts import NodeStore
from roeh.ledger.database import NodeDatabase

#: Small, so that nothing is evicted from so small a disk.
_OUTBOX_BYTES = 16 * 1024 * 1024


class Node:
    """Opened on the file system at `point`."""

    def __init__(self, point: Path) -> None:
        clock = SystemClock()
        self.database = NodeDatabase(point / "data" / "node.db")
        self.store = NodeStore(self.database, clock, outbox_max_bytes=_OUTBOX_BYTES)

    def close(self) -> None:
        self.store.wake()
        self.database.close()
