"""Alerts, pictures and tombstones as rows: each once, by pole and id.

Invariants:
    1. What is acknowledged is in the database with that very sha256.
    2. A row is never overwritten: another message under its id is not acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.core.delivery import OutboxKind
from roeh.core.types import Alert, Tombstone
from roeh.desk.ingest.received import Received
from roeh.desk.pole import Pole
from roeh.desk.store import Transaction, Value
from roeh.transport.messages import Thumbnail


class Placed(msgspec.Struct, frozen=True):
    """Where a message stands after it was to be stored."""

    received: Received
    kind: OutboxKind
    id: str
    is_new: bool
    is_contradicted: bool


_Row = tuple[Value, ...]

_INSERT_ALERT = """
    INSERT INTO alert (site, node, id, seq, raised_id, phase, priority, rule, rule_kind, zone,
        label, bearing_deg, range_m, latitude_deg, longitude_deg, t_utc_us, clock_error_us,
        thumbnail_sha256, payload, sha256, t_received_utc_us)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (site, node, id) DO NOTHING
"""
_INSERT_THUMBNAIL = """
    INSERT INTO thumbnail (site, node, id, picture, sha256, t_received_utc_us)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (site, node, id) DO NOTHING
"""
_INSERT_TOMBSTONE = """
    INSERT INTO tombstone (site, node, id, seq, sha256, t_received_utc_us)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (site, node, id) DO NOTHING
"""
_KINDS: tuple[tuple[type[msgspec.Struct], OutboxKind, str], ...] = (
    (Alert, OutboxKind.ALERT, _INSERT_ALERT),
    (Thumbnail, OutboxKind.THUMBNAIL, _INSERT_THUMBNAIL),
    (Tombstone, OutboxKind.TOMBSTONE, _INSERT_TOMBSTONE),
)
_SHA256: dict[OutboxKind, str] = {
    OutboxKind.ALERT: "SELECT sha256 FROM alert WHERE site = ? AND node = ? AND id = ?",
    OutboxKind.THUMBNAIL: "SELECT sha256 FROM thumbnail WHERE site = ? AND node = ? AND id = ?",
    OutboxKind.TOMBSTONE: "SELECT sha256 FROM tombstone WHERE site = ? AND node = ? AND id = ?",
}


def place(transaction: Transaction, batch: Sequence[Received], now_utc_us: int) -> list[Placed]:
    """Store what is new among alerts, pictures and tombstones; what became of each of these."""
    placed: list[Placed] = []
    for message_type, kind, insert in _KINDS:
        chosen = [received for received in batch if isinstance(received.message, message_type)]
        rows = [_row(received, now_utc_us) for received in chosen]
        for received, is_new in zip(chosen, transaction.insert_new(insert, rows), strict=True):
            message_id = message_id_of(received)
            contradicted = not is_new and _stored_sha256(
                transaction, kind, received.pole, message_id
            ) != (received.sha256)
            placed.append(Placed(received, kind, message_id, is_new, contradicted))
    return placed


def message_id_of(received: Received) -> str:
    """The id by which it is stored once."""
    message = received.message
    if isinstance(message, Thumbnail):
        return message.alert_id
    assert isinstance(message, Alert | Tombstone)
    return message.id


def is_tombstone(transaction: Transaction, pole: Pole, seq: int) -> bool:
    """Whether the alert of this number was evicted: it may come late all the same."""
    return bool(
        transaction.values(
            "SELECT 1 FROM tombstone WHERE site = ? AND node = ? AND seq = ? LIMIT 1",
            (pole.site, pole.node, seq),
        )
    )


def _stored_sha256(
    transaction: Transaction, kind: OutboxKind, pole: Pole, message_id: str
) -> Value:
    return transaction.values(_SHA256[kind], (pole.site, pole.node, message_id))[0][0]


def _row(received: Received, now_utc_us: int) -> _Row:
    message, pole = received.message, received.pole
    if isinstance(message, Alert):
        return _alert_row(message, received, now_utc_us)
    if isinstance(message, Thumbnail):
        named = (pole.site, pole.node, message.alert_id)
        return (*named, message.picture, received.sha256, now_utc_us)
    assert isinstance(message, Tombstone)
    named = (pole.site, pole.node, message.id)
    return (*named, message.evicted_seq, received.sha256, now_utc_us)


def _alert_row(alert: Alert, received: Received, now_utc_us: int) -> _Row:
    where = alert.where
    return (
        *(alert.site, alert.node, alert.id, alert.seq, alert.raised_id, alert.phase.value),
        *(alert.priority, alert.rule, alert.rule_kind.value, alert.zone, alert.label),
        *(where.bearing_deg, where.range_m, where.latitude_deg, where.longitude_deg),
        *(alert.t_utc_us, alert.clock.error_us, alert.thumbnail_sha256),
        *(received.payload, received.sha256, now_utc_us),
    )
