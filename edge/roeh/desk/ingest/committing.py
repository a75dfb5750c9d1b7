"""A batch of messages into the database, in one transaction.

Steps, in this order: who was heard, states and heartbeats; alerts, pictures and tombstones;
their numbers; answers and snapshots; alarms (the hook); counts. What `commit` returns is on
the disk; when it raises, nothing of the batch is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.types import Alert, Tombstone
from roeh.desk.commit_hook import CommitHook
from roeh.desk.ingest.answer_rows import keep_answer, keep_snapshot
from roeh.desk.ingest.message_rows import Placed, is_tombstone, place
from roeh.desk.ingest.pole_rows import keep_poles, within_room
from roeh.desk.ingest.received import Received, Stored
from roeh.desk.ingest.seq_rows import add_known, find_again, forget_from, runs_of
from roeh.desk.pole import Pole
from roeh.desk.store import DeskStore, Transaction
from roeh.keys.chain import TrustAnchors
from roeh.transport.down import AckEntry
from roeh.transport.messages import SignedAnswer, Snapshot

DUPLICATES = "duplicates"
CONTRADICTED = "two_payloads"
NOT_BELIEVED = "answers_refused"

_COUNT = """
    INSERT INTO counter (site, node, name, value) VALUES (?, ?, ?, ?)
    ON CONFLICT (site, node, name) DO UPDATE SET value = counter.value + excluded.value
"""


def commit(
    store: DeskStore,
    batch: Sequence[Received],
    hook: CommitHook,
    anchors: TrustAnchors | None,
    now: ClockReading,
) -> Stored:
    """Commit a batch; what may be acknowledged.

    Args:
        store: the desk's database.
        batch: messages in the order in which they came.
        hook: what is done for new alerts in the same transaction.
        anchors: roots that vouch for ledgers' keys; None: the first key of a pole stays.
        now: the desk's time.

    Raises:
        DeskFailed: nothing of it was stored.
    """
    with store.writing() as transaction:
        return _commit(transaction, batch, hook, anchors, now)


def _commit(
    transaction: Transaction,
    batch: Sequence[Received],
    hook: CommitHook,
    anchors: TrustAnchors | None,
    now: ClockReading,
) -> Stored:
    now_utc_us = now.t_utc_ns // NS_PER_US
    asked, batch = len(batch), within_room(transaction, batch)
    keep_poles(transaction, batch, anchors, now)
    placed = place(transaction, batch, now_utc_us)
    _account_for(transaction, placed, hook, now_utc_us)
    counts: dict[tuple[Pole, str], int] = defaultdict(int)
    for received in batch:
        if isinstance(received.message, SignedAnswer):
            believed = keep_answer(transaction, received.pole, received.message, now_utc_us)
        elif isinstance(received.message, Snapshot):
            believed = keep_snapshot(transaction, received.pole, received.message, now_utc_us)
        else:
            continue
        if not believed:
            counts[received.pole, NOT_BELIEVED] += 1
    refused = sum(counts.values()) + asked - len(batch)
    acknowledged: dict[Pole, list[AckEntry]] = defaultdict(list)
    for one in placed:
        pole = one.received.pole
        if one.is_contradicted:
            counts[pole, CONTRADICTED] += 1
            hook.on_two_payloads(transaction, pole, one.id, now_utc_us)
            continue
        if not one.is_new:
            counts[pole, DUPLICATES] += 1
        acknowledged[pole].append(AckEntry(one.kind, one.id, one.received.sha256))
    alerts = [
        one.received.message
        for one in placed
        if one.is_new and isinstance(one.received.message, Alert)
    ]
    if alerts:
        hook.on_alerts(transaction, alerts, now_utc_us)
    for (pole, name), value in sorted(counts.items()):
        transaction.execute(_COUNT, (pole.site, pole.node, name, value))
    return Stored(
        acknowledged=dict(acknowledged),
        new=sum(one.is_new for one in placed),
        duplicates=sum(not one.is_new and not one.is_contradicted for one in placed),
        contradicted=sum(one.is_contradicted for one in placed),
        refused=refused,
    )


def _account_for(
    transaction: Transaction, placed: Sequence[Placed], hook: CommitHook, now_utc_us: int
) -> None:
    new: dict[Pole, set[int]] = defaultdict(set)
    again: dict[Pole, set[int]] = defaultdict(set)
    for one in placed:
        # A duplicate's number may not be known: it was forgotten, or one too many.
        if not one.is_contradicted and (seq := _seq_of(one)) > 0:
            (new if one.is_new else again)[one.received.pole].add(seq)
    for pole in sorted(again):
        for run in runs_of(again[pole] - new[pole]):
            add_known(transaction, pole, run)
    alerts = {
        (one.received.pole, one.received.message.seq)
        for one in placed
        if one.is_new and isinstance(one.received.message, Alert)
    }
    for pole in sorted(new):
        taken = [
            seq
            for seq in _known_before(transaction, pole, new[pole])
            if not find_again(transaction, pole, seq)
            and (pole, seq) in alerts
            and not is_tombstone(transaction, pole, seq)
        ]
        if taken:
            # Two alerts of one number: since it is given once, the pole began to count again.
            forget_from(transaction, pole, taken[0])
            for run in runs_of(seq for seq in new[pole] if seq >= taken[0]):
                add_known(transaction, pole, run)
            hook.on_count_again(transaction, pole, taken[0], now_utc_us)


def _known_before(transaction: Transaction, pole: Pole, numbers: set[int]) -> list[int]:
    """Account for these numbers; those that were accounted for before, the lowest first."""
    return [
        seq
        for run in runs_of(numbers)
        for known in add_known(transaction, pole, run)
        for seq in range(max(run.first, known.first), min(run.last, known.last) + 1)
    ]


def _seq_of(one: Placed) -> int:
    """Its number in the pole's count; 0: it has none."""
    message = one.received.message
    if isinstance(message, Alert):
        return message.seq
    return message.evicted_seq if isinstance(message, Tombstone) else 0
