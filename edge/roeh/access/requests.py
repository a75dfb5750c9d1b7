"""Requests for an export and the second person's word on them: written, read, judged. Without IO.

Both are canonical JSON (RFC 8785), so a hash tells a request from every other one; an approval
is always signed, a request may be. edge/design/retrieval.md, An export, step by step.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from roeh.access.age_recipients import is_age_recipient
from roeh.access.judging import JudgedPerson, judge_person, judge_person_at, time_of
from roeh.access.people import is_same_person
from roeh.access.reading import canonical_bytes, canonical_content, read_object
from roeh.access.refusals import refused
from roeh.access.trust_list import HeldTrust
from roeh.core.clock import ClockReading
from roeh.core.retrieval import (
    MAX_SPAN_US,
    Approval,
    ExportRequest,
    Person,
    PersonRole,
)
from roeh.keys.chain import SigningTime
from roeh.keys.cms import SignedContent, sign_attached
from roeh.keys.instants import as_text
from roeh.keys.person_certificates import is_person_number
from roeh.keys.revocation import RevocationLists

#: How long an approval may count.
MAX_APPROVAL_US = 30 * 24 * 3600 * 1_000_000

_US_PER_DAY = 86_400_000_000

#: They end a line or turn the direction of writing: who reads sees another text.
_MISLEADING = re.compile("[\x80-\x9f\u2028-\u202e\u2066-\u2069]")


class SignedRequest(msgspec.Struct, frozen=True):
    """A request that somebody signed; who they are is not judged.

    Attributes:
        request: what it says.
        content: as canonical JSON.
        signer_der: the signer's certificate.
        signing_time_utc_us: the signer's word.
    """

    request: ExportRequest
    content: bytes
    signer_der: bytes
    signing_time_utc_us: int


class JudgedApproval(msgspec.Struct, frozen=True):
    """An approval that counts.

    Attributes:
        approval: what it says: approved or refused.
        approver: who signed it.
        sha256: of the signed object as it came.
        revoked_later_utc_us: from when on the approver is not believed any more, where it was
            judged for a past time; None: they still are.
    """

    approval: Approval
    approver: Person
    sha256: str
    revoked_later_utc_us: int | None = None


def request_bytes(request: ExportRequest) -> bytes:
    """The one way to write a request.

    Raises:
        AccessRefused: `request_malformed`: see `read_request`.
    """
    content = canonical_bytes(request, "request_malformed")
    read_request(content)
    return content


def request_sha256(request: ExportRequest) -> str:
    """What tells it from every other request."""
    return hashlib.sha256(request_bytes(request)).hexdigest()


def read_request(content: bytes) -> ExportRequest:
    """A request that can be meant.

    Args:
        content: as `request_bytes` writes it, and not otherwise.

    Raises:
        AccessRefused: `request_malformed`: not canonical JSON, a span that is empty or too
            long, a camera twice, regions of another camera or where nothing is blurred, a
            recipient whose checksum is wrong, a number no certificate carries.
    """
    request = canonical_content(content, ExportRequest, "request_malformed")
    _check_request(request)
    return request


def sign_request(
    request: ExportRequest, *, chain_pem: bytes, sign: Callable[[bytes], bytes], t_utc_us: int
) -> bytes:
    """A request with its asker's signature (CMS, attached)."""
    content = request_bytes(request)
    return sign_attached(content, chain_pem=chain_pem, sign=sign, t_utc_us=t_utc_us)


def read_signed_request(signed: bytes) -> SignedRequest:
    """A request and who signed it. The caller judges the signer (`judge_person`).

    Raises:
        AccessRefused: `request_malformed`.
    """
    read = read_object(signed, "request_malformed")
    return SignedRequest(
        request=read_request(read.content),
        content=read.content,
        signer_der=read.signer_der,
        signing_time_utc_us=read.signing_time_utc_us,
    )


def check_requester(request: ExportRequest, person: Person) -> None:
    """Refuse a request that somebody makes in another person's name.

    Raises:
        AccessRefused: `another_signer`.
    """
    if not is_same_person(request.requester_number, person.number):
        raise refused("another_signer", f"{request.requester_number}, by {person.number}")


def make_approval(
    request: ExportRequest,
    *,
    verdict: Literal["approved", "refused"],
    approver_number: str,
    not_before_utc_us: int,
    expires_utc_us: int,
    note: str = "",
) -> Approval:
    """A second person's word, to be signed.

    Raises:
        AccessRefused: `approval_malformed`, `request_malformed`, `self_approval`.
    """
    approval = Approval(
        request=request,
        request_sha256=request_sha256(request),
        verdict=verdict,
        approver_number=approver_number,
        not_before_utc_us=not_before_utc_us,
        expires_utc_us=expires_utc_us,
        note=note,
    )
    if is_same_person(approver_number, request.requester_number):
        raise refused("self_approval", f"{approver_number} asked for {request.id}")
    _check_approval(approval)
    return approval


def sign_approval(
    approval: Approval, *, chain_pem: bytes, sign: Callable[[bytes], bytes], t_utc_us: int
) -> bytes:
    """An approval with its signature (CMS, attached)."""
    content = canonical_bytes(approval, "approval_malformed")
    canonical_content(content, Approval, "approval_malformed")
    _check_approval(approval)
    return sign_attached(content, chain_pem=chain_pem, sign=sign, t_utc_us=t_utc_us)


def read_approval(signed: bytes) -> Approval:
    """What an approval says, whoever signed it; not judged.

    Raises:
        AccessRefused: `approval_malformed`, `request_malformed`.
    """
    return _read_approval(read_object(signed, "approval_malformed"))


def judge_approval(
    approval_p7m: bytes,
    *,
    request: bytes,
    requester: Person,
    site: str,
    node: str,
    trust: HeldTrust | None,
    now: ClockReading,
) -> JudgedApproval:
    """Whether an approval counts here and now, for this request.

    Args:
        approval_p7m: as it came.
        request: canonical JSON of the request that waits.
        requester: who asked for it.
        site: of the pole that judges.
        node: its name.
        trust: the list in force.
        now: the pole's clock.

    Raises:
        AccessRefused: `approval_malformed`, `another_request`, `another_pole`,
            `not_an_approver`, `another_signer`, `self_approval`, `not_yet`, `expired`, and those
            of `judge_person`.
    """

    def judge(certificate_der: bytes) -> JudgedPerson:
        return JudgedPerson(judge_person(certificate_der, trust, now))

    at = time_of(now)
    wanted = _Wanted(request, requester.number, site, node, at)
    return _judged(approval_p7m, wanted, judge)


def judge_approval_at(
    approval_p7m: bytes,
    *,
    request: bytes,
    requester_number: str,
    site: str,
    node: str,
    trust: HeldTrust,
    at: SigningTime,
    also_revoked: RevocationLists | None = None,
) -> JudgedApproval:
    """As `judge_approval`, for a past time: see `judge_person_at`."""

    def judge(certificate_der: bytes) -> JudgedPerson:
        return judge_person_at(certificate_der, trust, at, also_revoked)

    wanted = _Wanted(request, requester_number, site, node, at)
    return _judged(approval_p7m, wanted, judge)


class _Wanted(msgspec.Struct, frozen=True):
    """What an approval has to be for, and the time it is judged for."""

    request: bytes
    requester_number: str
    site: str
    node: str
    at: SigningTime


def _judged(
    approval_p7m: bytes, wanted: _Wanted, judge: Callable[[bytes], JudgedPerson]
) -> JudgedApproval:
    read = read_object(approval_p7m, "approval_malformed")
    approval = _read_approval(read)
    request = approval.request
    if request_bytes(request) != wanted.request:
        raise refused("another_request", f"{request.id}, {approval.request_sha256}")
    if (request.site, request.node) != (wanted.site, wanted.node):
        raise refused("another_pole", f"{request.site}/{request.node}")
    judged = judge(read.signer_der)
    approver = judged.person
    if approver.role is not PersonRole.APPROVER:
        raise refused("not_an_approver", f"{approver.number}, {approver.role.value}")
    if not is_same_person(approval.approver_number, approver.number):
        raise refused("another_signer", f"{approval.approver_number}, by {approver.number}")
    for number in (wanted.requester_number, request.requester_number):
        if is_same_person(approver.number, number):
            raise refused("self_approval", f"{approver.number} asked for {request.id}")
    _check_time(approval, wanted.at)
    return JudgedApproval(
        approval=approval,
        approver=approver,
        sha256=hashlib.sha256(approval_p7m).hexdigest(),
        revoked_later_utc_us=judged.revoked_later_utc_us,
    )


def _check_time(approval: Approval, at: SigningTime) -> None:
    if at.t_utc_us + at.error_us < approval.not_before_utc_us:
        raise refused("not_yet", f"from {as_text(approval.not_before_utc_us)}")
    if at.t_utc_us - at.error_us > approval.expires_utc_us:
        raise refused("expired", f"until {as_text(approval.expires_utc_us)}")


def _read_approval(read: SignedContent) -> Approval:
    approval = canonical_content(read.content, Approval, "approval_malformed")
    _check_approval(approval)
    return approval


def _check_approval(approval: Approval) -> None:
    lasts_us = approval.expires_utc_us - approval.not_before_utc_us
    if not 0 < lasts_us <= MAX_APPROVAL_US:
        wrong = "it counts never, or longer than 30 days"
    elif not is_person_number(approval.approver_number):
        wrong = "its approver's number is one that no certificate carries"
    elif _is_misleading([approval.note]):
        wrong = "characters that turn the direction of writing"
    elif approval.request_sha256 != request_sha256(approval.request):
        wrong = "its hash is another request's"
    else:
        return
    raise refused("approval_malformed", wrong)


def _check_request(request: ExportRequest) -> None:
    if wrong := _wrong_request(request):
        raise refused("request_malformed", wrong)


def _wrong_request(request: ExportRequest) -> str:
    """What keeps a request from being meant; empty when nothing does."""
    length_us = request.to_utc_us - request.from_utc_us
    if not 0 < length_us <= MAX_SPAN_US:
        return f"a span of {length_us} us, not one of up to {MAX_SPAN_US // _US_PER_DAY} days"
    for named in (request.cameras, request.recipients):
        if len(set(named)) != len(named):
            return f"twice: {max(named, key=named.count)}"
    mistyped = [one for one in request.recipients if not is_age_recipient(one)]
    if mistyped:
        return f"no public key of age, or mistyped: {mistyped[0]}"
    if not is_person_number(request.requester_number):
        return "a number that no certificate carries"
    if _is_misleading([request.case_number, request.legal_basis, request.reason]):
        return "characters that turn the direction of writing"
    return _wrong_regions(request)


def _wrong_regions(request: ExportRequest) -> str:
    if request.regions and request.kind != "redacted":
        return "regions, where nothing is blurred"
    for region in request.regions:
        if region.camera_id not in request.cameras:
            return f"a region of another camera: {region.camera_id}"
        if region.x0_px >= region.x1_px or region.y0_px >= region.y1_px:
            return f"an empty region of {region.camera_id}"
    return ""


def _is_misleading(texts: Iterable[str]) -> bool:
    return any(_MISLEADING.search(text) for text in texts)
