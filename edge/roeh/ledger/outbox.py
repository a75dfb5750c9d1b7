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
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from roeh.core.delivery import OutboxItem, OutboxKind
from roeh.core.errors import StorageFailed
from roeh.core.orders import SeqRange
from roeh.core.types import Tombstone

#: What a message takes beside its payload: rows, keys, ids and index entries.
ROW_OVERHEAD_BYTES = 300

_OFFSETS = {OutboxKind.ALERT: 0, OutboxKind.THUMBNAIL: 1, OutboxKind.TOMBSTONE: 2}
_ROWS_PER_SEQ = 4

_COLUMNS = "kind, alert_id, seq, phase, priority, size_bytes, t_stored_mono_us, boot_id, is_resent"
_PAYLOAD = (
    "CASE kind"
    " WHEN 'alert' THEN (SELECT payload_json FROM alert WHERE alert.seq = outbox.seq)"
    " WHEN 'thumb' THEN (SELECT picture FROM thumbnail WHERE thumbnail.seq = outbox.seq) END"
)

#: Who gives way first, in the very words of the schema's partial indexes.
_VICTIMS = (
    "SELECT row FROM outbox WHERE kind = 'thumb' ORDER BY row LIMIT 1",
    "SELECT row FROM outbox WHERE kind = 'alert' AND phase = 'updated' ORDER BY row LIMIT 1",
    "SELECT row FROM outbox WHERE kind = 'alert' ORDER BY priority, row LIMIT 1",
)


class OutboxCounts(msgspec.Struct, frozen=True):
    """How full the outbox is; `evicted` counts rows ever evicted.

    The oldest is that of the rows that were never sent: what is sent again is not late.
    """

    rows: int
    size_bytes: int
    oldest_t_stored_mono_us: int | None
    oldest_boot_id: str | None
    evicted: int


class OutboxRow(msgspec.Struct, frozen=True):
    """A message that waits; its payload stands with the alert.

    `phase` is that of the alert, empty for a tombstone. `is_resent`: it left the outbox
    before, and a desk asked for it again.
    """

    kind: OutboxKind
    alert_id: str
    seq: int
    phase: str
    priority: int
    size_bytes: int
    t_stored_mono_us: int
    boot_id: str
    is_resent: bool = False


def row_of(kind: OutboxKind, seq: int) -> int:
    """The key of a message's row: one message's for ever, since `seq` is; oldest first."""
    return seq * _ROWS_PER_SEQ + _OFFSETS[kind]


def size_on_disk(payload: bytes) -> int:
    """Bytes that a message of this payload takes."""
    return len(payload) + ROW_OVERHEAD_BYTES


def tombstone_json(seq: int, alert_id: str) -> bytes:
    """The message that stands for an evicted alert."""
    return msgspec.json.encode(Tombstone(evicted_seq=seq, id=alert_id))


class Outbox:
    """The rows of the outbox; every call belongs to a transaction of the caller's."""

    def __init__(self, database: sqlite3.Connection, *, max_bytes: int) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._size_bytes: int
        self._buried_bytes: int
        self._size_bytes, self._buried_bytes = database.execute(
            "SELECT coalesce(sum(size_bytes), 0),"
            " coalesce(sum(size_bytes) FILTER (WHERE kind = 'tombstone'), 0) FROM outbox"
        ).fetchone()

    @property
    def waiting_bytes(self) -> int:
        """What the alerts and thumbnails that wait take on disk."""
        return self._size_bytes - self._buried_bytes

    @property
    def room_bytes(self) -> int:
        """How much can be added before something has to give way."""
        return self._max_bytes - self._size_bytes

    @contextlib.contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        """Keep the counts of bytes in step with a transaction inside that is undone."""
        before = self._size_bytes, self._buried_bytes
        try:
            yield
        except BaseException:
            self._size_bytes, self._buried_bytes = before
            raise

    def add(self, row: OutboxRow) -> None:
        """Queue a message; `shrink` comes after."""
        self._database.execute(
            f"INSERT INTO outbox (row, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
            (
                row_of(row.kind, row.seq),
                row.kind.value,
                row.alert_id,
                row.seq,
                row.phase,
                row.priority,
                row.size_bytes,
                row.t_stored_mono_us,
                row.boot_id,
                row.is_resent,
            ),
        )
        self._count(row, row.size_bytes)

    def shrink(self) -> list[OutboxRow]:
        """Evict in the order of the flow table until the bound holds."""
        evicted: list[OutboxRow] = []
        for victims in _VICTIMS:
            while self._size_bytes > self._max_bytes:
                victim = self._database.execute(victims).fetchone()
                if victim is None:
                    break
                row = self._delete(victim[0])
                if row is not None:
                    self._bury(row)
                    evicted.append(row)
        return evicted

    def take(self, limit: int, in_flight_rows: tuple[int, ...]) -> tuple[OutboxItem, ...]:
        """Up to `limit` rows that are not in flight, highest priority first, then oldest."""
        marks = ", ".join("?" * len(in_flight_rows))
        found = self._database.execute(
            f"SELECT {_COLUMNS}, {_PAYLOAD} FROM outbox WHERE row NOT IN ({marks})"  # noqa: S608 - constants and marks
            " ORDER BY priority DESC, row LIMIT ?",
            (*in_flight_rows, limit),
        ).fetchall()
        return tuple(_item(_row(columns), payload) for *columns, payload in found)

    def remove(self, keys: Sequence[int]) -> list[OutboxRow]:
        """Take these rows out; those of them that were still there."""
        removed = (self._delete(key) for key in keys)
        return [row for row in removed if row is not None]

    def waits(self, key: int) -> bool:
        """Whether this row is there."""
        found = self._database.execute("SELECT 1 FROM outbox WHERE row = ?", (key,)).fetchone()
        return found is not None

    def without_tombstones(self, numbers: SeqRange) -> list[SeqRange]:
        """These numbers less those for which a tombstone waits, highest first."""
        found: list[SeqRange] = []
        last = numbers.last
        keys = self._database.execute(
            "SELECT seq FROM outbox WHERE kind = 'tombstone' AND row BETWEEN ? AND ?"
            " ORDER BY row DESC",
            (row_of(OutboxKind.ALERT, numbers.first), row_of(OutboxKind.TOMBSTONE, numbers.last)),
        )
        for (seq,) in [*keys, (numbers.first - 1,)]:
            if seq < last:
                found.append(SeqRange(seq + 1, last))
            last = seq - 1
        return found

    def counts(self) -> OutboxCounts:
        """How full it is."""
        (rows,) = self._database.execute("SELECT count(*) FROM outbox").fetchone()
        oldest = self._database.execute(
            "SELECT t_stored_mono_us, boot_id FROM outbox WHERE NOT is_resent ORDER BY row LIMIT 1"
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

    def _delete(self, key: int) -> OutboxRow | None:
        """Take a row out; None when it was acknowledged before, or evicted meanwhile."""
        deleted = self._database.execute(
            f"DELETE FROM outbox WHERE row = ? RETURNING {_COLUMNS}",  # noqa: S608 - constants
            (key,),
        ).fetchone()
        if deleted is None:
            return None
        row = _row(deleted)
        self._count(row, -row.size_bytes)
        return row

    def _bury(self, row: OutboxRow) -> None:
        """Count what was evicted; an alert leaves its tombstone."""
        self._database.execute(
            "INSERT INTO counter (name, value) VALUES ('outbox_evicted', 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1"
        )
        if row.kind is OutboxKind.ALERT:
            size_bytes = size_on_disk(tombstone_json(row.seq, row.alert_id))
            self.add(
                msgspec.structs.replace(
                    row,
                    kind=OutboxKind.TOMBSTONE,
                    phase="",
                    size_bytes=size_bytes,
                )
            )

    def _count(self, row: OutboxRow, change_bytes: int) -> None:
        self._size_bytes += change_bytes
        if row.kind is OutboxKind.TOMBSTONE:
            self._buried_bytes += change_bytes


def _row(columns: Sequence[Any]) -> OutboxRow:
    """A row as SQLite gives it (its types are the schema's)."""
    kind, alert_id, seq, phase, priority, size_bytes, t_stored_mono_us, boot_id, resent = columns
    return OutboxRow(
        kind=OutboxKind(kind),
        alert_id=alert_id,
        seq=seq,
        phase=phase,
        priority=priority,
        size_bytes=size_bytes,
        t_stored_mono_us=t_stored_mono_us,
        boot_id=boot_id,
        is_resent=bool(resent),
    )


def _item(row: OutboxRow, payload: bytes | None) -> OutboxItem:
    if row.kind is OutboxKind.TOMBSTONE:
        payload = tombstone_json(row.seq, row.alert_id)
    if payload is None:
        raise StorageFailed(
            what=f"a {row.kind.value} waits in the outbox and is not there",
            which=f"alert {row.seq} in node.db",
            remedy="the store is damaged: keep it for examination and start a new one",
        )
    return OutboxItem(
        row=row_of(row.kind, row.seq),
        kind=row.kind,
        alert_id=row.alert_id,
        seq=row.seq,
        priority=row.priority,
        payload=payload,
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        t_stored_mono_us=row.t_stored_mono_us,
        boot_id=row.boot_id,
    )
