"""Exports from a second person's word to their end: judged, on record, one transaction a step.

Order of an approval: 1. judged; 2. in one transaction: the record, the row, and if it is a refusal
the end of the hold. Everything may be asked again: what is there already answers.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

import msgspec

from roeh.access.reading import read_object
from roeh.access.refusals import refused
from roeh.access.requests import (
    judge_approval,
    read_approval,
)
from roeh.core.errors import ExportFailed
from roeh.core.retrieval import (
    Action,
    ApproveExport,
    ExportHeld,
    ExportRow,
    ExportState,
    JudgeVisitor,
    NoteExport,
)
from roeh.evidence.export_parts import ExportParts
from roeh.ledger import export_files
from roeh.ledger import export_rows as rows
from roeh.ledger.export_states import ENDS, Step, next_state
from roeh.ledger.records import ApprovalRecord, ExportRecord

_SHA256_CHARS = 64
_US_PER_DAY = 86_400_000_000
#: What ends by itself, how, and after how many times `keep_us` since it was asked for: it was
#: approved within one, and begun within two; ready ones are retrieve's to clear away, if it runs.
_WAITING: tuple[tuple[tuple[ExportState, ...], Literal["expired", "failed"], int], ...] = (
    (("requested", "approved"), "expired", 1),
    (("building",), "failed", 2),
    (("ready", "taken"), "expired", 4),
)


class Progress(msgspec.Struct, frozen=True):
    """How far a builder is."""

    bytes_done: int
    bytes_total: int


class Exports:
    """The verbs EXPORT_APPROVE, EXPORT_NOTE, and what ends by itself.

    Safe to call from several threads.
    """

    def __init__(self, parts: ExportParts) -> None:
        self._parts = parts
        self._progress: dict[str, Progress] = {}

    def shown(self, row: ExportRow) -> ExportRow:
        """The row with how far its builder is."""
        progress = self._progress.get(row.id)
        if progress is None or row.state != "building":
            return row
        return msgspec.structs.replace(
            row, bytes_done=progress.bytes_done, bytes_total=progress.bytes_total
        )

    def waiting(self) -> dict[str, int]:
        """How many wait: for an approval, for their builder, for whoever asked."""
        states = ("requested", "approved", "building", "ready")
        with self._parts.database.reading() as connection:
            found = dict(
                connection.execute(
                    "SELECT state, COUNT(*) FROM export WHERE state IN (?, ?, ?, ?) GROUP BY state",
                    states,
                ).fetchall()
            )
        return {state: int(found.get(state, 0)) for state in states}

    def approve(self, asked: ApproveExport) -> ExportHeld:
        """Take a second person's word; it counts once.

        Raises:
            AccessRefused: it does not count: see access/requests.judge_approval.
            EvidenceRefused: there is no such export.
        """
        visitors = self._parts.visitors
        with visitors.refusing(Action.APPROVE.value, b""):
            wanted = read_approval(asked.approval).request
            signer_der = read_object(asked.approval, "approval_malformed").signer_der
        with self._parts.database.reading() as connection:
            known = rows.known_export(connection, wanted.id)
        signer = visitors.known_as(signer_der)
        with visitors.refusing(
            Action.APPROVE.value, signer_der, person=signer, export_id=wanted.id
        ):
            judged = judge_approval(
                asked.approval,
                request=known.shown.request,
                requester=known.shown.requester,
                site=self._parts.site,
                node=self._parts.node,
                trust=self._parts.trust.held(),
                now=self._parts.clock.read(),
            )
        approver = visitors.pseudonym(judged.approver)
        with visitors.refusing(
            Action.APPROVE.value, signer_der, person=approver, export_id=wanted.id
        ):
            visitors.check_fresh()
            step = Step.APPROVED if judged.approval.verdict == "approved" else Step.REFUSED
            with self._parts.database.writing() as connection:
                row = rows.known_export(connection, wanted.id).shown
                state = next_state(row.state, step)
                if state is None:
                    raise refused("already_decided", f"export {row.id} is {row.state}")
                self._parts.log.append(
                    connection,
                    ApprovalRecord(
                        export_id=row.id,
                        approval_sha256=judged.sha256,
                        person=approver,
                        verdict=judged.approval.verdict,
                        trust_list_version=self._parts.trust.shown().version,
                    ),
                )
                rows.set_approval(
                    connection,
                    row.id,
                    approver=judged.approver,
                    pseudonym=approver,
                    approval_p7m=asked.approval,
                    approval_sha256=judged.sha256,
                )
                rows.set_state(connection, row.id, state, detail=judged.approval.note)
                after = self._ended(connection, row.id)
        self._note_freed(after)
        return ExportHeld(after)

    def note(self, asked: NoteExport) -> ExportHeld:
        """How an export goes on; `building` is not on record, the others are.

        Raises:
            ExportFailed: it cannot be so in the state that it is in.
            AccessRefused: who takes it may not.
        """
        if asked.step == "building":
            return ExportHeld(self._note_progress(asked))
        record = ExportRecord(
            export_id=asked.id,
            step=asked.step,
            person=self._taker(asked),
            detail=asked.detail,
            sha256=asked.sha256,
            size_bytes=asked.size_bytes,
        )
        step = Step(asked.step)
        with self._parts.database.writing() as connection:
            row = rows.known_export(connection, asked.id).shown
            if _is_repeated(row, asked):
                return ExportHeld(row)
            state = self._next(row, step)
            if step is Step.READY:
                _check_bundle(asked)
                if rows.find_seal(connection, row.row) is None:
                    raise _impossible(row, "ready, and nothing was sealed")
                rows.set_bundle(
                    connection, row.id, size_bytes=asked.size_bytes, sha256=asked.sha256
                )
            if step in (Step.TAKEN, Step.UNTAKEN):
                record = msgspec.structs.replace(
                    record, sha256=row.sha256, size_bytes=row.size_bytes
                )
            self._parts.log.append(connection, record)
            rows.set_state(connection, row.id, state, detail=asked.detail)
            after = self._ended(connection, row.id)
        if after.state != "building":
            self._progress.pop(row.id, None)
        self._note_freed(after)
        return ExportHeld(after)

    def settle(self) -> None:
        """End what waits too long, and drop what was told of files that nobody needs any more.

        Raises:
            StorageFull, StorageFailed: tried again later.
        """
        self._expire_waiting()
        while True:
            with self._parts.database.reading() as connection:
                export_row = export_files.find_dropped(connection)
            if export_row is None:
                return
            export_files.drop_files(self._parts.database, export_row)

    def _expire_waiting(self) -> None:
        """End what nobody agreed to, built or cleared away for long: nothing is held for ever.

        Raises:
            StorageFull, StorageFailed: tried again later.
        """
        days = self._parts.keep_us / _US_PER_DAY
        for states, step, keeps in _WAITING:
            before_age_us = self._parts.age_us() - keeps * self._parts.keep_us
            with self._parts.database.reading() as connection:
                waiting = rows.older_than(connection, states, before_age_us)
            for export_id in waiting:
                detail = f"it waited for {keeps * days:g} days"
                self.note(NoteExport(id=export_id, step=step, detail=detail))

    def _taker(self, asked: NoteExport) -> str:
        """The pseudonym of whoever takes it; empty: not said."""
        if asked.visitor is None:
            return ""
        judged = self._parts.visitors.judge(
            JudgeVisitor(asked.visitor, Action.FETCH, detail=asked.step, export_id=asked.id)
        )
        return judged.pseudonym

    def _next(self, row: ExportRow, step: Step) -> ExportState:
        state = next_state(row.state, step)
        if state is None:
            raise _impossible(row, step.value)
        return state

    def _ended(self, connection: sqlite3.Connection, export_id: str) -> ExportRow:
        """The row; its hold is let go in the same transaction when it has ended."""
        row = rows.known_export(connection, export_id).shown
        if row.state in ENDS:
            self._parts.holds.end_within(connection, row.hold_id, f"export {row.state}")
        return row

    def _note_freed(self, row: ExportRow) -> None:
        if row.state in ENDS:
            self._parts.holds.note_freed(row.hold_id)

    def _note_progress(self, asked: NoteExport) -> ExportRow:
        with self._parts.database.reading() as connection:
            row = rows.known_export(connection, asked.id).shown
        if row.state != "building":
            raise _impossible(row, "building")
        self._progress[row.id] = Progress(asked.bytes_done, asked.bytes_total)
        return self.shown(row)


def _is_repeated(row: ExportRow, asked: NoteExport) -> bool:
    """Whether this very step was noted before: whoever was killed before the answer asks again."""
    if asked.step == "ready":
        return row.state in ("ready", "taken") and row.sha256 == asked.sha256
    if asked.step == "interrupted":
        return row.state == "approved"
    return asked.step in ("failed", "expired") and row.state == asked.step


def _check_bundle(asked: NoteExport) -> None:
    if len(asked.sha256) != _SHA256_CHARS or not asked.size_bytes:
        raise ExportFailed(
            what="a bundle that is ready has a size and a SHA-256",
            which=f"export {asked.id}",
            remedy="tell both with the step",
        )


def _impossible(row: ExportRow, step: str) -> ExportFailed:
    return ExportFailed(
        what=f"it is {row.state}: that is no step from there",
        which=f"export {row.id}, {step}",
        remedy="see roeh evidence exports for how it stands",
    )
