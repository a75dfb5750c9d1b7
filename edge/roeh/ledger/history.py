"""What no longer waits to be sent, kept for a desk that asks again.

Bounded by bytes, oldest first, and by the time that the node ran since it left the outbox:
after that nothing of it is on the pole but what the ledger says, which has no picture.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from roeh.core.delivery import OutboxKind
from roeh.ledger.database import overwriting
from roeh.ledger.outbox import ROW_OVERHEAD_BYTES, row_of, size_on_disk


class History:
    """Alerts and thumbnails on disk; every call belongs to a transaction of the caller's.

    What is kept is all that is stored less what waits in the outbox.
    """

    def __init__(self, database: sqlite3.Connection, *, max_bytes: int) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._stored_bytes: int
        (self._stored_bytes,) = database.execute(
            "SELECT (SELECT coalesce(sum(length(payload_json) + ?1), 0) FROM alert)"
            " + (SELECT coalesce(sum(length(picture) + ?1), 0) FROM thumbnail)",
            (ROW_OVERHEAD_BYTES,),
        ).fetchone()

    @contextlib.contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Keep the count of bytes in step with a transaction inside that is undone."""
        before = self._stored_bytes
        try:
            yield
        except BaseException:
            self._stored_bytes = before
            raise

    def add(self, payload: bytes) -> None:
        """An alert or a thumbnail was stored."""
        self._stored_bytes += size_on_disk(payload)

    def take_in(self, seq: int, *, delivered_utc_us: int | None, age_us: int) -> None:
        """An alert left the outbox at this age of the node: delivered, or evicted (None)."""
        self._database.execute(
            "INSERT INTO history (seq, delivered_utc_us, left_age_us) VALUES (?, ?, ?)",
            (seq, delivered_utc_us, age_us),
        )

    def note_delivered(self, seq: int, *, delivered_utc_us: int) -> None:
        """An alert that was evicted while it was under way did arrive."""
        self._database.execute(
            "UPDATE history SET delivered_utc_us = ? WHERE seq = ? AND delivered_utc_us IS NULL",
            (delivered_utc_us, seq),
        )

    def give_back(self, seq: int) -> None:
        """An alert waits in the outbox again."""
        self._database.execute("DELETE FROM history WHERE seq = ?", (seq,))

    def drop_thumbnail(self, seq: int) -> None:
        """A thumbnail was evicted from the outbox: it makes room on the disk."""
        self._delete("thumbnail", "picture", seq)

    def shrink(self, *, waiting_bytes: int) -> None:
        """Forget the oldest until the bound holds; never one whose thumbnail still waits.

        Args:
            waiting_bytes: what of all that is stored still waits in the outbox.
        """
        while self._stored_bytes - waiting_bytes > self._max_bytes:
            oldest = self._free("1 ORDER BY seq LIMIT 1")
            if not oldest:
                return
            self._forget(oldest[0])

    def forget_until(self, age_us: int, *, limit: int) -> int:
        """Forget up to `limit` that left the outbox when the node was this old, or younger.

        Never one whose thumbnail still waits. Returns how many were forgotten.
        """
        due = self._free("left_age_us <= ? ORDER BY left_age_us LIMIT ?", age_us, limit)
        for seq in due:
            self._forget(seq)
        return len(due)

    def _free(self, which: str, *arguments: int) -> list[int]:
        """Those of the history whose thumbnails do not wait."""
        rows = self._database.execute(
            "SELECT seq FROM history WHERE NOT EXISTS"  # noqa: S608 - constants
            f" (SELECT 1 FROM outbox WHERE outbox.row = history.seq * ? + ?) AND {which}",
            (row_of(OutboxKind.ALERT, 1), row_of(OutboxKind.THUMBNAIL, 0), *arguments),
        )
        return [seq for (seq,) in rows]

    def _forget(self, seq: int) -> None:
        self._delete("alert", "payload_json", seq)
        self._delete("thumbnail", "picture", seq)
        self._database.execute("DELETE FROM history WHERE seq = ?", (seq,))

    def _delete(self, table: str, column: str, seq: int) -> None:
        """Delete it and overwrite its bytes in the file: they may show a person."""
        with overwriting(self._database):
            deleted = self._database.execute(
                f"DELETE FROM {table} WHERE seq = ? RETURNING length({column})",  # noqa: S608 - constants
                (seq,),
            ).fetchone()
        if deleted is not None:
            self._stored_bytes -= deleted[0] + ROW_OVERHEAD_BYTES
