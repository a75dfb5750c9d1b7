"""What the control room ordered: each id once, what became of it, and the answers.

Invariants:
    1. An id is accepted at most once in a boot, and no command outlives its boot.
    2. An id is forgotten only when its command cannot be accepted any more: what expires as
       early as a forgotten one has expired, whatever the clock says later.
    3. An order is given to a process at most once; what it did not finish is not done again.
    4. A command, its record, its rows and what it does here are one transaction, the caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from roeh.core.clock import NS_PER_US, Clock, ClockReading
from roeh.core.delivery import OrderItem
from roeh.core.flows import ANSWERS
from roeh.core.orders import (
    Answer,
    Command,
    LastingOrder,
    Outcome,
    Reason,
    ResendOrder,
    RestartOrder,
    SeqRange,
)
from roeh.core.peers import Role
from roeh.ledger.canonical import canonical_struct
from roeh.ledger.command_rows import (
    ACCEPTED,
    DONE,
    FAILED,
    REFUSED,
    TAKEN,
    AnswerRow,
    Horizon,
    KnownCommand,
    command_where,
    commands_where,
    insert_command,
    order_of,
    put_in_force,
    queue_answer,
    taken_at,
    write_horizon,
)
from roeh.ledger.database import overwriting
from roeh.ledger.log import Log
from roeh.ledger.records import CommandRecord, OutcomeRecord

#: Longer ago than any clock is stepped by.
_EXPIRED_MARGIN_US = 3600 * 1_000_000
#: Ids that are kept at the most; a desk gives a few a minute.
_MAX_KEPT = 10_000
#: Pictures that are kept with their answers at the most.
_MAX_PICTURES = 256


class CommandBook:
    """The rows of commands; every call belongs to a transaction of the caller's."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def find(self, connection: sqlite3.Connection, command_id: str) -> KnownCommand | None:
        """The command of that id, if it was taken before."""
        return command_where(connection, "id = ?", command_id)

    def of_row(self, connection: sqlite3.Connection, row: int) -> KnownCommand | None:
        """The command of that row."""
        return command_where(connection, "row = ?", row)

    def take(
        self,
        connection: sqlite3.Connection,
        command: Command,
        signer: str,
        refused: Reason | None,
    ) -> KnownCommand:
        """Put a command on record, accepted or refused; its first answer is on its way."""
        now = self._clock.read()
        order = canonical_struct(command.order)
        outcome = Outcome.ACCEPTED if refused is None else Outcome.REFUSED
        reason = "" if refused is None else refused.value
        record = CommandRecord(
            id=command.id,
            operator=command.operator,
            signer=signer,
            order=order.decode("utf-8"),
            outcome="accepted" if refused is None else "refused",
            reason=reason,
            not_before_utc_us=command.not_before_utc_us,
            expires_utc_us=command.expires_utc_us,
        )
        leaf = self._log.append(connection, record)
        answer = self._answer(command.id, outcome, reason, leaf, now)
        known = insert_command(connection, record, order, answer, taken_at(now))
        if refused is not None or known.process is not Role.EVIDENCE:
            queue_answer(connection, known.row)
        return known

    def repeat(self, connection: sqlite3.Connection, row: int) -> None:
        """The same answer once more, unless it is on its way already."""
        waiting = connection.execute("SELECT 1 FROM answer WHERE command_row = ?", (row,))
        if waiting.fetchone() is None:
            queue_answer(connection, row)

    def finish(
        self,
        connection: sqlite3.Connection,
        row: int,
        outcome: Outcome,
        reason: str = "",
        *,
        absent: tuple[SeqRange, ...] = (),
        hold_id: str | None = None,
        picture: bytes | None = None,
        picture_sha256: str | None = None,
    ) -> bool:
        """What became of an order, once; False when that was said before."""
        known = command_where(connection, "row = ?", row)
        if known is None or known.state not in (ACCEPTED, TAKEN):
            return False
        done = outcome is Outcome.DONE
        self._log.append(
            connection,
            OutcomeRecord(command_id=known.id, outcome="done" if done else "failed", reason=reason),
        )
        answer = self._answer(known.id, outcome, reason, known.answer.leaf, self._clock.read())
        answer = msgspec.structs.replace(
            answer, absent=absent, hold_id=hold_id, picture_sha256=picture_sha256
        )
        connection.execute(
            "UPDATE command SET state = ?, answer_json = ?, picture = ? WHERE row = ?",
            (DONE if done else FAILED, msgspec.json.encode(answer), picture, row),
        )
        connection.execute("DELETE FROM answer WHERE command_row = ?", (row,))
        queue_answer(connection, row)
        if done and isinstance(known.order, LastingOrder):
            # Not before: one that failed leaves the one before it in force.
            put_in_force(connection, known.order, row)
        return True

    def has_news(self, connection: sqlite3.Connection, role: Role, after: int) -> bool:
        """Whether `hand_out` would give or change something."""
        is_open = "state IN ('accepted', 'taken') AND process = ? AND row > ? LIMIT 1"
        return after < 0 or command_where(connection, is_open, role.value, after) is not None

    def hand_out(
        self, connection: sqlite3.Connection, role: Role, after: int
    ) -> tuple[OrderItem, ...]:
        """Orders for a process after a row; -1: it was just started.

        Then what the one before it was given is over: a restart is done, and the rest failed.
        Orders that last and still hold come again.
        """
        items = self._orders(connection, role, after)
        if after < 0:
            self._end_process(connection, role)
        connection.executemany(
            "UPDATE command SET state = ? WHERE row = ? AND state = ?",
            [(TAKEN, item.row, ACCEPTED) for item in items],
        )
        return items

    def unfinished(self, connection: sqlite3.Connection, role: Role) -> tuple[KnownCommand, ...]:
        """Orders of a process that were accepted, in this boot, and not finished."""
        where = "process = ? AND state IN ('accepted', 'taken') AND boot_id = ? ORDER BY row"
        return tuple(commands_where(connection, where, role.value, self._clock.read().boot_id))

    def restarting(self, connection: sqlite3.Connection) -> tuple[Role, ...]:
        """Processes that took an order to be started anew and were not yet."""
        # In the words of the partial index: the node's status asks each second.
        where = "state IN ('accepted', 'taken') AND state = 'taken' AND boot_id = ?"
        found = commands_where(connection, where, self._clock.read().boot_id)
        return tuple({one.process: None for one in found if isinstance(one.order, RestartOrder)})

    def answers(
        self, connection: sqlite3.Connection, known_rows: Iterable[int], limit: int
    ) -> tuple[AnswerRow, ...]:
        """Answers that were not delivered, oldest first, without those named."""
        known = set(known_rows)
        rows = connection.execute(
            "SELECT answer.row, command.id, answer.answer_json, command.picture FROM answer"
            " JOIN command ON command.row = answer.command_row ORDER BY answer.row"
        )
        found = (AnswerRow(*row) for row in rows if row[0] not in known)
        return tuple(answer for answer, _ in zip(found, range(limit), strict=False))

    def delivered(self, connection: sqlite3.Connection, rows: Iterable[int]) -> None:
        """The receiver has these answers."""
        connection.executemany("DELETE FROM answer WHERE row = ?", [(row,) for row in rows])

    def fail_overdue(self, connection: sqlite3.Connection, within_us: int) -> int:
        """Orders that no process answered in time have failed; how many now."""
        now = self._clock.read()
        where = "state IN ('accepted', 'taken') AND process != ? AND t_mono_us < ?"
        before_us = now.t_mono_ns // NS_PER_US - within_us
        overdue = tuple(commands_where(connection, where, Role.EVIDENCE.value, before_us))
        for each in overdue:
            self.finish(connection, each.row, Outcome.FAILED, Reason.NO_ANSWER.value)
        return len(overdue)

    def end_boot(self, connection: sqlite3.Connection) -> None:
        """What another boot left undone is not done any more."""
        boot_id = self._clock.read().boot_id
        open_rows = "state IN ('accepted', 'taken') AND boot_id != ?"
        for left in commands_where(connection, open_rows, boot_id):
            self.finish(connection, left.row, Outcome.FAILED, Reason.NODE_RESTARTED.value)
        connection.execute(
            "DELETE FROM rule_schedule WHERE command_row NOT IN"
            " (SELECT row FROM command WHERE boot_id = ?)",
            (boot_id,),
        )

    def horizon(self, connection: sqlite3.Connection) -> Horizon:
        """Up to where ids are forgotten, in this boot."""
        found = connection.execute(
            "SELECT rebuilt_mono_us, expired_utc_us FROM command_horizon WHERE boot_id = ?",
            (self._clock.read().boot_id,),
        ).fetchone()
        return Horizon() if found is None else Horizon(*found)

    def drop_answers(self, connection: sqlite3.Connection) -> int:
        """Of answers that nobody takes the newest wait; how many were dropped now."""
        return connection.execute(
            "DELETE FROM answer WHERE row <= (SELECT MAX(row) FROM answer) - ?", (ANSWERS.bound,)
        ).rowcount

    def forget(self, connection: sqlite3.Connection) -> None:
        """Drop commands that cannot be accepted any more, and the oldest of too many."""
        now = self._clock.read()
        expired_us = -1
        if now.synchronised:
            error_us = now.utc_error_ns // NS_PER_US
            expired_us = now.t_utc_ns // NS_PER_US - error_us - _EXPIRED_MARGIN_US
        over = connection.execute(
            "SELECT row, expires_utc_us, boot_id, state, order_json FROM command"
            " WHERE state IN ('refused', 'done', 'failed')"
            " AND row NOT IN (SELECT command_row FROM answer)"
            " AND row NOT IN (SELECT command_row FROM rule_schedule)"
            " AND (boot_id != ? OR expires_utc_us < ?"
            "  OR row <= (SELECT MAX(row) FROM command) - ?)",
            (now.boot_id, expired_us, _MAX_KEPT),
        ).fetchall()
        with overwriting(connection):
            connection.executemany("DELETE FROM command WHERE row = ?", [(row[0],) for row in over])
            connection.execute(
                "UPDATE command SET picture = NULL WHERE row IN (SELECT row FROM command"
                " WHERE picture IS NOT NULL ORDER BY row DESC LIMIT -1 OFFSET ?)",
                (_MAX_PICTURES,),
            )
        horizon = self.horizon(connection)
        for _, expires_us, boot_id, state, order_json in over:
            # Asked for again once more, what a resend asks for does no harm.
            is_repeatable = isinstance(order_of(order_json), ResendOrder)
            if boot_id == now.boot_id and state != REFUSED and not is_repeatable:
                latest_us = max(horizon.expired_utc_us, expires_us)
                horizon = msgspec.structs.replace(horizon, expired_utc_us=latest_us)
        if over:
            write_horizon(connection, now.boot_id, horizon)

    def _orders(
        self, connection: sqlite3.Connection, role: Role, after: int
    ) -> tuple[OrderItem, ...]:
        now = self._clock.read()
        wanted = "state IN ('accepted', 'taken')" if after >= 0 else "state = 'accepted'"
        if after < 0:
            wanted += (
                " OR until_mono_us > ? AND json_extract(CAST(order_json AS TEXT), '$.kind')"
                " IN ('schedule', 'operation')"
                " AND (state = 'taken' OR state = 'done'"
                " AND row IN (SELECT command_row FROM rule_schedule))"
            )
        rows = connection.execute(
            "SELECT row, id, order_json, until_mono_us FROM command"  # noqa: S608 - constants
            f" WHERE process = ? AND boot_id = ? AND row > ? AND ({wanted}) ORDER BY row",
            (
                role.value,
                now.boot_id,
                after,
                *(() if after >= 0 else (now.t_mono_ns // NS_PER_US,)),
            ),
        )
        return tuple(OrderItem(row, id_, order_of(json), until) for row, id_, json, until in rows)

    def _end_process(self, connection: sqlite3.Connection, role: Role) -> None:
        for left in commands_where(connection, "state = 'taken' AND process = ?", role.value):
            if isinstance(left.order, LastingOrder):
                continue  # it is handed out once more
            if isinstance(left.order, RestartOrder):
                self.finish(connection, left.row, Outcome.DONE)
            else:
                self.finish(connection, left.row, Outcome.FAILED, Reason.PROCESS_ENDED.value)

    def _answer(
        self, command_id: str, outcome: Outcome, reason: str, leaf: int | None, now: ClockReading
    ) -> Answer:
        return Answer(
            command_id=command_id,
            site=self._log.site,
            node=self._log.node,
            outcome=outcome,
            reason=reason,
            leaf=leaf,
            t_utc_us=now.t_utc_ns // NS_PER_US,
        )
