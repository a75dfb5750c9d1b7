"""What detect tells of operations, put on record."""

from __future__ import annotations

from roeh.core.log import log_for
from roeh.core.operations import TellOperations
from roeh.core.peers import Done, Verb
from roeh.evidence.answerers import Answerer
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.operations import operations_in_force, record_operations

_log = log_for("evidence")


class OperationsBook:
    """The verb by which detect tells which operations hold. Safe to call from several threads."""

    def __init__(self, database: NodeDatabase, log: Log) -> None:
        self._database = database
        self._log = log
        self._in_force: frozenset[str] | None = None
        self.answerers: dict[Verb, Answerer] = {Verb.OPERATIONS_TELL: self._tell}

    def _tell(self, request: TellOperations) -> Done:
        told = frozenset(one.name for one in request.operations if one.is_in_force)
        with self._database.lock:
            before = self._in_force
            if before is None:
                with self._database.reading() as connection:
                    before = operations_in_force(connection)
            if told != before:
                with self._database.writing() as connection:
                    record_operations(connection, self._log, before, request.operations)
                _log.info("operations in force: %s", ", ".join(sorted(told)) or "none")
            self._in_force = told  # not before it is committed
        return Done()
