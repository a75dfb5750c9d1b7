"""Exports out of the ledger, for a rebuild.

No record holds the request itself, since it names persons and a case: what was asked for and
agreed to is gone with node.db. So an export that went on has failed, by record (`rebuilt`); it is
asked for anew, and its id and its approval never count again. Its hold stays until two persons let
it go: nothing that was asked for is deleted because of a rebuild.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from roeh.core.retrieval import ExportState
from roeh.ledger.export_states import ENDS, Step, next_state
from roeh.ledger.log import Log
from roeh.ledger.records import ApprovalRecord, ExportRecord, ExportRequestRecord, Record

REBUILT = "rebuilt"

_BATCH = 500
_KINDS = ("export_request", "approval", "export")


class _Restored(msgspec.Struct):
    """What the records say of one export."""

    request: ExportRequestRecord
    t_utc_us: int
    state: ExportState = "requested"
    approver: str = ""
    approval_sha256: str = ""
    detail: str = ""
    sha256: str = ""
    size_bytes: int = 0


def restore_exports(connection: sqlite3.Connection, log: Log) -> None:
    """Write the rows that the records tell, in the caller's transaction.

    Raises:
        StorageFull, StorageFailed: the new database cannot be written.
    """
    restored: dict[str, _Restored] = {}
    for record in _records(connection, log):
        _take(restored, record)
    for export_id, export in restored.items():
        if export.state not in ENDS:
            export.state, export.detail = "failed", REBUILT
            log.append(
                connection,
                ExportRecord(export_id=export_id, step="failed", person="", detail=REBUILT),
            )
        _insert(connection, export)


def _take(restored: dict[str, _Restored], record: Record) -> None:
    body = record.body
    if isinstance(body, ExportRequestRecord):
        restored.setdefault(body.export_id, _Restored(body, record.t_utc_us))
        return
    if not isinstance(body, ApprovalRecord | ExportRecord) or body.export_id not in restored:
        return
    export = restored[body.export_id]
    if isinstance(body, ApprovalRecord):
        step = Step.APPROVED if body.verdict == "approved" else Step.REFUSED
        export.approver, export.approval_sha256 = body.person, body.approval_sha256
    else:
        step = Step(body.step)
        export.detail = body.detail
        if step is Step.READY:
            export.sha256, export.size_bytes = body.sha256, body.size_bytes
    # A step that cannot follow is somebody's edit, which the verifier finds: nothing goes on here.
    export.state = next_state(export.state, step) or export.state


def _records(connection: sqlite3.Connection, log: Log) -> Iterator[Record]:
    first = 0
    while found := log.records_of(connection, _KINDS, first, _BATCH):
        for json in found:
            record = msgspec.json.decode(json, type=Record)
            yield record
            first = record.leaf + 1


def _insert(connection: sqlite3.Connection, export: _Restored) -> None:
    request = export.request
    connection.execute(
        "INSERT INTO export (id, state, request_sha256, approval_sha256, requester, approver,"
        " case_pseudonym, hold_id, t_utc_us, detail, size_bytes, sha256, trust_sha256, request,"
        " request_p7m, approval_p7m, requester_json, approver_json)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', x'', x'', x'', x'', x'')",
        (
            request.export_id,
            export.state,
            request.request_sha256,
            export.approval_sha256,
            request.person,
            export.approver,
            request.case,
            request.hold_id,
            export.t_utc_us,
            export.detail,
            export.size_bytes,
            export.sha256,
        ),
    )
