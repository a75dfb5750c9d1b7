"""What ingest shows to Prometheus: its own counts, and what is missing and silent."""

from __future__ import annotations

import msgspec

from roeh.core.clock import Clock
from roeh.core.metrics import MetricsFile
from roeh.desk.store import DeskStore

_MISSING = "SELECT coalesce(sum(last - first + 1.0), 0) FROM seq_missing"
_POLES = "SELECT online, is_silent, count(*) FROM pole GROUP BY online, is_silent"


class IngestMetrics:
    """Writes the file when it is time.

    Args:
        file: where it stands.
        store: the desk's.
        clock: says when.
    """

    def __init__(self, file: MetricsFile, store: DeskStore, clock: Clock) -> None:
        self._file = file
        self._store = store
        self._clock = clock

    def write_if_due(self, counts: msgspec.Struct, *, is_connected: bool) -> None:
        """The counts since the start, and how the database is.

        Raises:
            DeskFailed: it is away.
        """
        if self._clock.mono_ns() < self._file.due_ns:
            return
        counters = {name: float(getattr(counts, name)) for name in counts.__struct_fields__}
        counters["connected"] = float(is_connected)
        counters |= self._known()
        self._file.write_if_due("ok" if is_connected else "degraded", counters)

    def _known(self) -> dict[str, float]:
        poles = {"online": 0.0, "silent": 0.0, "offline": 0.0}
        with self._store.reading() as transaction:
            ((missing,),) = transaction.values(_MISSING)
            for online, is_silent, count in transaction.values(_POLES):
                link = "offline" if not online else "silent" if is_silent else "online"
                poles[link] += float(count or 0)
        return {
            "missing": float(missing or 0),
            **{f"poles_{link}": count for link, count in poles.items()},
        }
