"""What poles answer to commands: verified, and written beside the command."""

from __future__ import annotations

import msgspec

from roeh.core.errors import MessageRefused
from roeh.core.orders import Answer, Command, Outcome, ResendOrder, SeqRange
from roeh.desk.ingest.pole_rows import pole_key
from roeh.desk.ingest.seq_rows import lose
from roeh.desk.pole import Pole
from roeh.desk.store import Transaction
from roeh.transport.down import parse_body
from roeh.transport.messages import SignedAnswer, Snapshot
from roeh.transport.signed import open_answer

#: States of a command that its final answer ended.
FINAL = (Outcome.DONE.value, Outcome.REFUSED.value, Outcome.FAILED.value)


class _CommandRow(msgspec.Struct, frozen=True):
    state: str
    command_json: bytes


def keep_answer(
    transaction: Transaction, pole: Pole, signed: SignedAnswer, now_utc_us: int
) -> bool:
    """Write an answer beside its command; False when it is not believed.

    Believed is what the pole's log key signed, of a command that was given to that pole. The
    first final answer stays.
    """
    answer = _verified(transaction, pole, signed)
    if answer is None:
        return False
    row = _command(transaction, pole, answer.command_id)
    if row is None:
        return False
    if row.state in FINAL or (answer.outcome is Outcome.ACCEPTED and row.state != "pending"):
        return True
    transaction.execute(
        "UPDATE command SET state = ?, answer_json = ?, statement = ?, t_answered_utc_us = ?"
        " WHERE id = ?",
        (
            *(answer.outcome.value, msgspec.json.encode(answer), signed.statement),
            *(now_utc_us, answer.command_id),
        ),
    )
    if answer.outcome is Outcome.DONE and answer.absent:
        _lose_absent(transaction, pole, answer, row.command_json, now_utc_us)
    return True


def keep_snapshot(
    transaction: Transaction, pole: Pole, snapshot: Snapshot, now_utc_us: int
) -> bool:
    """Keep the picture that a command asked for; False when none did."""
    row = _command(transaction, pole, snapshot.command_id)
    if row is None or row.state in (Outcome.REFUSED.value, Outcome.FAILED.value):
        return False
    transaction.insert_new(
        "INSERT INTO command_picture (command_id, site, node, picture, sha256, t_received_utc_us)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (command_id) DO NOTHING",
        [
            (
                *(snapshot.command_id, pole.site, pole.node),
                *(snapshot.picture, snapshot.sha256, now_utc_us),
            )
        ],
    )
    return True


def _verified(transaction: Transaction, pole: Pole, signed: SignedAnswer) -> Answer | None:
    key = pole_key(transaction, pole)
    if key is None or key.log_spki is None:
        return None
    try:
        statement = open_answer(signed.statement, str(pole), key.log_spki)
        answer = parse_body(statement.body, Answer)
    except MessageRefused:
        return None
    return answer if (answer.site, answer.node) == (pole.site, pole.node) else None


def _command(transaction: Transaction, pole: Pole, command_id: str) -> _CommandRow | None:
    found = transaction.select(
        _CommandRow,
        "SELECT state, command_json FROM command WHERE id = ? AND site = ? AND node = ?",
        (command_id, pole.site, pole.node),
    )
    return found[0] if found else None


def _lose_absent(
    transaction: Transaction, pole: Pole, answer: Answer, command_json: bytes, now_utc_us: int
) -> None:
    """What was asked for and is not there any more; what was not asked for is nobody's word."""
    order = msgspec.json.decode(command_json, type=Command).order
    if not isinstance(order, ResendOrder):
        return
    for absent in answer.absent:
        for asked in order.ranges:
            first, last = max(absent.first, asked.first), min(absent.last, asked.last)
            if first <= last:
                both = SeqRange(first, last)
                lose(transaction, pole, both, answer.command_id, now_utc_us)
