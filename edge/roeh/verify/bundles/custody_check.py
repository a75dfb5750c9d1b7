"""Custody of a bundle: who asked, who agreed, that both count, and that all of it is on record.

What persons signed is judged as of the ledger's time of its record, which is proven, and not
as of the time that the signer claims.
"""

from __future__ import annotations

import hashlib
import re
from typing import TypeVar

from roeh.access.judging import judge_person_at
from roeh.access.people import is_same_person
from roeh.access.requests import JudgedApproval, judge_approval_at, read_signed_request
from roeh.access.trust_list import HeldTrust, read_trust_list
from roeh.bundle import layout
from roeh.core.errors import AccessRefused, KeyRefused
from roeh.core.moments import utc_text
from roeh.core.retrieval import MAX_SIGNED_BYTES, Person, PersonRole
from roeh.keys.certificates import certificate_pem
from roeh.keys.chain import SigningTime, TrustAnchors
from roeh.ledger import records
from roeh.ledger.canonical import canonical_struct
from roeh.verify.bundles.bag import Bag
from roeh.verify.bundles.custody_words import CustodyLine, custody_line
from roeh.verify.bundles.proven_part import ProvenPart
from roeh.verify.report import Aspect, Finding, Weight

_Body = TypeVar("_Body", bound=records.RecordBody)

_ASKERS = {"full": PersonRole.INVESTIGATOR, "redacted": PersonRole.PRIVACY_OFFICER}


def believed_trust_list(signed: bytes, anchors: TrustAnchors) -> HeldTrust | str:
    """A trust list that one of the reader's roots stands behind; else why none does."""
    why = "no root was given"
    for root in anchors.certificates:
        try:
            return read_trust_list(signed, certificate_pem(root), None)
        except (AccessRefused, KeyRefused) as error:
            why = f"{error.what}: {error.which}"
    return why


class CustodyCheck:
    """Of one bundle.

    Attributes:
        findings: all of them against custody.
        lines: the records of custody in words.
        requester, approver: in words, as far as they are known.
    """

    def __init__(
        self,
        bag: Bag,
        document: layout.ExportDocument,
        part: ProvenPart,
        anchors: TrustAnchors | None,
    ) -> None:
        self._bag = bag
        self._document = document
        self._part = part
        self._anchors = anchors
        self.findings: list[Finding] = []
        lines = (custody_line(record, document.names) for record in part.custody)
        self.lines: tuple[CustodyLine, ...] = tuple(line for line in lines if line is not None)
        self.requester = document.request.requester_number
        self.approver = ""
        self.request = canonical_struct(document.request)
        self.request_sha256 = hashlib.sha256(self.request).hexdigest()

    def check(self) -> None:
        """Request, trust list, approval, and the records of each in their order."""
        asked = self._record_of(records.ExportRequestRecord)
        agreed = self._record_of(records.ApprovalRecord)
        begun = self._begun()
        self._check_request_record(asked)
        trust = self._trust()
        if trust is not None:
            self._check_signed_request(trust, asked)
            self._check_approval(trust, agreed)
        self._check_two_persons(asked, agreed)
        leaves = [each.leaf for each in (asked, agreed, begun) if each is not None]
        if leaves != sorted(leaves):
            self._find("custody_order", "request, approval and export do not follow each other")
        if begun is None:
            self._find("export_unrecorded", "no record says that the making of it was begun")
        self._check_ended()

    def _check_ended(self) -> None:
        """What has ended leaves nothing behind: no evidence leaves on its approval."""
        for record in self._part.custody:
            body = record.body
            if getattr(body, "export_id", "") != self._export_id:
                continue
            step = body.step if isinstance(body, records.ExportRecord) else ""
            is_refused = isinstance(body, records.ApprovalRecord) and body.verdict == "refused"
            if step in {"failed", "expired"} or is_refused:
                self._find(
                    "export_ended",
                    f"it had ended before it left: {step or 'refused'}, by the ledger",
                    leaf=record.leaf,
                )

    def _check_name(self, pseudonym: str, person: Person, path: str, leaf: int) -> None:
        """That EXPORT calls somebody what their certificate calls them; unnamed is no lie."""
        shown = self._document.names.get(pseudonym, "")
        words = re.split(r"[\s(),]+", shown)
        if shown and (person.number not in words or not shown.startswith(person.name)):
            detail = f"{layout.EXPORT} calls them {shown!r}, their certificate {person.name!r}"
            self._find("names_differ", f"{detail} ({person.number})", path, leaf=leaf)

    def _record_of(self, kind: type[_Body]) -> records.Record | None:
        """The last record of a kind that speaks of this export."""
        for record in reversed(self._part.custody):
            body = record.body
            if isinstance(body, kind) and getattr(body, "export_id", "") == self._export_id:
                return record
        return None

    def _begun(self) -> records.Record | None:
        """The last time: an interrupted export is begun anew."""
        for record in reversed(self._part.custody):
            body = record.body
            is_step = isinstance(body, records.ExportRecord) and body.step == "begun"
            if is_step and getattr(body, "export_id", "") == self._export_id:
                return record
        return None

    @property
    def _export_id(self) -> str:
        return self._document.request.id

    def _check_request_record(self, asked: records.Record | None) -> None:
        body = None if asked is None else asked.body
        if asked is None or not isinstance(body, records.ExportRequestRecord):
            self._find("request_unrecorded", "no record says that it was asked for", layout.REQUEST)
            return
        request = self._document.request
        names = self._document.names
        shown = names.get(body.person, "")
        if shown and request.requester_number not in re.split(r"[\s(),]+", shown):
            detail = f"{layout.EXPORT} calls {request.requester_number} {shown!r}"
            self._find("names_differ", detail, layout.REQUEST, leaf=asked.leaf)
        self.requester = shown or self.requester
        if names.get(body.case, request.case_number) != request.case_number:
            self._find(
                "request_differs",
                f"{layout.EXPORT} calls the case on record {names[body.case]}",
                layout.REQUEST,
                leaf=asked.leaf,
            )
        recorded = (body.cameras, body.from_utc_us, body.to_utc_us, body.export_kind)
        wanted = (request.cameras, request.from_utc_us, request.to_utc_us, request.kind)
        if body.request_sha256 != self.request_sha256 or recorded != wanted:
            self._find(
                "request_differs",
                "is not the request that is on record",
                layout.REQUEST,
                leaf=asked.leaf,
            )
        if body.is_signed is not (layout.REQUEST_SIGNED in self._bag):
            self._find(
                "request_differs",
                "the record says otherwise of whether it was signed",
                layout.REQUEST_SIGNED,
                leaf=asked.leaf,
            )

    def _trust(self) -> HeldTrust | None:
        signed = self._bag.read(layout.TRUST_LIST, MAX_SIGNED_BYTES)
        if self._anchors is None:
            self._find(
                "no_trust_anchor",
                "no root certificate was given (--trust), so nobody's approval counts",
                weight=Weight.NOT_CHECKED,
            )
            return None
        if signed is None:
            self._find(
                "trust_list_missing", "says who may agree, and is not there", layout.TRUST_LIST
            )
            return None
        found = believed_trust_list(signed, self._anchors)
        if isinstance(found, str):
            why = f"not signed under a root given: {found}"
            self._find("trust_list_not_trusted", why, layout.TRUST_LIST)
            return None
        stated = self._document.trust_list
        held = found.trust_list
        if (stated.version, stated.issued_utc_us, stated.sha256) != (
            held.version,
            held.issued_utc_us,
            found.sha256,
        ):
            why = f"is not the one that {layout.EXPORT} names"
            self._find("trust_list_differs", why, layout.TRUST_LIST)
        recorded = self._part.trust_list
        is_older = recorded is not None and held.version < recorded.version
        is_other = recorded is not None and held.version == recorded.version
        if recorded is None or is_older or (is_other and recorded.sha256 != found.sha256):
            why = "is not the one that the ledger names as the newest in force"
            self._find("trust_list_differs", why, layout.TRUST_LIST)
        return found

    def _check_signed_request(self, trust: HeldTrust, asked: records.Record | None) -> None:
        signed = self._bag.read(layout.REQUEST_SIGNED, MAX_SIGNED_BYTES)
        if signed is None:
            self._find(
                "request_unsigned",
                "it was said over TLS: that this person asked is the pole's word",
                layout.REQUEST,
                weight=Weight.NOTE,
            )
            self.requester += ", by the pole's word"
            return
        if asked is None or self._anchors is None:
            return
        try:
            read = read_signed_request(signed)
            judged = judge_person_at(
                read.signer_der, trust, _time(asked), self._anchors.revocations
            )
        except AccessRefused as error:
            self._refused(error, layout.REQUEST_SIGNED, asked.leaf)
            return
        person = judged.person
        if read.content != self.request:
            self._find("request_differs", "somebody signed another request", layout.REQUEST_SIGNED)
        if not is_same_person(person.number, self._document.request.requester_number):
            self._find(
                "another_signer",
                f"signed by {person.number}, in the name of"
                f" {self._document.request.requester_number}",
                layout.REQUEST_SIGNED,
            )
        if person.role is not _ASKERS[self._document.kind]:
            self._find(
                "role_may_not",
                f"a {person.role.value} may not ask for this",
                layout.REQUEST_SIGNED,
            )
        self._check_name(getattr(asked.body, "person", ""), person, layout.REQUEST, asked.leaf)
        self.requester = f"{person.name} ({person.number}), {person.organisation}"
        self._note_revoked(judged.revoked_later_utc_us, layout.REQUEST_SIGNED)

    def _check_approval(self, trust: HeldTrust, agreed: records.Record | None) -> None:
        signed = self._bag.read(layout.APPROVAL, MAX_SIGNED_BYTES)
        if signed is None:
            self._find("approval_missing", "a second person's word is not there", layout.APPROVAL)
            return
        body = None if agreed is None else agreed.body
        if agreed is None or not isinstance(body, records.ApprovalRecord):
            self._find("approval_unrecorded", "no record says that it was given", layout.APPROVAL)
            return
        if body.approval_sha256 != hashlib.sha256(signed).hexdigest():
            self._find(
                "approval_unrecorded",
                "is not the one that is on record",
                layout.APPROVAL,
                leaf=agreed.leaf,
            )
        if body.trust_list_version > trust.trust_list.version:
            self._find(
                "trust_list_differs",
                f"is version {trust.trust_list.version}; the approval was judged by version"
                f" {body.trust_list_version}",
                layout.TRUST_LIST,
                leaf=agreed.leaf,
            )
        try:
            judged = self._judged(signed, trust, agreed)
        except AccessRefused as error:
            self._refused(error, layout.APPROVAL, agreed.leaf)
            return
        approver = judged.approver
        self._check_name(body.person, approver, layout.APPROVAL, agreed.leaf)
        self.approver = f"{approver.name} ({approver.number}), {approver.organisation}"
        if "refused" in (judged.approval.verdict, body.verdict):
            self._find(
                "approval_refuses",
                "it says no, and evidence left all the same",
                layout.APPROVAL,
                leaf=agreed.leaf,
            )
        self._note_revoked(judged.revoked_later_utc_us, layout.APPROVAL)

    def _judged(self, signed: bytes, trust: HeldTrust, agreed: records.Record) -> JudgedApproval:
        request = self._document.request
        assert self._anchors is not None
        return judge_approval_at(
            signed,
            request=self.request,
            requester_number=request.requester_number,
            site=self._part.state.site or "",
            node=self._part.state.node or "",
            trust=trust,
            at=_time(agreed),
            also_revoked=self._anchors.revocations,
        )

    def _check_two_persons(
        self, asked: records.Record | None, agreed: records.Record | None
    ) -> None:
        """By their pseudonyms, which differ wherever the numbers do."""
        one = getattr(asked.body, "person", "") if asked is not None else ""
        other = getattr(agreed.body, "person", "") if agreed is not None else ""
        if one and one == other and agreed is not None:
            self._find(
                "self_approval",
                "one person asked and agreed, by the ledger",
                layout.APPROVAL,
                leaf=agreed.leaf,
            )

    def _note_revoked(self, revoked_us: int | None, path: str) -> None:
        if revoked_us is not None:
            self._find(
                "revoked_later",
                f"the signer was revoked as of {utc_text(revoked_us)}, after this was on record",
                path,
                weight=Weight.NOTE,
            )

    def _refused(self, error: AccessRefused, path: str, leaf: int) -> None:
        """The words of access (access/refusals.py) are stable, and so those of findings."""
        self._find(error.what, f"does not count: {error.which}", path, leaf=leaf)

    def _find(
        self,
        what: str,
        detail: str,
        path: str | None = None,
        *,
        weight: Weight = Weight.FAIL,
        leaf: int | None = None,
    ) -> None:
        self.findings.append(
            Finding(
                aspect=Aspect.CUSTODY,
                weight=weight,
                what=what,
                detail=detail,
                path=path,
                leaf=leaf,
            )
        )


def _time(record: records.Record) -> SigningTime:
    return SigningTime(record.t_utc_us, record.utc_error_us)
