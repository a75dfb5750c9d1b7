"""Rows of commands, their answers and schedules, as the ledger's records tell them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.orders import (
    Answer,
    DeterOrder,
    HoldOrder,
    LastingOrder,
    LogLevelOrder,
    OperationOrder,
    Order,
    ResendOrder,
    RestartOrder,
)
from roeh.core.peers import Role
from roeh.ledger.database import next_number
from roeh.ledger.records import CommandRecord

_US_PER_S = 1_000_000

REFUSED, ACCEPTED, TAKEN, DONE, FAILED = "refused", "accepted", "taken", "done", "failed"


class KnownCommand(msgspec.Struct, frozen=True):
    """A command that was taken: whose order it is, and what became of it."""

    row: int
    id: str
    process: Role
    order: Order
    state: str
    answer: Answer


class AnswerRow(msgspec.Struct, frozen=True):
    """An answer that was not delivered yet; `body` is the JSON to be signed."""

    row: int
    command_id: str
    body: bytes
    picture: bytes | None


class Horizon(msgspec.Struct, frozen=True):
    """Up to where ids of this boot are forgotten.

    `rebuilt_mono_us`: what was done before is not known any more; None: all is known.
    Whatever expires at `expired_utc_us` or before has expired.
    """

    rebuilt_mono_us: int | None = None
    expired_utc_us: int = 0


def carried_out_by(order: Order) -> Role:
    """The process that carries an order out."""
    if isinstance(order, HoldOrder | ResendOrder):
        return Role.EVIDENCE
    if isinstance(order, RestartOrder | LogLevelOrder):
        return Role(order.process)
    return Role.CAPTURE if isinstance(order, DeterOrder) else Role.DETECT


class Taken(msgspec.Struct, frozen=True):
    """When a command was taken."""

    boot_id: str
    t_mono_us: int
    t_utc_us: int


def taken_at(now: ClockReading) -> Taken:
    """Now."""
    return Taken(now.boot_id, now.t_mono_ns // NS_PER_US, now.t_utc_ns // NS_PER_US)


def insert_command(
    connection: sqlite3.Connection,
    record: CommandRecord,
    order_json: bytes,
    answer: Answer,
    taken: Taken,
) -> KnownCommand:
    """The row of a command as its record says; nothing of it is handed out or answered yet."""
    order = order_of(order_json)
    until_us = None
    if isinstance(order, LastingOrder):
        until_us = taken.t_mono_us + order.until_utc_us - taken.t_utc_us
    elif isinstance(order, DeterOrder):
        until_us = taken.t_mono_us + order.on_s * _US_PER_S
    row = next_number(connection, "command")
    connection.execute(
        "INSERT INTO command (row, id, boot_id, t_mono_us, expires_utc_us, process, order_json,"
        " until_mono_us, state, answer_json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(row, record.id, taken.boot_id, taken.t_mono_us, record.expires_utc_us),
            *(carried_out_by(order).value, order_json, until_us),
            *(record.outcome, msgspec.json.encode(answer)),
        ),
    )
    return KnownCommand(row, record.id, carried_out_by(order), order, record.outcome, answer)


def put_in_force(connection: sqlite3.Connection, order: LastingOrder, row: int) -> None:
    """The newest of a rule, or of an operation, takes the place of the one before."""
    # No name of a rule has a colon.
    what = f"operation:{order.operation}" if isinstance(order, OperationOrder) else order.rule
    connection.execute(
        "INSERT INTO rule_schedule (rule, command_row) VALUES (?, ?)"
        " ON CONFLICT (rule) DO UPDATE SET command_row = MAX(command_row, excluded.command_row)",
        (what, row),
    )


def queue_answer(connection: sqlite3.Connection, command_row: int) -> None:
    """The newest answer of a command is to be sent."""
    connection.execute(
        "INSERT INTO answer (row, command_row, answer_json)"
        " SELECT ?, row, answer_json FROM command WHERE row = ?",
        (next_number(connection, "answer"), command_row),
    )


def write_horizon(connection: sqlite3.Connection, boot_id: str, horizon: Horizon) -> None:
    """Up to where ids of this boot are forgotten; another boot's horizon is over."""
    connection.execute(
        "INSERT OR REPLACE INTO command_horizon (one, boot_id, rebuilt_mono_us, expired_utc_us)"
        " VALUES (1, ?, ?, ?)",
        (boot_id, horizon.rebuilt_mono_us, horizon.expired_utc_us),
    )


def commands_where(
    connection: sqlite3.Connection, where: str, *values: str | int
) -> Iterator[KnownCommand]:
    """Commands by a condition, all read before the first is given."""
    rows = connection.execute(
        f"SELECT row, id, process, order_json, state, answer_json FROM command WHERE {where}",  # noqa: S608 - constants
        values,
    )
    for row, command_id, process, order_json, state, answer_json in rows.fetchall():
        answer = msgspec.json.decode(answer_json, type=Answer)
        yield KnownCommand(row, command_id, Role(process), order_of(order_json), state, answer)


def command_where(
    connection: sqlite3.Connection, where: str, *values: str | int
) -> KnownCommand | None:
    """The first of them."""
    return next(commands_where(connection, where, *values), None)


def order_of(order_json: bytes) -> Order:
    """The order that was stored."""
    order: Order = msgspec.json.decode(order_json, type=Order)
    return order
