"""Exports as people ask for them, agree to them and see them; evidence judges each of it."""

from __future__ import annotations

import msgspec

from roeh.access.people import is_same_person
from roeh.access.requests import read_approval
from roeh.core.clock import NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EvidenceRefused
from roeh.core.peers import Verb
from roeh.core.retrieval import (
    Action,
    Approval,
    ApproveExport,
    ExportHeld,
    ExportRequest,
    ExportRow,
    ExportsPage,
    ExportsRequest,
    NoteExport,
    Person,
    PersonRole,
    RequestExport,
)
from roeh.ledger.canonical import canonical_struct
from roeh.retrieve.api.answers import Export, Exports, ToApprove
from roeh.retrieve.door.problems import HttpProblem, malformed, not_there
from roeh.retrieve.link import EvidenceLink
from roeh.retrieve.visits.judging import Judge
from roeh.retrieve.visits.visit import Visit

#: Who sees the exports of others too: they judge them or audit them.
_SEE_ALL = (PersonRole.APPROVER, PersonRole.AUDITOR)
#: How long an approval that is prepared here counts.
_APPROVAL_US = 24 * 3600 * 1_000_000
#: A minute back, so that an approval counts at once where it is signed by another clock.
_BEFORE_US = 60 * 1_000_000
_MAX_PAGES = 20


class Exporting:
    """Asks evidence for exports in a visitor's name."""

    def __init__(self, config: NodeConfig, clock: Clock, link: EvidenceLink, judge: Judge) -> None:
        self._config = config
        self._clock = clock
        self._link = link
        self._judge = judge

    async def request(self, visit: Visit, request: ExportRequest) -> Export:
        """Ask for an export, said over TLS: the visitor is the requester.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        return await self.request_raw(visit, canonical_struct(request))

    async def request_raw(self, visit: Visit, request: bytes) -> Export:
        """The same as it came: canonical JSON, or CMS signed by the requester.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        asked = RequestExport(request=request, visitor=visit.visitor)
        return _export(
            (await self._link.ask(Verb.EXPORT_REQUEST, asked, ExportHeld)).export, is_own=True
        )

    async def approve(self, visit: Visit, export_id: str, approval: bytes) -> Export:
        """Hand over a signed approval or refusal of this export, whoever signed it.

        Who may see the export may carry it; evidence judges who signed.

        Raises:
            HttpProblem: it is about another export, or there is none that they may see.
            RoehError: it is not believed, or evidence cannot answer.
        """
        if read_approval(approval).request.id != export_id:
            raise malformed("is about another export", "the approval")
        await self.one(visit, export_id)
        approved = ApproveExport(approval=approval, visitor=visit.visitor)
        held = await self._link.ask(Verb.EXPORT_APPROVE, approved, ExportHeld)
        return _export(held.export, is_own=False)

    async def page(self, visit: Visit, after: int) -> Exports:
        """The next exports that this person may see: approvers and auditors all, others theirs.

        Raises:
            RoehError: refused, or evidence cannot answer.
        """
        judged = await self._judge.judge(visit, Action.SEE_EXPORTS, "list")
        found: list[Export] = []
        for _ in range(_MAX_PAGES):
            page = await self._link.ask(Verb.EXPORTS_PAGE, ExportsRequest(after=after), ExportsPage)
            if not page.exports:
                return Exports(exports=tuple(found), after=None)
            seen = (row for row in page.exports if _may_see(judged.person, row))
            found += [_export(row, is_own=_is_own(judged.person, row)) for row in seen]
            after = page.exports[-1].row
            if found:
                break
        return Exports(exports=tuple(found), after=after)

    async def one(self, visit: Visit, export_id: str) -> Export:
        """One export.

        Raises:
            HttpProblem: there is none that this person may see.
            RoehError: refused, or evidence cannot answer.
        """
        judged = await self._judge.judge(
            visit, Action.SEE_EXPORTS, f"export {export_id}", export_id=export_id
        )
        row = await self.row(export_id)
        if not _may_see(judged.person, row):
            raise not_there("an export of this id")
        return _export(row, is_own=_is_own(judged.person, row))

    async def to_approve(self, visit: Visit, export_id: str) -> ToApprove:
        """What an approver signs, byte for byte.

        Raises:
            HttpProblem: there is none that this person may see.
            RoehError: refused, or evidence cannot answer.
        """
        judged = await self._judge.judge(
            visit, Action.SEE_EXPORTS, f"export {export_id}", export_id=export_id
        )
        row = await self.row(export_id)
        if not row.request or not _may_see(judged.person, row):
            raise not_there("an export of this id that waits for approval")
        approved, refused = self._words(row, judged.person)
        return ToApprove(
            id=row.id,
            site=self._config.node.site,
            node=self._config.node.name,
            request=row.request.decode(),
            request_sha256=row.request_sha256,
            requester=row.requester,
            approved=approved,
            refused=refused,
        )

    async def fetched_by(self, visit: Visit, export_id: str) -> ExportRow:
        """The export whose bundle this person may fetch: who asked for it, and it is there.

        Raises:
            HttpProblem: there is none of theirs, or none yet.
            RoehError: refused, or evidence cannot answer.
        """
        judged = await self._judge.judge(
            visit, Action.FETCH, f"bundle of {export_id}", export_id=export_id
        )
        row = await self.row(export_id)
        if not is_same_person(judged.person.number, row.requester.number):
            raise not_there("an export of this id that you asked for")
        if row.state not in ("ready", "taken"):
            raise HttpProblem(
                409,
                code="EXPORT_FAILED",
                what=f"there is no bundle: the export is {row.state}",
                which=f"export {export_id}",
                remedy="wait until it is ready, or ask for another when it is over",
            )
        return row

    async def note(self, visit: Visit, note: NoteExport) -> Export:
        """Put on record how a fetch ended.

        Raises:
            RoehError: evidence cannot answer.
        """
        note = msgspec.structs.replace(note, visitor=visit.visitor)
        return _export(
            (await self._link.ask(Verb.EXPORT_NOTE, note, ExportHeld)).export, is_own=True
        )

    async def row(self, export_id: str) -> ExportRow:
        """One export as evidence has it, for whoever was judged already.

        Raises:
            HttpProblem: there is none.
            RoehError: evidence cannot answer.
        """
        asked = ExportsRequest(id=export_id, limit=1)
        try:
            page = await self._link.ask(Verb.EXPORTS_PAGE, asked, ExportsPage)
        except EvidenceRefused:
            raise not_there("an export of this id") from None
        if not page.exports:
            raise not_there("an export of this id")
        return page.exports[0]

    def _words(self, row: ExportRow, person: Person) -> tuple[str, str]:
        """An approval and a refusal for this person to sign."""
        is_another = not is_same_person(person.number, row.requester.number)
        if person.role is not PersonRole.APPROVER or not is_another:
            return "", ""
        now_us = self._clock.read().t_utc_ns // NS_PER_US
        approval = Approval(
            request=msgspec.json.decode(row.request, type=ExportRequest),
            request_sha256=row.request_sha256,
            verdict="approved",
            approver_number=person.number,
            not_before_utc_us=now_us - _BEFORE_US,
            expires_utc_us=now_us + _APPROVAL_US,
        )
        refusal = msgspec.structs.replace(approval, verdict="refused")
        return canonical_struct(approval).decode(), canonical_struct(refusal).decode()


def _may_see(person: Person, row: ExportRow) -> bool:
    return person.role in _SEE_ALL or _is_own(person, row)


def _is_own(person: Person, row: ExportRow) -> bool:
    return is_same_person(person.number, row.requester.number)


def _export(row: ExportRow, *, is_own: bool) -> Export:
    """As it is shown; `is_own`: to the one who asked for it."""
    return Export(
        row=row.row,
        id=row.id,
        state=row.state,
        request=msgspec.json.decode(row.request, type=ExportRequest) if row.request else None,
        request_sha256=row.request_sha256,
        is_signed=bool(row.request_p7m),
        requester=row.requester,
        approver=row.approver,
        hold_id=row.hold_id,
        t_utc_us=row.t_utc_us,
        detail=row.detail,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        bytes_done=row.bytes_done,
        bytes_total=row.bytes_total,
        is_own=is_own,
    )
