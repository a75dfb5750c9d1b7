"""The one transaction: an alert, its thumbnail and its outbox rows, or nothing.

Invariants, held by that transaction:
    1. An alert that was acknowledged is on the disk, and so is its way out.
    2. `seq` has no holes and no repeats, across restarts and reboots.
    3. The same message stored twice is stored once and gets the same `seq`.
    4. What waits, and what is kept of what was sent, are each bounded by bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.delivery import OutboxBatch, OutboxItem, OutboxKind
from roeh.core.errors import MessageRefused
from roeh.core.flows import OUTBOX_HISTORY_BYTES
from roeh.core.orders import SeqRange
from roeh.core.types import Alert, AlertDraft
from roeh.ledger.acknowledged import Receipt, Receipts, take_receipts
from roeh.ledger.database import NodeDatabase, next_number
from roeh.ledger.history import History
from roeh.ledger.open_alerts import OpenAlerts
from roeh.ledger.outbox import Outbox, OutboxCounts, OutboxRow, size_on_disk
from roeh.ledger.resend import resend

MAX_ALERT_BYTES = 8 * 1024
MAX_THUMBNAIL_BYTES = 8 * 1024
#: What one transaction forgets: the next one comes ten seconds later.
_FORGOTTEN_AT_ONCE = 500


AlertWitness = Callable[[sqlite3.Connection, Alert], None]
"""Told of each alert inside the transaction that stores it: its ledger record, its lock."""

EvictionWitness = Callable[[sqlite3.Connection, int, str], None]
"""Told `seq` and id of each alert that leaves the outbox unsent, inside that transaction."""


class NodeStore:
    """Alerts and their way out, for the single writer. Safe to call from several threads.

    Args:
        witnesses: what else the one transaction of an alert writes.
        evicted: what else the transaction of an eviction writes.
        checkpoint: the newest signed note of the ledger that may leave the pole.
        age_us: the node's age; what has left the outbox is forgotten by it.
        history_age_us: how long it is kept; None: until there is no room.
    """

    def __init__(
        self,
        database: NodeDatabase,
        clock: Clock,
        *,
        outbox_max_bytes: int,
        history_max_bytes: int = OUTBOX_HISTORY_BYTES,
        witnesses: tuple[AlertWitness, ...] = (),
        evicted: EvictionWitness | None = None,
        checkpoint: Callable[[], str | None] | None = None,
        age_us: Callable[[], int] = lambda: 0,
        history_age_us: int | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._witnesses = witnesses
        self._evicted = evicted
        self._checkpoint = checkpoint
        self._age_us = age_us
        self._history_age_us = history_age_us
        self._stored = database.lock.condition()
        self._waiting_over = False
        with database.reading() as connection:
            self._outbox = Outbox(connection, max_bytes=outbox_max_bytes)
            self._history = History(connection, max_bytes=history_max_bytes)
            self._open_alerts = OpenAlerts(connection)

    def store(self, draft: AlertDraft, thumbnail: bytes | None) -> int:
        """Make an alert durable and give it its place in the node's count.

        Raises:
            MessageRefused: too large, not an alert, or the thumbnail is not the one it names.
            StorageFull, StorageFailed: nothing was stored.
        """
        _check(draft, thumbnail)
        with self._stored:
            known = self._known(draft)
            if known is not None:
                return known
            with self._writing() as connection:
                seq = next_number(connection, "alert")
                alert = self._durable(draft, seq)
                self._insert(connection, alert, thumbnail)
                self._open_alerts.follow(alert)
                self._make_room(connection)
                for witness in self._witnesses:
                    witness(connection, alert)
            self._stored.notify_all()
        return alert.seq

    def lease(self, *, limit: int, in_flight_rows: tuple[int, ...], wait_s: float) -> OutboxBatch:
        """Rows to send, highest priority first; waits up to `wait_s` for the first.

        Empty when there is none in time, or when waiting is over (`wake`).

        Raises:
            StorageFailed: the database cannot be read.
        """
        items: tuple[OutboxItem, ...] = ()

        def found() -> bool:
            nonlocal items
            items = self._outbox.take(limit, in_flight_rows)
            return self._waiting_over or bool(items)

        with self._stored, self._database.reading():
            self._stored.wait_for(found, wait_s)
        return OutboxBatch(items=items)

    def delivered(self, rows: tuple[int, ...]) -> None:
        """The receiver has these rows: they leave the outbox; the alerts stay."""
        now_us = self._clock.read().t_utc_ns // NS_PER_US
        with self._writing() as connection:
            age_us = self._age_us()
            for row in self._outbox.remove(rows):
                if row.kind is OutboxKind.ALERT:
                    self._history.take_in(row.seq, delivered_utc_us=now_us, age_us=age_us)
            self._make_room(connection)

    def acknowledge(self, receipts: tuple[Receipt, ...]) -> Receipts:
        """The desk has these messages: what matches leaves the outbox; the alerts stay.

        Who calls has verified that the desk says so.

        Raises:
            StorageFull, StorageFailed: nothing left.
        """
        now_us = self._clock.read().t_utc_ns // NS_PER_US
        with self._writing() as connection:
            taken = take_receipts(
                connection,
                self._outbox,
                self._history,
                receipts,
                now_utc_us=now_us,
                age_us=self._age_us(),
            )
            self._make_room(connection)
        return taken

    def resend(self, ranges: Sequence[SeqRange]) -> tuple[SeqRange, ...]:
        """Queue what is kept of these numbers again; doing it twice does no more.

        Returns:
            Numbers that were never given or are forgotten, highest first. What is neither
            among them nor comes had no room: a desk that still misses it asks again.

        Raises:
            StorageFull, StorageFailed: nothing was queued.
        """
        now = self._clock.read()
        with self._stored:
            with self._writing() as connection:
                absent = resend(
                    connection,
                    self._outbox,
                    self._history,
                    ranges,
                    t_mono_us=now.t_mono_ns // NS_PER_US,
                    boot_id=now.boot_id,
                )
            self._stored.notify_all()
        return absent

    def forget_old(self) -> int:
        """Forget what left the outbox too long ago, a part at a time; how many it were.

        Raises:
            StorageFull, StorageFailed: nothing was forgotten.
        """
        if self._history_age_us is None:
            return 0
        until_us = self._age_us() - self._history_age_us
        with self._writing():
            return self._history.forget_until(until_us, limit=_FORGOTTEN_AT_ONCE)

    def next_number(self, name: str, *, at_least: int = 0) -> int:
        """The next value of a counter that only grows, durable before it is returned.

        It is greater than `at_least` too.
        """
        with self._database.writing() as connection:
            return next_number(connection, name, at_least=at_least)

    def counts(self) -> OutboxCounts:
        """How full the outbox is."""
        with self._database.reading():
            return self._outbox.counts()

    def open_alerts(self, limit: int) -> tuple[Alert, ...]:
        """Up to `limit` alerts that were raised and not cleared, oldest first."""
        with self._database.reading():
            return self._open_alerts.oldest(limit)

    def alerts_stored(self) -> int:
        """How many alert messages this node ever stored."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT value FROM counter WHERE name = 'alert'").fetchone()
        return int(found[0]) if found else 0

    def wake(self) -> None:
        """End every waiting `lease`; none waits from now on."""
        with self._stored:
            self._waiting_over = True
            self._stored.notify_all()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; what is counted in memory is undone with it.

        That includes a COMMIT that finds no room.
        """
        with (
            self._database.lock,
            self._outbox.undone_on_failure(),
            self._history.undone_on_failure(),
            self._database.writing() as connection,
        ):
            yield connection

    def _durable(self, draft: AlertDraft, seq: int) -> Alert:
        """The alert as it is stored, with the checkpoint if that leaves it small enough."""
        checkpoint = None if self._checkpoint is None else self._checkpoint()
        alert = Alert(**msgspec.structs.asdict(draft), seq=seq, checkpoint=checkpoint)
        if len(msgspec.json.encode(alert)) > MAX_ALERT_BYTES:
            return msgspec.structs.replace(alert, checkpoint=None)
        return alert

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Hold both bounds: of what waits, and of what is kept."""
        for evicted in self._outbox.shrink():
            if evicted.kind is OutboxKind.ALERT:
                age_us = self._age_us()
                self._history.take_in(evicted.seq, delivered_utc_us=None, age_us=age_us)
                if self._evicted is not None:
                    self._evicted(connection, evicted.seq, evicted.alert_id)
            else:
                self._history.drop_thumbnail(evicted.seq)
        self._history.shrink(waiting_bytes=self._outbox.waiting_bytes)

    def _known(self, draft: AlertDraft) -> int | None:
        """The `seq` of this very message, if it is stored already."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT payload_json FROM alert WHERE id = ?", (draft.id,)
            ).fetchone()
        if found is None:
            return None
        stored = msgspec.json.decode(found[0], type=Alert)
        if stored != Alert(
            **msgspec.structs.asdict(draft), seq=stored.seq, checkpoint=stored.checkpoint
        ):
            raise MessageRefused(
                what="another alert has this id",
                which=f"{draft.id}, alert {stored.seq} of this node",
                remedy="give every message an id of its own",
            )
        return stored.seq

    def _insert(
        self, connection: sqlite3.Connection, alert: Alert, thumbnail: bytes | None
    ) -> None:
        payload = msgspec.json.encode(alert)
        connection.execute(
            "INSERT INTO alert (seq, id, phase, priority, t_utc_us, payload_json)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (alert.seq, alert.id, alert.phase.value, alert.priority, alert.t_utc_us, payload),
        )
        self._queue(alert, OutboxKind.ALERT, payload)
        if thumbnail is not None:
            connection.execute(
                "INSERT INTO thumbnail (seq, picture) VALUES (?, ?)", (alert.seq, thumbnail)
            )
            self._queue(alert, OutboxKind.THUMBNAIL, thumbnail)

    def _queue(self, alert: Alert, kind: OutboxKind, payload: bytes) -> None:
        now = self._clock.read()
        self._history.add(payload)
        self._outbox.add(
            OutboxRow(
                kind=kind,
                alert_id=alert.id,
                seq=alert.seq,
                phase=alert.phase.value,
                priority=alert.priority,
                size_bytes=size_on_disk(payload),
                t_stored_mono_us=now.t_mono_ns // NS_PER_US,
                boot_id=now.boot_id,
            )
        )


def _check(draft: AlertDraft, thumbnail: bytes | None) -> None:
    """Refuse at the door what could never be sent."""
    payload = msgspec.json.encode(draft)
    if len(payload) > MAX_ALERT_BYTES:
        raise MessageRefused(
            what=f"the alert takes {len(payload)} bytes",
            which=draft.id,
            remedy=f"at most {MAX_ALERT_BYTES} are stored",
        )
    try:
        # A figure that is not a number leaves as null, and no receiver would take it.
        msgspec.json.decode(payload, type=AlertDraft)
    except msgspec.ValidationError as error:
        raise MessageRefused(
            what=f"the alert has a field that cannot be sent ({error})",
            which=draft.id,
            remedy="give every field a value of its type, finite and in its range",
        ) from None
    if thumbnail is not None and len(thumbnail) > MAX_THUMBNAIL_BYTES:
        raise MessageRefused(
            what=f"the thumbnail takes {len(thumbnail)} bytes",
            which=draft.id,
            remedy=f"at most {MAX_THUMBNAIL_BYTES} are stored",
        )
    given = None if thumbnail is None else hashlib.sha256(thumbnail).hexdigest()
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
