"""The outbox: what still has to leave the pole, bounded by bytes on disk.

When full, room is made in the order of the flow table: oldest thumbnails, then
updates (the alert they update is merged into what remains), then the lowest priority,
oldest first. An alert message that gives way leaves a tombstone that names it and is
never evicted itself, so that a receiver knows what it did not get.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator

import msgspec

from roeh.core.peers import OutboxItem, OutboxKind
from roeh.core.types import AlertPhase

_COLUMNS = "row, kind, alert_id, seq, priority, payload, payload_sha256, t_stored_mono_us, boot_id"

#: What a row takes beside its payload: key, ids, hash and index entries.
ROW_OVERHEAD_BYTES = 200


class Tombstone(msgspec.Struct, frozen=True):
    """What is left of an evicted alert: at most 100 bytes of JSON."""

    evicted_seq: int
    id: str


class OutboxCounts(msgspec.Struct, frozen=True):
    """How full the outbox is; `evicted` counts rows ever evicted."""

    rows: int
    size_bytes: int
    oldest_t_stored_mono_us: int | None
    oldest_boot_id: str | None
    evicted: int


class Outbox:
    """The rows of the outbox; every call belongs to a transaction of the caller's."""

    def __init__(self, database: sqlite3.Connection, *, max_bytes: int) -> None:
        self._database = database
        self._max_bytes = max_bytes
        (self._size_bytes,) = database.execute(
            "SELECT coalesce(sum(size_bytes), 0) FROM outbox"
        ).fetchone()

    @contextlib.contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Keep the count of bytes in step with a transaction that is undone."""
        before = self._size_bytes
        try:
            yield
        except BaseException:
            self._size_bytes = before
            raise

    def add(self, item: OutboxItem, *, phase: AlertPhase) -> None:
        """Queue a message, making room for it if need be.

        A thumbnail that does not fit without evicting an alert is evicted itself.
        """
        size_bytes = len(item.payload) + ROW_OVERHEAD_BYTES
        self._make_room(size_bytes)
        self._database.execute(
            "INSERT INTO outbox (kind, alert_id, seq, phase, priority, size_bytes,"
            " t_stored_mono_us, boot_id, payload, payload_sha256)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item.kind.value,
                item.alert_id,
                item.seq,
                phase.value,
                item.priority,
                size_bytes,
                item.t_stored_mono_us,
                item.boot_id,
                item.payload,
                item.payload_sha256,
            ),
        )
        self._size_bytes += size_bytes

    def take(self, limit: int, in_flight_rows: tuple[int, ...]) -> tuple[OutboxItem, ...]:
        """Up to `limit` rows that are not in flight, highest priority first, then oldest."""
        marks = ", ".join("?" * len(in_flight_rows))
        found = self._database.execute(
            f"SELECT {_COLUMNS} FROM outbox WHERE row NOT IN ({marks})"  # noqa: S608 - marks only
            " ORDER BY priority DESC, row LIMIT ?",
            (*in_flight_rows, limit),
        ).fetchall()
        return tuple(_item(values) for values in found)

    def remove(self, rows: tuple[int, ...], *, delivered_utc_us: int) -> None:
        """These rows were delivered."""
        for row in rows:
            removed = self._database.execute(
                "DELETE FROM outbox WHERE row = ? RETURNING size_bytes, kind, alert_id", (row,)
            ).fetchone()
            if removed is None:
                continue  # acknowledged twice
            size_bytes, kind, alert_id = removed
            self._size_bytes -= size_bytes
            if kind == OutboxKind.ALERT.value:
                self._database.execute(
                    "UPDATE alert SET delivered_utc_us = ? WHERE id = ?",
                    (delivered_utc_us, alert_id),
                )

    def counts(self) -> OutboxCounts:
        """How full it is."""
        (rows,) = self._database.execute("SELECT count(*) FROM outbox").fetchone()
        oldest = self._database.execute(
            "SELECT t_stored_mono_us, boot_id FROM outbox ORDER BY row LIMIT 1"
        ).fetchone()
        evicted = self._database.execute(
            "SELECT value FROM counter WHERE name = 'outbox_evicted'"
        ).fetchone()
        return OutboxCounts(
            rows=rows,
            size_bytes=self._size_bytes,
            oldest_t_stored_mono_us=oldest[0] if oldest else None,
            oldest_boot_id=oldest[1] if oldest else None,
            evicted=evicted[0] if evicted else 0,
        )

    def _make_room(self, needed_bytes: int) -> None:
        """Evict in the order of the flow table until `needed_bytes` fit."""
        choices = (
            ("kind = 'thumb'", "row"),
            ("kind = 'alert' AND phase = 'updated'", "row"),
            ("kind = 'alert'", "priority, row"),
        )
        for condition, order in choices:
            while self._size_bytes + needed_bytes > self._max_bytes:
                victim = self._database.execute(
                    f"SELECT {_COLUMNS} FROM outbox WHERE {condition}"  # noqa: S608 - constants
                    f" ORDER BY {order} LIMIT 1"
                ).fetchone()
                if victim is None:
                    break
                self._evict(_item(victim))

    def _evict(self, item: OutboxItem) -> None:
        (size_bytes,) = self._database.execute(
            "DELETE FROM outbox WHERE row = ? RETURNING size_bytes", (item.row,)
        ).fetchone()
        self._size_bytes -= size_bytes
        self._database.execute(
            "INSERT INTO counter (name, value) VALUES ('outbox_evicted', 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1"
        )
        if item.kind is OutboxKind.ALERT:
            self._bury(item)

    def _bury(self, item: OutboxItem) -> None:
        payload = msgspec.json.encode(Tombstone(evicted_seq=item.seq, id=item.alert_id))
        self._database.execute(
            "INSERT INTO outbox (kind, alert_id, seq, phase, priority, size_bytes,"
            " t_stored_mono_us, boot_id, payload, payload_sha256)"
            " VALUES ('tombstone', ?, ?, '', ?, ?, ?, ?, ?, ?)",
            (
                item.alert_id,
                item.seq,
                item.priority,
                len(payload),
                item.t_stored_mono_us,
                item.boot_id,
                payload,
                hashlib.sha256(payload).hexdigest(),
            ),
        )
        self._size_bytes += len(payload)


def _item(values: tuple[int, str, str, int, int, bytes, str, int, str]) -> OutboxItem:
    row, kind, alert_id, seq, priority, payload, digest, t_stored_mono_us, boot_id = values
    return OutboxItem(
        row=row,
        kind=OutboxKind(kind),
        alert_id=alert_id,
        seq=seq,
        priority=priority,
        payload=payload,
        payload_sha256=digest,
        t_stored_mono_us=t_stored_mono_us,
        boot_id=boot_id,
    )
