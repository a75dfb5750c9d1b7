"""The outbox: what still has to leave the pole, bounded by bytes on disk.

When full, room is made in the order of the flow table: oldest thumbnails, then oldest
updates, then the lowest priority, oldest first; the newest is no exception. An alert
message that gives way leaves a tombstone that names it and is never evicted itself, so
that a receiver knows what it did not get.

Bound: rows that are not tombstones take at most `max_bytes` less what tombstones take.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator

import msgspec

from roeh.core.errors import StorageFailed
from roeh.core.peers import OutboxItem, OutboxKind
from roeh.core.types import AlertPhase

#: What a row takes beside its payload: key, ids, hash and index entries.
ROW_OVERHEAD_BYTES = 300
MAX_TOMBSTONE_BYTES = 100

_OFFSETS = {OutboxKind.ALERT: 0, OutboxKind.THUMBNAIL: 1, OutboxKind.TOMBSTONE: 2}
_ROWS_PER_SEQ = 4

_ITEM = (
    "SELECT o.row, o.kind, o.alert_id, o.seq, o.priority, o.payload_sha256, o.t_stored_mono_us,"
    " o.boot_id, CASE o.kind"
    " WHEN 'alert' THEN (SELECT payload_json FROM alert WHERE alert.seq = o.seq)"
    " WHEN 'thumb' THEN (SELECT jpeg FROM thumbnail WHERE thumbnail.seq = o.seq) END"
    " FROM outbox AS o"
)

#: Who gives way first, in the very words of the schema's partial indexes.
_VICTIMS = (
    "SELECT row FROM outbox WHERE kind = 'thumb' ORDER BY row LIMIT 1",
    "SELECT row FROM outbox WHERE kind = 'alert' AND phase = 'updated' ORDER BY row LIMIT 1",
    "SELECT row FROM outbox WHERE kind = 'alert' ORDER BY priority, row LIMIT 1",
)


class Tombstone(msgspec.Struct, frozen=True):
    """What is left of an evicted alert: at most `MAX_TOMBSTONE_BYTES` of JSON."""

    evicted_seq: int
    id: str


class OutboxCounts(msgspec.Struct, frozen=True):
    """How full the outbox is; `evicted` counts rows ever evicted."""

    rows: int
    size_bytes: int
    oldest_t_stored_mono_us: int | None
    oldest_boot_id: str | None
    evicted: int


def row_of(kind: OutboxKind, seq: int) -> int:
    """The key of a message's row: never used twice, since `seq` is not; oldest first."""
    return seq * _ROWS_PER_SEQ + _OFFSETS[kind]


def tombstone_json(seq: int, alert_id: str) -> bytes:
    """The message that stands for an evicted alert."""
    return msgspec.json.encode(Tombstone(evicted_seq=seq, id=alert_id))


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
        """Keep the count of bytes in step with a transaction inside that is undone."""
        before = self._size_bytes
        try:
            yield
        except BaseException:
            self._size_bytes = before
            raise

    def add(self, item: OutboxItem, *, phase: AlertPhase) -> None:
        """Queue a message whose payload the ledger holds; `shrink` comes after."""
        self._insert(item, phase.value)

    def shrink(self) -> list[int]:
        """Evict in the order of the flow table until the bound holds; `seq` of the alerts."""
        evicted: list[int] = []
        for victims in _VICTIMS:
            while self._size_bytes > self._max_bytes:
                victim = self._database.execute(victims).fetchone()
                if victim is None:
                    break
                item = self._evict(victim[0])
                if item.kind is OutboxKind.ALERT:
                    self._bury(item)
                    evicted.append(item.seq)
        return evicted

    def take(self, limit: int, in_flight_rows: tuple[int, ...]) -> tuple[OutboxItem, ...]:
        """Up to `limit` rows that are not in flight, highest priority first, then oldest."""
        marks = ", ".join("?" * len(in_flight_rows))
        found = self._database.execute(
            f"{_ITEM} WHERE o.row NOT IN ({marks}) ORDER BY o.priority DESC, o.row LIMIT ?",
            (*in_flight_rows, limit),
        ).fetchall()
        return tuple(_item(values) for values in found)

    def remove(self, rows: tuple[int, ...]) -> list[int]:
        """These rows were delivered; `seq` of the alerts among them."""
        delivered: list[int] = []
        for row in rows:
            removed = self._database.execute(
                "DELETE FROM outbox WHERE row = ? RETURNING size_bytes, kind, seq", (row,)
            ).fetchone()
            if removed is None:
                continue  # acknowledged twice, or evicted meanwhile
            size_bytes, kind, seq = removed
            self._size_bytes -= size_bytes
            if kind == OutboxKind.ALERT.value:
                delivered.append(seq)
        return delivered

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

    def _evict(self, row: int) -> OutboxItem:
        item = _item(self._database.execute(f"{_ITEM} WHERE o.row = ?", (row,)).fetchone())
        (size_bytes,) = self._database.execute(
            "DELETE FROM outbox WHERE row = ? RETURNING size_bytes", (row,)
        ).fetchone()
        self._size_bytes -= size_bytes
        self._database.execute(
            "INSERT INTO counter (name, value) VALUES ('outbox_evicted', 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1"
        )
        return item

    def _bury(self, item: OutboxItem) -> None:
        payload = tombstone_json(item.seq, item.alert_id)
        self._insert(
            msgspec.structs.replace(
                item,
                row=row_of(OutboxKind.TOMBSTONE, item.seq),
                kind=OutboxKind.TOMBSTONE,
                payload=payload,
                payload_sha256=hashlib.sha256(payload).hexdigest(),
            ),
            "",
        )

    def _insert(self, item: OutboxItem, phase: str) -> None:
        size_bytes = len(item.payload) + ROW_OVERHEAD_BYTES
        self._database.execute(
            "INSERT INTO outbox (row, kind, alert_id, seq, phase, priority, size_bytes,"
            " t_stored_mono_us, boot_id, payload_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item.row,
                item.kind.value,
                item.alert_id,
                item.seq,
                phase,
                item.priority,
                size_bytes,
                item.t_stored_mono_us,
                item.boot_id,
                item.payload_sha256,
            ),
        )
        self._size_bytes += size_bytes


def _item(values: tuple[int, str, str, int, int, str, int, str, bytes | None]) -> OutboxItem:
    row, name, alert_id, seq, priority, digest, t_stored_mono_us, boot_id, payload = values
    kind = OutboxKind(name)
    if payload is None:
        if kind is not OutboxKind.TOMBSTONE:
            raise StorageFailed(
                what=f"row {row} of the outbox waits for a message that is not there",
                which=f"alert {seq} in node.db",
                remedy="the store is damaged: keep it for examination and start a new one",
            )
        payload = tombstone_json(seq, alert_id)
    return OutboxItem(
        row=row,
        kind=kind,
        alert_id=alert_id,
        seq=seq,
        priority=priority,
        payload=payload,
        payload_sha256=digest,
        t_stored_mono_us=t_stored_mono_us,
        boot_id=boot_id,
    )
