"""Alerts that a desk asks for again: what is kept goes back into the outbox.

Nothing that waits gives way to it: as much is queued as there is room for, at most
MAX_RESENT_ALERTS an order, the newest first. The rest stays where it is, and the desk, which
still misses it, asks again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from roeh.core.delivery import OutboxKind
from roeh.core.orders import SeqRange
from roeh.ledger.history import History
from roeh.ledger.outbox import Outbox, OutboxRow, row_of, size_on_disk

#: The most alerts that one order puts back: one transaction of a second at most on a board.
MAX_RESENT_ALERTS = 200
#: The most holes that one answer names: it fits into a packet.
MAX_ABSENT_RANGES = 100


class _Kept(msgspec.Struct, frozen=True):
    """An alert that is stored, wherever it stands. Its thumbnail may be gone."""

    seq: int
    alert_id: str
    phase: str
    priority: int
    payload: bytes
    picture: bytes | None


def merged(ranges: Sequence[SeqRange]) -> tuple[SeqRange, ...]:
    """The same numbers in ranges that do not touch, the highest first; empty ones left out."""
    found: list[SeqRange] = []
    for each in sorted((each for each in ranges if each.first <= each.last), reverse=True):
        if found and each.last >= found[-1].first - 1:
            last = max(each.last, found[-1].last)
            found[-1] = SeqRange(min(each.first, found[-1].first), last)
        else:
            found.append(each)
    return tuple(found)


def resend(
    connection: sqlite3.Connection,
    outbox: Outbox,
    history: History,
    ranges: Sequence[SeqRange],
    *,
    t_mono_us: int,
    boot_id: str,
) -> tuple[SeqRange, ...]:
    """Queue what is kept of these numbers, in the caller's transaction.

    What waits already stays as it is. An alert that was evicted and is still kept goes out
    after all, in place of its tombstone. `ranges` come in any order; it is `t_mono_us` in
    the boot `boot_id`.

    Returns:
        Numbers that were never given or are forgotten, highest first. What is neither among
        them nor comes was left for the next order.
    """
    absent: list[SeqRange] = []
    looked_at = 0
    for each in merged(ranges):
        kept = _kept(connection, each, MAX_RESENT_ALERTS - looked_at + 1)
        is_cut = looked_at + len(kept) > MAX_RESENT_ALERTS
        if is_cut:
            kept = kept[: MAX_RESENT_ALERTS - looked_at]
        looked_at += len(kept)
        for alert in kept:
            _queue(outbox, history, alert, t_mono_us=t_mono_us, boot_id=boot_id)
        absent += _holes(outbox, each, [alert.seq for alert in kept], is_cut=is_cut)
        if is_cut or len(absent) >= MAX_ABSENT_RANGES:
            break
    return tuple(absent[:MAX_ABSENT_RANGES])


def _kept(connection: sqlite3.Connection, asked: SeqRange, limit: int) -> list[_Kept]:
    rows = connection.execute(
        "SELECT alert.seq, id, phase, priority, payload_json, picture FROM alert"
        " LEFT JOIN thumbnail ON thumbnail.seq = alert.seq"
        " WHERE alert.seq BETWEEN ? AND ? ORDER BY alert.seq DESC LIMIT ?",
        (asked.first, asked.last, limit),
    )
    return [_Kept(*row) for row in rows]


def _queue(outbox: Outbox, history: History, alert: _Kept, *, t_mono_us: int, boot_id: str) -> None:
    """The alert and its thumbnail, each if it does not wait already and has room."""
    for kind, payload in ((OutboxKind.ALERT, alert.payload), (OutboxKind.THUMBNAIL, alert.picture)):
        if payload is None or outbox.waits(row_of(kind, alert.seq)):
            continue
        size_bytes = size_on_disk(payload)
        if size_bytes > outbox.room_bytes:
            return
        outbox.add(
            OutboxRow(
                kind=kind,
                alert_id=alert.alert_id,
                seq=alert.seq,
                phase=alert.phase,
                priority=alert.priority,
                size_bytes=size_bytes,
                t_stored_mono_us=t_mono_us,
                boot_id=boot_id,
                is_resent=True,
            )
        )
        if kind is OutboxKind.ALERT:
            history.give_back(alert.seq)
            outbox.remove((row_of(OutboxKind.TOMBSTONE, alert.seq),))


def _holes(outbox: Outbox, asked: SeqRange, kept: list[int], *, is_cut: bool) -> list[SeqRange]:
    """What lies between the kept ones (highest first), down to the last one looked at."""
    holes: list[SeqRange] = []
    above = asked.last + 1
    for seq in [*kept, *([] if is_cut else [asked.first - 1])]:
        if seq + 1 < above:
            holes += outbox.without_tombstones(SeqRange(seq + 1, above - 1))
        above = seq
    return holes
