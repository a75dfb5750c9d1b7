"""Who a pseudonym is, forgotten by record: in names.db, and in the rows of exports.

Order: 1. the record and the rows, in one transaction that overwrites; 2. names.db; 3. what
node.db's write-ahead log still holds is written over. Killed after 1, the rest is done at the
next start (`finish_erasures`).
"""

from __future__ import annotations

import msgspec

from roeh.ledger.database import NodeDatabase, overwriting
from roeh.ledger.export_rows import forget_person
from roeh.ledger.log import Log
from roeh.ledger.names import NameBook, check_known
from roeh.ledger.records import (
    AccessRecord,
    ApprovalRecord,
    ErasureRecord,
    ExportRequestRecord,
    HoldRecord,
    Record,
    ReleaseRecord,
)

_BATCH = 500
#: Records that name a person; the newest of each kind tells whether names.db is the ledger's.
_NAMING = (AccessRecord, HoldRecord, ReleaseRecord, ExportRequestRecord, ApprovalRecord)


def erase_name(
    database: NodeDatabase, log: Log, names: NameBook, pseudonym: str, reason: str
) -> None:
    """Forget who this is; the ledger keeps the pseudonym.

    Raises:
        EvidenceRefused: nobody is known under it, or an export of theirs goes on.
        StorageFull, StorageFailed: what is on record and not done is done at the next start.
    """
    check_known(names.read((pseudonym,)), pseudonym)
    with database.writing() as connection:
        with overwriting(connection):
            forget_person(connection, pseudonym)
        log.append(connection, ErasureRecord(pseudonym=pseudonym, reason=reason))
    names.forget((pseudonym,))
    _write_over(database)


def finish_erasures(database: NodeDatabase, log: Log, names: NameBook) -> None:
    """Forget all that is on record as erased, and tell whether names are missing that were not.

    Raises:
        StorageFull, StorageFailed: it cannot be done now.
    """
    erased = _erased(database, log)
    left = erased & names.read().keys()
    if left:
        names.forget(left)
    if erased:
        _write_over(database)
    with database.reading() as connection:
        newest = [log.newest(connection, kind) for kind in _NAMING]
    named = {_person(record) for record in newest if record is not None} - erased - {""}
    known = {pseudonym for pseudonym in named if names.is_known(pseudonym)}
    names.note_loss(is_lost=bool(named) and not known)


def _erased(database: NodeDatabase, log: Log) -> set[str]:
    found: set[str] = set()
    first = 0
    while True:
        with database.reading() as connection:
            page = log.records_of(connection, ("erasure",), first, _BATCH)
        if not page:
            return found
        for json in page:
            record = msgspec.json.decode(json, type=Record)
            first = record.leaf + 1
            if isinstance(record.body, ErasureRecord):
                found.add(record.body.pseudonym)


def _person(record: Record) -> str:
    return record.body.person if isinstance(record.body, _NAMING) else ""


def _write_over(database: NodeDatabase) -> None:
    """Empty the write-ahead log: it holds pages as they were."""
    with database.reading() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
