"""Exports from being asked for to their end: judged, held, on record, one transaction a step.

Order of a request: 1. who asks is believed; 2. in one transaction: the hold on the span, the
record, the row. Of an approval: 1. judged; 2. in one transaction: the record, the row, and if it
is a refusal the end of the hold. Everything may be asked again: what is there already answers.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from typing import Literal

import msgspec

from roeh.access.reading import read_object
from roeh.access.refusals import refused
from roeh.access.requests import (
    check_requester,
    judge_approval,
    read_approval,
    read_request,
    read_signed_request,
)
from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import EvidenceRefused, ExportFailed
from roeh.core.moments import utc_text
from roeh.core.peers import PlaceHold, Span
from roeh.core.retrieval import (
    Action,
    ApproveExport,
    ExportHeld,
    ExportRequest,
    ExportRow,
    ExportState,
    JudgeVisitor,
    NoteExport,
    Person,
    RequestExport,
)
from roeh.evidence.trust_lists import TrustLists
from roeh.evidence.visitors import Visitors
from roeh.ledger import export_rows as rows
from roeh.ledger.database import NodeDatabase
from roeh.ledger.export_leaves import MAX_SEGMENTS, ExportLeaves
from roeh.ledger.export_states import ENDS, Step, next_state
from roeh.ledger.holds import Holds
from roeh.ledger.log import Log
from roeh.ledger.names import NameBook, case
from roeh.ledger.records import ApprovalRecord, ExportRecord, ExportRequestRecord
from roeh.ledger.utc_spans import UtcSpan, recorded_spans

#: Of one hold (core/peers.py).
_MAX_SPANS = 256
_SHA256_CHARS = 64
_US_PER_DAY = 86_400_000_000
#: What ends by itself, how, and after how many times `keep_us` since it was asked for: it was
#: approved within one, and begun within two; ready ones are retrieve's to clear away, if it runs.
_WAITING: tuple[tuple[tuple[ExportState, ...], Literal["expired", "failed"], int], ...] = (
    (("requested", "approved"), "expired", 1),
    (("building",), "failed", 2),
    (("ready", "taken"), "expired", 4),
)


class ExportParts(msgspec.Struct, frozen=True):
    """What exports ask of the rest of evidence.

    Attributes:
        age_us: of the node now: waiting is not judged by a clock that may be wrong.
        keep_us: so long a request waits for its approval and its builder.
    """

    site: str
    node: str
    clock: Clock
    database: NodeDatabase
    log: Log
    holds: Holds
    names: NameBook
    trust: TrustLists
    visitors: Visitors
    age_us: Callable[[], int]
    keep_us: int


class Progress(msgspec.Struct, frozen=True):
    """How far a builder is."""

    bytes_done: int
    bytes_total: int


class Exports:
    """The verbs EXPORT_REQUEST, EXPORT_APPROVE, EXPORT_NOTE. Safe to call from several threads."""

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

    def request(self, asked: RequestExport) -> ExportHeld:
        """Take a request; the same one again is answered as it stands.

        Raises:
            AccessRefused: who asks is not believed or may not, or it is not a request.
            EvidenceRefused: another request has this id, or nothing is recorded then.
        """
        visitors, signed = self._parts.visitors, b"" if _is_said(asked) else asked.request
        with visitors.refusing("request_export", b""):
            if asked.visitor is not None and not signed:
                certificate_der, content = asked.visitor.certificate_der, asked.request
                request = read_request(content)
            else:
                read = read_signed_request(asked.request)
                certificate_der, content, request = read.signer_der, read.content, read.request
        action = Action.REQUEST_EXPORT if request.kind == "full" else Action.REQUEST_REDACTED
        if asked.visitor is not None and signed:
            self._check_asker(request, asked.visitor.certificate_der, action)
        known = self._known_signed(request.id, signed)
        if known is not None:
            return ExportHeld(self.shown(known))
        person, pseudonym = self._check_asker(request, certificate_der, action)
        with visitors.refusing(action.value, certificate_der, person=pseudonym):
            if (request.site, request.node) != (self._parts.site, self._parts.node):
                raise refused("another_pole", f"{request.site}/{request.node}")
        return ExportHeld(self._take(request, content, signed, person, pseudonym))

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
                export_row = rows.find_dropped(connection)
            if export_row is None:
                return
            rows.drop_files(self._parts.database, export_row)

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

    def _check_asker(
        self, request: ExportRequest, certificate_der: bytes, action: Action
    ) -> tuple[Person, str]:
        """Who asks, by name and by pseudonym: they may, and speak for themselves."""
        visitors = self._parts.visitors
        person = visitors.believed(certificate_der, action)
        pseudonym = visitors.pseudonym(person)
        with visitors.refusing(action.value, certificate_der, person=pseudonym):
            check_requester(request, person)
        return person, pseudonym

    def _known_signed(self, export_id: str, signed: bytes) -> ExportRow | None:
        """The very same signed request, taken before: whoever carries it again sees how it goes."""
        if not signed:
            return None
        with self._parts.database.reading() as connection:
            found = rows.find_export(connection, export_id)
        return found.shown if found is not None and found.shown.request_p7m == signed else None

    def _take(
        self,
        request: ExportRequest,
        content: bytes,
        signed: bytes,
        person: Person,
        pseudonym: str,
    ) -> ExportRow:
        parts = self._parts
        request_sha256 = hashlib.sha256(content).hexdigest()
        with parts.database.reading() as connection:
            # Before the case has a name: what is refused leaves none behind.
            if rows.find_export(connection, request.id) is None:
                rows.check_few_wait(connection, pseudonym, is_signed=bool(signed))
                self._check_segments(request, self._spans(connection, request))
        case_pseudonym = parts.names.pseudonym(case(request.case_number))
        with parts.database.writing() as connection:
            known = rows.find_export(connection, request.id)
            if known is not None:
                if known.shown.request_sha256 != request_sha256:
                    raise EvidenceRefused(
                        what="another request has this id",
                        which=request.id,
                        remedy="give every request an id of its own",
                    )
                return self.shown(known.shown)
            spans = self._spans(connection, request)
            hold = PlaceHold(
                hold_id=request.id,  # so that it is placed once, whatever is rebuilt
                person=pseudonym,
                reason=f"export {request.id}",
                spans=spans,
            )
            parts.holds.place_within(connection, hold)
            parts.log.append(
                connection,
                ExportRequestRecord(
                    export_id=request.id,
                    request_sha256=request_sha256,
                    person=pseudonym,
                    case=case_pseudonym,
                    export_kind=request.kind,
                    cameras=request.cameras,
                    from_utc_us=request.from_utc_us,
                    to_utc_us=request.to_utc_us,
                    hold_id=hold.hold_id,
                    is_signed=bool(signed),
                ),
            )
            rows.insert_export(
                connection,
                rows.NewExport(
                    id=request.id,
                    request=content,
                    request_sha256=request_sha256,
                    request_p7m=signed,
                    requester=person,
                    requester_pseudonym=pseudonym,
                    case_pseudonym=case_pseudonym,
                    hold_id=hold.hold_id,
                    t_utc_us=parts.clock.read().t_utc_ns // NS_PER_US,
                    asked_age_us=parts.age_us(),
                ),
            )
            return rows.known_export(connection, request.id).shown

    def _spans(self, connection: sqlite3.Connection, request: ExportRequest) -> tuple[Span, ...]:
        now = self._parts.clock.read()
        if request.to_utc_us > (now.t_utc_ns + now.utc_error_ns) // NS_PER_US:
            raise EvidenceRefused(
                what="the span is not over yet",
                which=f"until {utc_text(request.to_utc_us)}",
                remedy="ask for what was recorded; hold what is to come",
            )
        wanted = UtcSpan(request.from_utc_us, request.to_utc_us)
        spans = recorded_spans(connection, wanted, request.cameras)
        if spans and len(spans) <= _MAX_SPANS:
            return spans
        when = f"{utc_text(request.from_utc_us)} to {utc_text(request.to_utc_us)}"
        raise EvidenceRefused(
            what="that is in too many pieces" if spans else "nothing is recorded then",
            which=f"{', '.join(request.cameras)}, {when}",
            remedy="ask for less at once" if spans else _what_there_is(connection),
        )

    def _check_segments(self, request: ExportRequest, spans: tuple[Span, ...]) -> None:
        found = ExportLeaves(self._parts.database).numbers(request, spans)
        segments = sum(numbers.count for numbers in found)
        if segments > MAX_SEGMENTS:
            raise EvidenceRefused(
                what=f"that is {segments} segments, more than the {MAX_SEGMENTS} of one export",
                which=f"{len(request.cameras)} cameras from {utc_text(request.from_utc_us)} to"
                f" {utc_text(request.to_utc_us)}",
                remedy="ask for fewer cameras or a shorter span at once",
            )

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


def _is_said(asked: RequestExport) -> bool:
    """Over TLS, as JSON; whoever visits may bring a request under their own signature too."""
    return asked.visitor is not None and asked.request.startswith(b"{")


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


def _what_there_is(connection: sqlite3.Connection) -> str:
    """What could be asked for instead, in words."""
    first, last = connection.execute(
        "SELECT MIN(t_utc_us), MAX(t_utc_us + t_end_mono_us - t_first_mono_us) FROM segment"
        " WHERE state IN ('open', 'closed')"
    ).fetchone()
    if first is None:
        return "there is no video here at all"
    return f"there is video from {utc_text(first)} to {utc_text(last)}, with gaps"
