"""What the desk says it has: which rows may leave the outbox on its word.

Invariants:
    1. A row leaves on the desk's word only if the word names its kind, its id and the hash of
       the very bytes that are stored.
    2. A row that left before is answered as one that leaves now: the desk may say it twice,
       and the answer to the first may never have arrived.
"""

from __future__ import annotations

import hashlib
import sqlite3

import msgspec

from roeh.core.delivery import OutboxKind
from roeh.core.types import Alert
from roeh.ledger.history import History
from roeh.ledger.outbox import Outbox, row_of, tombstone_json


class Receipt(msgspec.Struct, frozen=True):
    """One message that the desk has: which, and the hash of what it has (hexadecimal)."""

    kind: OutboxKind
    alert_id: str
    payload_sha256: str


class Receipts(msgspec.Struct, frozen=True):
    """What came of receipts.

    Attributes:
        rows: with the desk; none of them is in the outbox any more.
        other: the desk has other bytes than are stored here: nothing was deleted.
        unknown: of no message that is still known here, and so of none that waits.
    """

    rows: tuple[int, ...]
    other: tuple[Receipt, ...]
    unknown: int


def take_receipts(
    connection: sqlite3.Connection,
    outbox: Outbox,
    history: History,
    receipts: tuple[Receipt, ...],
    *,
    now_utc_us: int,
    age_us: int,
) -> Receipts:
    """Take out of the outbox what the desk has, in the caller's transaction.

    `now_utc_us` and the node's age `age_us` are for the history.
    """
    rows: list[int] = []
    other: list[Receipt] = []
    unknown = 0
    for receipt in receipts:
        seq = _seq_of(connection, receipt.alert_id)
        if seq is None:
            unknown += 1
            continue
        if _stored_sha256(connection, receipt, seq) != receipt.payload_sha256:
            other.append(receipt)
            continue
        key = row_of(receipt.kind, seq)
        was_waiting = bool(outbox.remove((key,)))
        if receipt.kind is OutboxKind.ALERT:
            if was_waiting:
                history.take_in(seq, delivered_utc_us=now_utc_us, age_us=age_us)
            else:
                # Evicted while it was under way: it did arrive, and nothing stands for it.
                history.note_delivered(seq, delivered_utc_us=now_utc_us)
                outbox.remove((row_of(OutboxKind.TOMBSTONE, seq),))
        rows.append(key)
    return Receipts(tuple(rows), tuple(other), unknown)


def _seq_of(connection: sqlite3.Connection, alert_id: str) -> int | None:
    """A message's place in the count; a tombstone may outlive the alert it stands for."""
    found = connection.execute("SELECT seq FROM alert WHERE id = ?", (alert_id,)).fetchone()
    if found is None:
        found = connection.execute(
            "SELECT seq FROM outbox WHERE kind = 'tombstone' AND alert_id = ?", (alert_id,)
        ).fetchone()
    return None if found is None else int(found[0])


def _stored_sha256(connection: sqlite3.Connection, receipt: Receipt, seq: int) -> str | None:
    """The hash of what was stored to be sent; None when there was nothing of that kind."""
    if receipt.kind is OutboxKind.TOMBSTONE:
        return hashlib.sha256(tombstone_json(seq, receipt.alert_id)).hexdigest()
    found = connection.execute("SELECT payload_json FROM alert WHERE seq = ?", (seq,)).fetchone()
    if found is None:
        return None
    (payload,) = found
    if receipt.kind is OutboxKind.ALERT:
        return hashlib.sha256(payload).hexdigest()
    # Checked when it was stored; the picture itself may be gone by now.
    return msgspec.json.decode(payload, type=Alert).thumbnail_sha256
