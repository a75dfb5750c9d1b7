"""Begin and end of operations on record, once each, however often detect tells of them.

The newest record of an operation says how it is: across restarts of detect, of evidence and of
the node, and after a rebuild.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from roeh.core.operations import OperationNow
from roeh.ledger.log import Log
from roeh.ledger.record_places import about_operation
from roeh.ledger.records import OperationRecord, Record

_FIRST, _BEYOND = about_operation(""), about_operation("\N{DELETE}")


def operations_in_force(connection: sqlite3.Connection) -> frozenset[str]:
    """Those that began and did not end, by the records."""
    newest = connection.execute(
        "SELECT json FROM record WHERE leaf IN (SELECT MAX(leaf) FROM record_subject"
        " WHERE subject >= ? AND subject < ? GROUP BY subject)",
        (_FIRST, _BEYOND),
    )
    bodies = [msgspec.json.decode(json, type=Record).body for (json,) in newest]
    return frozenset(
        body.operation
        for body in bodies
        if isinstance(body, OperationRecord) and body.step == "begun"
    )


def record_operations(
    connection: sqlite3.Connection,
    log: Log,
    in_force: frozenset[str],
    told: Iterable[OperationNow],
) -> frozenset[str]:
    """Write what changed, in the caller's transaction.

    Args:
        connection: in a transaction.
        log: the ledger.
        in_force: as of `operations_in_force`.
        told: every operation that is configured.

    Returns:
        Those in force now.
    """
    now = {operation.name: operation for operation in told}
    for name in sorted(in_force - now.keys()):
        log.append(connection, OperationRecord(operation=name, step="ended", cause="configuration"))
    for name, operation in now.items():
        if operation.is_in_force != (name in in_force):
            record = OperationRecord(
                operation=name,
                step="begun" if operation.is_in_force else "ended",
                cause=operation.cause,
                command_id=operation.command_id,
            )
            log.append(connection, record)
    return frozenset(name for name, operation in now.items() if operation.is_in_force)
