"""The alert store alone on a database of its own."""

from roeh.ledger.alerts import NodeStore
from roeh.ledger.database import NodeDatabase


class AloneStore(NodeStore):
    """Opened by path; closing it closes the database."""

    def __init__(self, path, clock, **bounds):
        self._alone = NodeDatabase(path)
        super().__init__(self._alone, clock, **bounds)

    def close(self):
        self.wake()
        self._alone.close()
