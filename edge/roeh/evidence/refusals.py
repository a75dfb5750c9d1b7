"""Statements that were not believed: acknowledgements, commands, cosignatures.

One counter for all of them (`NodeStatus.board.statements_refused`): whoever verifies a
statement calls `refuse` with what was wrong and answers the peer as it will. Whoever can write
on the broker can send any number, so that the ledger gets one record an hour of each kind.
"""

from __future__ import annotations

import threading
from typing import Literal

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import RoehError
from roeh.core.log import log_error, log_for
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import RefusedStatementRecord

StatementName = Literal["ack", "command", "cosignature"]

_RECORD_EVERY_NS = 3600 * NS_PER_S
#: Where the ledger took none: a flood does not fill the log instead.
_RETRY_NS = 60 * NS_PER_S
_MAX_REASON_CHARS = 200

_log = log_for("evidence")


class RefusedStatements:
    """Counts since this process started. Safe to call from several threads."""

    def __init__(self, database: NodeDatabase, log: Log, clock: Clock) -> None:
        self._database = database
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._total = 0
        self._unrecorded: dict[StatementName, int] = {}
        self._t_recorded_ns: dict[StatementName, int] = {}

    @property
    def total(self) -> int:
        """How many were refused, of all kinds."""
        return self._total

    def refuse(self, statement: StatementName, reason: str) -> None:
        """Count one; the first of its kind in an hour is told in log and ledger.

        Not to be called inside a transaction. A ledger that takes no record stops nothing:
        the first one refused a minute later tries again.
        """
        with self._lock:
            self._total += 1
            count = self._unrecorded.get(statement, 0) + 1
            self._unrecorded[statement] = count
            now_ns = self._clock.mono_ns()
            recorded_ns = self._t_recorded_ns.get(statement)
            if recorded_ns is not None and now_ns - recorded_ns < _RECORD_EVERY_NS:
                return
            _log.warning("%s not believed, %d so far: %s", statement, self._total, reason)
            record = RefusedStatementRecord(
                statement=statement, reason=reason[:_MAX_REASON_CHARS], count=count
            )
            try:
                with self._database.writing() as connection:
                    self._log.append(connection, record)
            except RoehError as error:
                log_error(_log, error)
                self._t_recorded_ns[statement] = now_ns - _RECORD_EVERY_NS + _RETRY_NS
                return
            self._unrecorded[statement] = 0
            self._t_recorded_ns[statement] = now_ns
