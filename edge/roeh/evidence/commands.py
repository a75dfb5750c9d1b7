"""Commands of the control room: verified, put on record, carried out or handed on, answered.

Order of one command: 1. signature, addressee and form; what fails is counted, and never
answered. 2. In one transaction: the checks, the record, the hold it asks for, the answer. 3. The
other orders of evidence itself; one that is cut off here is carried on with at the next start.
4. Everybody who waits is told: publish for answers, a process for its orders.

Answers are signed when they are fetched: a key's home may be slow, and nobody waits for it who
holds the database.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, with_camera_rules
from roeh.core.custody import PlaceHold
from roeh.core.delivery import (
    AnswerBatch,
    AnswerItem,
    AnswersDelivered,
    LeaseAnswers,
    OrderDone,
    Orders,
    TakeCommand,
    TakeOrders,
)
from roeh.core.errors import MessageRefused, RoehError, one_line
from roeh.core.flows import ANSWERS, ORDERS
from roeh.core.log import log_error, log_for, set_log_level
from roeh.core.orders import (
    Command,
    DeterOrder,
    HoldOrder,
    LogLevelOrder,
    Outcome,
    Reason,
    ResendOrder,
    RestartOrder,
    SeqRange,
    SnapshotOrder,
)
from roeh.core.peers import Done, Role, Verb
from roeh.evidence.answerers import Answerer, RoleAnswerer
from roeh.evidence.command_checks import Named, why_refused
from roeh.evidence.outputs import Outputs
from roeh.ledger.checkpoints import LogSigner
from roeh.ledger.command_rows import AnswerRow, KnownCommand
from roeh.ledger.commands import CommandBook
from roeh.ledger.database import NodeDatabase
from roeh.ledger.holds import Holds
from roeh.ledger.log import Log
from roeh.ledger.names import NameBook, typed
from roeh.ledger.utc_spans import UtcSpan, newest_segments, recorded_spans
from roeh.transport.desk_keys import DeskKeys
from roeh.transport.down import parse_body
from roeh.transport.signed import StatementKind, open_statement, sign_answer

_SWEEP_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
#: Answers in one batch: signed by a slow TPM while the peer waits for them.
_MAX_ANSWERS = 8
#: Of one hold (core/custody.py).
_MAX_SPANS = 256

_log = log_for("evidence")


class CommandParts(msgspec.Struct, frozen=True):
    """What commands ask of the rest of evidence.

    Attributes:
        keys: whose commands count now.
        resend: queues alerts again and gives the numbers that are not there.
        refuse: told why a statement was not believed.
        restart: lets evidence end as it should.
    """

    config: NodeConfig
    clock: Clock
    database: NodeDatabase
    log: Log
    holds: Holds
    names: NameBook
    outputs: Outputs
    signer: LogSigner
    keys: Callable[[], DeskKeys]
    resend: Callable[[tuple[SeqRange, ...]], tuple[SeqRange, ...]]
    refuse: Callable[[str], None]
    restart: Callable[[], None]


class Commands:
    """The verbs of commands, answers and orders. Safe to call from several threads."""

    def __init__(self, parts: CommandParts) -> None:
        self._parts = parts
        node = parts.config.node
        self._addressee = f"{node.site}/{node.name}"
        self._named = Named(
            cameras=frozenset(sensor.name for sensor in parts.config.sensors),
            rules=frozenset(rule.name for rule in with_camera_rules(parts.config).rules),
            operations=frozenset(one.name for one in parts.config.operations),
            outputs=frozenset(one.name for one in parts.config.outputs),
        )
        self._book = CommandBook(parts.log, parts.clock)
        self._changed = parts.database.lock.condition()
        self._own = threading.Lock()
        self._signing = threading.Lock()
        self._statements: dict[bytes, bytes] = {}  # by the answer, oldest first
        self._is_begun = self._is_over = False
        self._unanswered = self._dropped = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sweep_on, name="orders", daemon=True)
        self.answerers: dict[Verb, Answerer] = {
            Verb.COMMAND_TAKE: self._take,
            Verb.ANSWERS_LEASE: self._lease,
            Verb.ANSWERS_DELIVERED: self._delivered,
        }
        self.role_answerers: dict[Verb, RoleAnswerer] = {
            Verb.ORDERS_TAKE: self._hand_out,
            Verb.ORDER_DONE: self._order_done,
        }

    def begin(self) -> None:
        """Carry on with what an earlier run left open; look after orders from now on."""
        self._try_to_sweep()
        self._thread.start()

    def sweep(self) -> None:
        """End what nobody will answer any more, forget what is over, do what is left to do.

        Raises:
            StorageFull, StorageFailed: it cannot be stored.
        """
        with self._writing() as connection:
            if not self._is_begun:
                self._book.end_boot(connection)
                self._end_run(connection)
                unanswered = 0  # what was carried out while evidence was away is told now
            else:
                unanswered = self._book.fail_overdue(connection, ORDERS.bound * 1_000_000)
            dropped = self._book.drop_answers(connection)
            self._book.forget(connection)
        self._is_begun = True
        self._unanswered += unanswered
        self._dropped += dropped
        self._carry_out_own()

    def restarting(self) -> tuple[str, ...]:
        """Processes that end because they were ordered to, and start again."""
        with self._parts.database.reading() as connection:
            return tuple(role.value for role in self._book.restarting(connection))

    def counters(self) -> dict[str, float]:
        """What came of bounds, since this process started."""
        return {
            ORDERS.counter: float(self._unanswered),
            ANSWERS.counter: float(self._dropped),
        }

    def close(self) -> None:
        """Nobody waits from now on."""
        self._stop.set()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_TIMEOUT_S)

    def _take(self, request: TakeCommand) -> Done:
        try:
            command, signer = self._verified(request.statement)
        except MessageRefused as error:
            self._parts.refuse(str(error))
            return Done()
        with self._writing() as connection:
            known = self._book.find(connection, command.id)
            if known is not None:
                self._book.repeat(connection, known.row)
                return Done()
            taken = self._take_new(connection, command, signer)
        _log.info(
            "%s of %s (%s): %s %s",
            type(command.order).__name__,
            one_line(command.operator),
            signer,
            taken.answer.outcome.value,
            taken.answer.reason,
        )
        self._carry_out_own()
        return Done()

    def _verified(self, statement: bytes) -> tuple[Command, str]:
        """The command in a statement, and the name of the key that signed it.

        Raises:
            MessageRefused: nothing of it is to be believed.
        """
        keys = self._parts.keys().command
        opened = open_statement(statement, StatementKind.COMMAND, self._addressee, keys)
        command = parse_body(opened.body, Command)
        if f"{command.site}/{command.node}" != self._addressee:
            raise MessageRefused(
                what="its body is for another node",
                which=f"command {command.id} for {self._addressee}",
                remedy="check what the desk signs",
            )
        return command, opened.signer

    def _take_new(
        self, connection: sqlite3.Connection, command: Command, signer: str
    ) -> KnownCommand:
        now = self._parts.clock.read()
        refused = why_refused(command, now, self._book.horizon(connection), self._named)
        order = command.order
        if isinstance(order, DeterOrder) and order.output in self._named.outputs:
            outputs = self._parts.outputs
            refused = refused or outputs.why_refused(connection, order)
            taken = self._book.take(connection, command, signer, refused)
            outputs.on_order(connection, command.id, order, refused)
            return taken
        if refused is not None or not isinstance(order, HoldOrder):
            return self._book.take(connection, command, signer, refused)
        wanted = UtcSpan(order.from_utc_us, order.to_utc_us)
        # Between two segments a camera has none that is open, and is recorded all the same.
        newest = newest_segments(connection, now.boot_id, self._named.cameras)
        spans = recorded_spans(connection, wanted, order.camera_ids, going_on=newest)
        if not spans or len(spans) > _MAX_SPANS:
            refused = Reason.TOO_MANY_PIECES if spans else Reason.NOTHING_RECORDED
            return self._book.take(connection, command, signer, refused)
        taken = self._book.take(connection, command, signer, None)
        hold = PlaceHold(
            hold_id=command.id,  # so that it is placed once, whatever is rebuilt
            person=self._parts.names.pseudonym(typed(f"{command.operator}@{signer}")),
            reason=order.reason,
            spans=spans,
        )
        self._parts.holds.place_within(connection, hold)
        self._book.finish(connection, taken.row, Outcome.DONE, hold_id=command.id)
        return taken

    def _carry_out_own(self) -> None:
        """What evidence itself was ordered to do and is not finished."""
        with self._own:
            with self._parts.database.reading() as connection:
                unfinished = self._book.unfinished(connection, Role.EVIDENCE)
            for command in unfinished:
                order = command.order
                if isinstance(order, ResendOrder):
                    # Done twice it does no harm: what is cut off in between is done again.
                    self._finish(command, absent=self._parts.resend(order.ranges))
                elif isinstance(order, LogLevelOrder):
                    set_log_level(order.level)
                    self._finish(command)
                elif isinstance(order, RestartOrder):
                    # It is done when evidence has begun again: see `begin`.
                    self._parts.restart()

    def _finish(self, command: KnownCommand, absent: tuple[SeqRange, ...] = ()) -> None:
        with self._writing() as connection:
            self._book.finish(connection, command.row, Outcome.DONE, absent=absent)

    def _lease(self, request: LeaseAnswers) -> AnswerBatch:
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_over or bool(self._answers(request.known_rows)), request.wait_s
            )
            found = self._answers(request.known_rows)
        return AnswerBatch(
            tuple(
                AnswerItem(
                    row=answer.row,
                    command_id=answer.command_id,
                    statement=self._signed(answer.body),
                    picture=answer.picture,
                )
                for answer in found
            )
        )

    def _signed(self, body: bytes) -> bytes:
        """An answer, signed once however often it is asked for: a key's home may be slow.

        The evidence of a camera may be signed there too, and waits for nobody's asking.
        """
        statement = self._statements.get(body)
        if statement is None:
            statement = sign_answer(self._addressee, body, self._parts.signer)
            with self._signing:
                self._statements[body] = statement
                while len(self._statements) > ANSWERS.bound:
                    del self._statements[next(iter(self._statements))]
        return statement

    def _answers(self, known_rows: tuple[int, ...]) -> tuple[AnswerRow, ...]:
        with self._parts.database.reading() as connection:
            return self._book.answers(connection, known_rows, _MAX_ANSWERS)

    def _delivered(self, request: AnswersDelivered) -> Done:
        with self._parts.database.writing() as connection:
            self._book.delivered(connection, request.rows)
        return Done()

    def _hand_out(self, role: Role, request: TakeOrders) -> Orders:
        def is_due() -> bool:
            with self._parts.database.reading() as connection:
                return self._is_over or self._book.has_news(connection, role, request.after)

        with self._changed:
            self._changed.wait_for(is_due, 0.0 if request.after < 0 else request.wait_s)
            if self._is_over or not is_due():
                return Orders(())
            with self._writing() as connection:
                return Orders(self._book.hand_out(connection, role, request.after))

    def _order_done(self, role: Role, done: OrderDone) -> Done:
        """A process speaks for its own orders alone; what was said before stays said."""
        picture = done.picture
        with self._writing() as connection:
            known = self._book.of_row(connection, done.row)
            if known is None or known.process is not role:
                raise MessageRefused(
                    what="not an order of this process",
                    which=f"order {done.row} of {role.value}",
                    remedy="answer what orders.take gave",
                )
            if done.outcome not in (Outcome.DONE, Outcome.FAILED) or (
                picture is not None and not isinstance(known.order, SnapshotOrder)
            ):
                raise MessageRefused(
                    what="not what can become of such an order",
                    which=f"order {done.row} of {role.value}",
                    remedy="say done or failed, with a picture only if one was ordered",
                )
            self._book.finish(
                connection,
                done.row,
                done.outcome,
                done.reason,
                picture=picture,
                picture_sha256=None if picture is None else hashlib.sha256(picture).hexdigest(),
            )
        return Done()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; whoever waits looks again when it is committed."""
        with self._changed:
            with self._parts.database.writing() as connection:
                yield connection
            self._changed.notify_all()

    def _end_run(self, connection: sqlite3.Connection) -> None:
        """What the evidence before this one was to do with itself."""
        for left in self._book.unfinished(connection, Role.EVIDENCE):
            if isinstance(left.order, RestartOrder):
                self._book.finish(connection, left.row, Outcome.DONE)
            elif isinstance(left.order, LogLevelOrder):
                reason = Reason.PROCESS_ENDED.value
                self._book.finish(connection, left.row, Outcome.FAILED, reason)

    def _sweep_on(self) -> None:
        while not self._parts.clock.wait(_SWEEP_S, self._stop):
            self._try_to_sweep()

    def _try_to_sweep(self) -> None:
        """A store that takes nothing stops nobody: the next time does it."""
        try:
            self.sweep()
        except RoehError as error:
            log_error(_log, error)
