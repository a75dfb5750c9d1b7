"""What the ledger says of alerts: stored, and evicted from the outbox unsent."""

from __future__ import annotations

import hashlib
import sqlite3

import msgspec

from roeh.core.types import Alert
from roeh.ledger.log import Log
from roeh.ledger.records import AlertRecord, EvictionRecord


class AlertRecords:
    """Its methods are called inside the transaction of what they record."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def on_alert(self, connection: sqlite3.Connection, alert: Alert) -> None:
        """An AlertWitness: the alert's record, with the hash of the message as it is sent."""
        record = AlertRecord(
            seq=alert.seq,
            id=alert.id,
            raised_id=alert.raised_id,
            phase=alert.phase.value,
            priority=alert.priority,
            rule=alert.rule,
            payload_sha256=hashlib.sha256(msgspec.json.encode(alert)).hexdigest(),
            thumbnail_sha256=alert.thumbnail_sha256,
        )
        self._log.append(connection, record)

    def on_evicted(self, connection: sqlite3.Connection, seq: int, alert_id: str) -> None:
        """The alert leaves the outbox; its tombstone goes in its place."""
        self._log.append(connection, EvictionRecord(seq=seq, id=alert_id))
