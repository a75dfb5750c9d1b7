"""Rows of exports: stored, read, and forgotten as to whom they name.

Every function here belongs to a transaction of the caller's, beside the record that tells it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from roeh.core.errors import EvidenceRefused
from roeh.core.retrieval import (
    ExportRow,
    ExportsRequest,
    ExportState,
    Person,
    PersonRole,
)
from roeh.ledger.database import overwriting
from roeh.ledger.export_states import ENDS

_COLUMNS = (
    "row, id, state, request, request_sha256, requester_json, approver_json, request_p7m,"
    " approval_p7m, hold_id, t_utc_us, detail, size_bytes, sha256, requester, approver,"
    " case_pseudonym, approval_sha256, trust_sha256"
)
#: Signed objects and requests of one page: far below a message's bound.
_MAX_PAGE_BYTES = 4 * 1024 * 1024
#: Requests of one person that wait for an approval: each holds its span.
MAX_WAITING = 32
_PERSON = msgspec.json.Decoder(Person)


class NewExport(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a request."""

    id: str
    request: bytes
    request_sha256: str
    request_p7m: bytes
    requester: Person
    requester_pseudonym: str
    case_pseudonym: str
    hold_id: str
    t_utc_us: int
    asked_age_us: int


class KnownExport(msgspec.Struct, frozen=True):
    """A row, and what of it is the ledger's own affair."""

    shown: ExportRow
    requester_pseudonym: str
    approver_pseudonym: str
    case_pseudonym: str
    approval_sha256: str
    trust_sha256: str


class Seal(msgspec.Struct, frozen=True):
    """A manifest that was signed, and the leaf of its record; `checkpoint` over it, or empty."""

    manifest_sha256: str
    manifest_p7s: bytes
    leaf: int
    checkpoint: str


def insert_export(connection: sqlite3.Connection, new: NewExport) -> None:
    """A new one, `requested`."""
    _rewrite(
        connection,
        "INSERT INTO export (id, state, request_sha256, approval_sha256, requester, approver,"
        " case_pseudonym, hold_id, t_utc_us, detail, size_bytes, sha256, trust_sha256, request,"
        " request_p7m, approval_p7m, requester_json, approver_json, asked_age_us)"
        " VALUES (?, 'requested', ?, '', ?, '', ?, ?, ?, '', 0, '', '', ?, ?, x'', ?, x'', ?)",
        (
            new.id,
            new.request_sha256,
            new.requester_pseudonym,
            new.case_pseudonym,
            new.hold_id,
            new.t_utc_us,
            new.request,
            new.request_p7m,
            msgspec.json.encode(new.requester),
            new.asked_age_us,
        ),
    )


def find_export(connection: sqlite3.Connection, export_id: str) -> KnownExport | None:
    """The export with this id."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM export WHERE id = ?",  # noqa: S608 - constants
        (export_id,),
    ).fetchone()
    return None if found is None else _known(found)


def known_export(connection: sqlite3.Connection, export_id: str) -> KnownExport:
    """The same.

    Raises:
        EvidenceRefused: there is none.
    """
    found = find_export(connection, export_id)
    if found is None:
        raise EvidenceRefused(
            what="there is no such export",
            which=export_id,
            remedy="see roeh evidence exports for those that there are",
        )
    return found


def exports_after(connection: sqlite3.Connection, request: ExportsRequest) -> tuple[ExportRow, ...]:
    """A page of exports, or the one that was asked for."""
    if request.id:
        found = find_export(connection, request.id)
        return () if found is None else (found.shown,)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM export WHERE row > ? ORDER BY row LIMIT ?",  # noqa: S608 - constants
        (request.after, request.limit),
    )
    return tuple(_bounded(_known(row).shown for row in rows))


def older_than(
    connection: sqlite3.Connection, states: tuple[ExportState, ...], before_age_us: int
) -> tuple[str, ...]:
    """Ids of those in these states that were asked for before an age of the node."""
    marks = ", ".join("?" * len(states))
    rows = connection.execute(
        f"SELECT id FROM export WHERE state IN ({marks}) AND asked_age_us < ?"  # noqa: S608 - marks
        " ORDER BY row",
        (*states, before_age_us),
    )
    return tuple(str(export_id) for (export_id,) in rows)


def check_few_wait(connection: sqlite3.Connection, requester: str, *, is_signed: bool) -> None:
    """Refuse one more request of somebody of whom many wait for their approval.

    Signed ones are counted by themselves: nobody else uses up a person's.

    Raises:
        EvidenceRefused: ask again when one of them has ended.
    """
    (waiting,) = connection.execute(
        "SELECT COUNT(*) FROM export WHERE state = 'requested' AND requester = ?"
        " AND (request_p7m <> x'') = ?",
        (requester, is_signed),
    ).fetchone()
    if waiting >= MAX_WAITING:
        raise EvidenceRefused(
            what=f"{waiting} requests of this person wait for an approval",
            which=requester,
            remedy="have them approved or refused first",
        )


def set_state(
    connection: sqlite3.Connection, export_id: str, state: ExportState, *, detail: str = ""
) -> None:
    """What it is from here on."""
    _rewrite(
        connection,
        "UPDATE export SET state = ?, detail = ? WHERE id = ?",
        (state, detail, export_id),
    )


def set_approval(
    connection: sqlite3.Connection,
    export_id: str,
    *,
    approver: Person,
    pseudonym: str,
    approval_p7m: bytes,
    approval_sha256: str,
) -> None:
    """A second person's word, as it was signed."""
    _rewrite(
        connection,
        "UPDATE export SET approver_json = ?, approver = ?, approval_p7m = ?, approval_sha256 = ?"
        " WHERE id = ?",
        (msgspec.json.encode(approver), pseudonym, approval_p7m, approval_sha256, export_id),
    )


def set_bundle(
    connection: sqlite3.Connection, export_id: str, *, size_bytes: int, sha256: str
) -> None:
    """The encrypted bundle that is ready."""
    _rewrite(
        connection,
        "UPDATE export SET size_bytes = ?, sha256 = ? WHERE id = ?",
        (size_bytes, sha256, export_id),
    )


def set_begun_size(connection: sqlite3.Connection, export_id: str, size: int) -> None:
    """The size of the ledger that its proofs are for."""
    _rewrite(connection, "UPDATE export SET begun_size = ? WHERE id = ?", (size, export_id))


def begun_size(connection: sqlite3.Connection, export_id: str) -> int:
    """The same; 0: it was not begun."""
    found = connection.execute(
        "SELECT begun_size FROM export WHERE id = ?", (export_id,)
    ).fetchone()
    return 0 if found is None else int(found[0])


def set_begun(connection: sqlite3.Connection, export_id: str, trust_sha256: str) -> None:
    """It is built from nothing: what was told and sealed before does not count."""
    _rewrite(
        connection,
        "UPDATE export SET trust_sha256 = ?, begun_size = 0 WHERE id = ?",
        (trust_sha256, export_id),
    )
    connection.execute(
        "DELETE FROM export_file WHERE export_row = (SELECT row FROM export WHERE id = ?)",
        (export_id,),
    )
    connection.execute(
        "DELETE FROM export_seal WHERE export_row = (SELECT row FROM export WHERE id = ?)",
        (export_id,),
    )


def find_seal(connection: sqlite3.Connection, export_row: int) -> Seal | None:
    """The newest seal of an export."""
    found = connection.execute(
        "SELECT manifest_sha256, manifest_p7s, leaf, checkpoint FROM export_seal"
        " WHERE export_row = ?",
        (export_row,),
    ).fetchone()
    return None if found is None else Seal(*found)


def put_seal(connection: sqlite3.Connection, export_row: int, seal: Seal) -> None:
    """In the place of one before it."""
    connection.execute(
        "INSERT OR REPLACE INTO export_seal (export_row, manifest_sha256, manifest_p7s, leaf,"
        " checkpoint) VALUES (?, ?, ?, ?, ?)",
        (export_row, seal.manifest_sha256, seal.manifest_p7s, seal.leaf, seal.checkpoint),
    )


def forget_person(connection: sqlite3.Connection, pseudonym: str) -> None:
    """Take a person or a case out of the rows of exports that are over.

    Raises:
        EvidenceRefused: an export that goes on is theirs.
    """
    rows = connection.execute(
        "SELECT id, state FROM export WHERE requester = ?1 OR approver = ?1 OR case_pseudonym = ?1",
        (pseudonym,),
    ).fetchall()
    for export_id, state in rows:
        if state not in ENDS:
            raise EvidenceRefused(
                what="an export that goes on is theirs",
                which=f"{pseudonym} in export {export_id}",
                remedy="erase the name when the export has ended",
            )
    # Requests and approvals name all of them: they go whoever is forgotten.
    connection.executemany(
        "UPDATE export SET request = x'', request_p7m = x'', approval_p7m = x'',"
        " detail = CASE state WHEN 'refused' THEN '' ELSE detail END,"
        " requester_json = CASE requester WHEN ?1 THEN x'' ELSE requester_json END,"
        " approver_json = CASE approver WHEN ?1 THEN x'' ELSE approver_json END WHERE id = ?2",
        [(pseudonym, export_id) for export_id, _ in rows],
    )


def _rewrite(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
    """A row grows from step to step and moves in the file: where it was it is overwritten."""
    with overwriting(connection):
        connection.execute(statement, values)


def forgotten(pseudonym: str) -> Person:
    """Somebody of whom only the pseudonym is left."""
    return Person(
        number=pseudonym,
        name=pseudonym,
        organisation="",
        role=PersonRole.INVESTIGATOR,
        certificate_sha256="0" * 64,
    )


def _known(row: tuple[Any, ...]) -> KnownExport:
    requester, approver, case_pseudonym, approval_sha256, trust_sha256 = row[14:]
    requester_json, approver_json = row[5], row[6]
    shown = ExportRow(
        row=row[0],
        id=row[1],
        state=row[2],
        request=row[3],
        request_sha256=row[4],
        requester=_PERSON.decode(requester_json) if requester_json else forgotten(requester),
        approver=_approver(approver_json, approver),
        request_p7m=row[7],
        approval_p7m=row[8],
        hold_id=row[9],
        t_utc_us=row[10],
        detail=row[11],
        size_bytes=row[12],
        sha256=row[13],
    )
    return KnownExport(shown, requester, approver, case_pseudonym, approval_sha256, trust_sha256)


def _approver(encoded: bytes, pseudonym: str) -> Person | None:
    if encoded:
        return _PERSON.decode(encoded)
    if not pseudonym:
        return None
    return msgspec.structs.replace(forgotten(pseudonym), role=PersonRole.APPROVER)


def _bounded(rows: Iterable[ExportRow]) -> Iterator[ExportRow]:
    total = 0
    for count, row in enumerate(rows):
        total += len(row.request) + len(row.request_p7m) + len(row.approval_p7m)
        if total > _MAX_PAGE_BYTES and count:
            return
        yield row
