"""Alerts that no longer wait to be sent, kept for a desk that asks again, bounded by bytes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from roeh.core.peers import OutboxKind
from roeh.ledger.outbox import row_of


class History:
    """Delivered and evicted alerts; every call belongs to a transaction of the caller's."""

    def __init__(self, database: sqlite3.Connection, *, max_bytes: int) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._size_bytes: int
        (self._size_bytes,) = database.execute(
            "SELECT coalesce(sum(size_bytes), 0) FROM history JOIN alert USING (seq)"
        ).fetchone()

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return self._size_bytes

    @contextlib.contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Keep the count of bytes in step with a transaction inside that is undone."""
        before = self._size_bytes
        try:
            yield
        except BaseException:
            self._size_bytes = before
            raise

    def take_in(self, seqs: list[int], *, delivered_utc_us: int | None) -> None:
        """These alerts left the outbox: delivered at that time, or evicted (None)."""
        for seq in seqs:
            self._database.execute(
                "INSERT INTO history (seq, delivered_utc_us) VALUES (?, ?)",
                (seq, delivered_utc_us),
            )
            (size_bytes,) = self._database.execute(
                "SELECT size_bytes FROM alert WHERE seq = ?", (seq,)
            ).fetchone()
            self._size_bytes += size_bytes

    def shrink(self) -> None:
        """Forget the oldest until the bound holds; never one whose thumbnail still waits."""
        while self._size_bytes > self._max_bytes:
            oldest = self._database.execute(
                "SELECT seq, size_bytes FROM history JOIN alert USING (seq)"
                " WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE row = seq * ? + ?)"
                " ORDER BY seq LIMIT 1",
                (row_of(OutboxKind.ALERT, 1), row_of(OutboxKind.THUMBNAIL, 0)),
            ).fetchone()
            if oldest is None:
                return
            seq, size_bytes = oldest
            for table in ("thumbnail", "alert", "history"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE seq = ?",  # noqa: S608 - constants
                    (seq,),
                )
            self._size_bytes -= size_bytes
