"""Commands of this boot out of the ledger, for a rebuild: none of them is taken twice.

The newest records may not have reached the mirror, so that what was given before the rebuild is
not taken any more (`Horizon.rebuilt_mono_us`). What was not finished is not done again, but for
a resend, which does no harm, and a new start of evidence, which this is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.orders import (
    Answer,
    HoldOrder,
    LastingOrder,
    Outcome,
    Reason,
    ResendOrder,
    RestartOrder,
)
from roeh.core.peers import Role
from roeh.ledger.command_rows import (
    ACCEPTED,
    DONE,
    FAILED,
    Horizon,
    KnownCommand,
    Taken,
    commands_where,
    insert_command,
    put_in_force,
    write_horizon,
)
from roeh.ledger.commands import CommandBook
from roeh.ledger.log import Log
from roeh.ledger.records import CommandRecord, OutcomeRecord, Record

_BATCH = 500


def restore_commands(connection: sqlite3.Connection, log: Log, clock: Clock) -> None:
    """Write the rows that the records tell, in the caller's transaction.

    Counters of rows are ahead of all that were given.
    """
    now = clock.read()
    restored: dict[str, KnownCommand] = {}
    for record in _records(connection, log):
        if record.boot_id != now.boot_id:
            continue
        if isinstance(record.body, CommandRecord):
            restored[record.body.id] = _restore(connection, record, record.body)
        elif isinstance(record.body, OutcomeRecord) and record.body.command_id in restored:
            _finish(connection, restored[record.body.command_id], record, record.body)
    book = CommandBook(log, clock)
    for left in commands_where(connection, "state = ?", ACCEPTED):
        if not _may_go_on(left):
            book.finish(connection, left.row, Outcome.FAILED, Reason.REBUILT.value)
    horizon = Horizon(rebuilt_mono_us=now.t_mono_ns // NS_PER_US)
    write_horizon(connection, now.boot_id, horizon)


def _records(connection: sqlite3.Connection, log: Log) -> Iterator[Record]:
    kinds = [str(body.__struct_config__.tag) for body in (CommandRecord, OutcomeRecord)]
    first = 0
    while found := log.records_of(connection, kinds, first, _BATCH):
        for json in found:
            record = msgspec.json.decode(json, type=Record)
            yield record
            first = record.leaf + 1


def _restore(
    connection: sqlite3.Connection, record: Record, command: CommandRecord
) -> KnownCommand:
    answer = Answer(
        command_id=command.id,
        site=record.site,
        node=record.node,
        outcome=Outcome(command.outcome),
        reason=command.reason,
        leaf=record.leaf,
        t_utc_us=record.t_utc_us,
    )
    taken = Taken(record.boot_id, record.t_mono_us, record.t_utc_us)
    return insert_command(connection, command, command.order.encode(), answer, taken)


def _finish(
    connection: sqlite3.Connection, known: KnownCommand, record: Record, outcome: OutcomeRecord
) -> None:
    """What it was answered with, but for what no record holds: pictures, and what is absent."""
    is_done = outcome.outcome == "done"
    answer = msgspec.structs.replace(
        known.answer,
        outcome=Outcome(outcome.outcome),
        reason=outcome.reason,
        t_utc_us=record.t_utc_us,
        hold_id=known.id if is_done and isinstance(known.order, HoldOrder) else None,
    )
    connection.execute(
        "UPDATE command SET state = ?, answer_json = ? WHERE row = ?",
        (DONE if is_done else FAILED, msgspec.json.encode(answer), known.row),
    )
    if is_done and isinstance(known.order, LastingOrder):
        put_in_force(connection, known.order, known.row)


def _may_go_on(left: KnownCommand) -> bool:
    is_own_restart = isinstance(left.order, RestartOrder) and left.process is Role.EVIDENCE
    return is_own_restart or isinstance(left.order, ResendOrder)
