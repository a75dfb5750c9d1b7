"""The one transaction: an alert, its thumbnail and its outbox rows, or nothing.

Invariants, held by that transaction:
    1. An alert that was acknowledged is on the disk, and so is its way out.
    2. `seq` has no holes and no repeats, across restarts and reboots.
    3. The same message stored twice is stored once and gets the same `seq`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import MessageRefused
from roeh.core.peers import OutboxBatch, OutboxItem, OutboxKind
from roeh.core.types import Alert, AlertDraft
from roeh.ledger.database import open_database, storage_errors, transaction
from roeh.ledger.outbox import Outbox, OutboxCounts

MAX_ALERT_BYTES = 8 * 1024
MAX_THUMBNAIL_BYTES = 8 * 1024


class NodeStore:
    """node.db, for its single writer. Safe to call from several threads."""

    def __init__(self, path: Path, clock: Clock, *, outbox_max_bytes: int) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._stored = threading.Condition(self._lock)
        self._database = open_database(path)
        with storage_errors(path):
            self._outbox = Outbox(self._database, max_bytes=outbox_max_bytes)

    def store(self, draft: AlertDraft, thumbnail_jpeg: bytes | None) -> int:
        """Make an alert durable and give it its place in the node's count.

        Raises:
            MessageRefused: too large, or the thumbnail is not the one the alert names.
            StorageFull, StorageFailed: nothing was stored.
        """
        _check(draft, thumbnail_jpeg)
        with self._stored, storage_errors(self._path):
            known = self._known_seq(draft.id)
            if known is not None:
                return known
            with transaction(self._database), self._outbox.undone_on_failure():
                seq = self._next("alert")
                alert = Alert(**msgspec.structs.asdict(draft), seq=seq)
                payload = msgspec.json.encode(alert)
                self._insert(alert, payload, thumbnail_jpeg)
                self._queue(alert, payload, thumbnail_jpeg)
            self._stored.notify_all()
        return seq

    def lease(self, *, limit: int, in_flight_rows: tuple[int, ...], wait_s: float) -> OutboxBatch:
        """Rows to send, highest priority first; waits up to `wait_s` for the first.

        Raises:
            StorageFailed: the database cannot be read.
        """
        with self._stored, storage_errors(self._path):
            items = self._outbox.take(limit, in_flight_rows)
            if not items and wait_s > 0:
                self._stored.wait(wait_s)
                items = self._outbox.take(limit, in_flight_rows)
        return OutboxBatch(items=items)

    def delivered(self, rows: tuple[int, ...]) -> None:
        """The receiver has these rows: they leave the outbox; the alerts stay."""
        now_us = self._clock.read().t_utc_ns // NS_PER_US
        with self._lock, storage_errors(self._path):
            with transaction(self._database), self._outbox.undone_on_failure():
                self._outbox.remove(rows, delivered_utc_us=now_us)

    def next_number(self, name: str) -> int:
        """The next value of a counter that only grows, durable before it is returned."""
        with self._lock, storage_errors(self._path), transaction(self._database):
            return self._next(name)

    def counts(self) -> OutboxCounts:
        """How full the outbox is."""
        with self._lock, storage_errors(self._path):
            return self._outbox.counts()

    def alerts_stored(self) -> int:
        """How many alert messages this node ever stored."""
        with self._lock, storage_errors(self._path):
            found = self._database.execute(
                "SELECT value FROM counter WHERE name = 'alert'"
            ).fetchone()
        return int(found[0]) if found else 0

    def wake(self) -> None:
        """End every waiting `lease` now."""
        with self._stored:
            self._stored.notify_all()

    def close(self) -> None:
        """Close the database."""
        with self._lock, storage_errors(self._path):
            self._database.close()

    def _known_seq(self, alert_id: str) -> int | None:
        found = self._database.execute("SELECT seq FROM alert WHERE id = ?", (alert_id,)).fetchone()
        return int(found[0]) if found else None

    def _next(self, name: str) -> int:
        (value,) = self._database.execute(
            "INSERT INTO counter (name, value) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (name,),
        ).fetchone()
        return int(value)

    def _insert(self, alert: Alert, payload: bytes, thumbnail_jpeg: bytes | None) -> None:
        self._database.execute(
            "INSERT INTO alert (seq, id, raised_id, phase, priority, t_utc_us, t_mono_us,"
            " boot_id, payload_json, thumbnail_jpeg) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                alert.seq,
                alert.id,
                alert.raised_id,
                alert.phase.value,
                alert.priority,
                alert.t_utc_us,
                alert.t_mono_us,
                alert.boot_id,
                payload,
                thumbnail_jpeg,
            ),
        )

    def _queue(self, alert: Alert, payload: bytes, thumbnail_jpeg: bytes | None) -> None:
        now = self._clock.read()
        parts = [(OutboxKind.ALERT, payload)]
        if thumbnail_jpeg is not None:
            parts.append((OutboxKind.THUMBNAIL, thumbnail_jpeg))
        for kind, part in parts:
            item = OutboxItem(
                row=0,
                kind=kind,
                alert_id=alert.id,
                seq=alert.seq,
                priority=alert.priority,
                payload=part,
                payload_sha256=hashlib.sha256(part).hexdigest(),
                t_stored_mono_us=now.t_mono_ns // NS_PER_US,
                boot_id=now.boot_id,
            )
            self._outbox.add(item, phase=alert.phase)


def _check(draft: AlertDraft, thumbnail_jpeg: bytes | None) -> None:
    """Refuse at the door what could never be sent."""
    size_bytes = len(msgspec.json.encode(draft))
    if size_bytes > MAX_ALERT_BYTES:
        raise MessageRefused(
            what=f"the alert takes {size_bytes} bytes",
            which=draft.id,
            remedy=f"at most {MAX_ALERT_BYTES} are stored",
        )
    if thumbnail_jpeg is None:
        given = None
    else:
        given = hashlib.sha256(thumbnail_jpeg).hexdigest()
        if len(thumbnail_jpeg) > MAX_THUMBNAIL_BYTES:
            raise MessageRefused(
                what=f"the thumbnail takes {len(thumbnail_jpeg)} bytes",
                which=draft.id,
                remedy=f"at most {MAX_THUMBNAIL_BYTES} are stored",
            )
    if given != draft.thumbnail_sha256:
        raise MessageRefused(
            what="the thumbnail is not the one that the alert names",
            which=draft.id,
            remedy="send the alert with its own thumbnail",
        )


def read_alerts(database: sqlite3.Connection) -> list[Alert]:
    """Every stored alert in the order of the node's count."""
    rows = database.execute("SELECT payload_json FROM alert ORDER BY seq").fetchall()
    return [msgspec.json.decode(payload, type=Alert) for (payload,) in rows]
