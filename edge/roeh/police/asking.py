"""Making a request and an approval, and reading what others made. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from roeh.access.people import person_of
from roeh.access.requests import (
    check_requester,
    make_approval,
    read_request,
    read_signed_request,
    request_bytes,
    sign_approval,
    sign_request,
)
from roeh.core.errors import MessageRefused
from roeh.core.retrieval import Approval, ExportRequest, Person, Region
from roeh.keys.signer import NodeName
from roeh.police.person import SigningPerson

#: Clocks of offices and poles differ by less.
_BEFORE_NOW_US = 10 * 60 * 1_000_000


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants, as they typed it."""

    pole: NodeName
    case_number: str
    legal_basis: str
    reason: str
    cameras: Sequence[str]
    from_utc_us: int
    to_utc_us: int
    recipients: Sequence[str]
    is_redacted: bool
    regions: Sequence[Region]


class ReadRequest(msgspec.Struct, frozen=True):
    """A request that somebody is asked to agree to.

    Attributes:
        signer: who signed it, as their certificate says; None: it is not signed.
        told: whom a pole names as its asker, where there is no signer.
    """

    request: ExportRequest
    signer: Person | None
    told: Person | None = None


def make_request(wish: Wish, person: Person, export_id: str, now_utc_us: int) -> ExportRequest:
    """The request, checked as a pole checks it.

    Raises:
        MessageRefused: a field that no request has.
        AccessRefused: `request_malformed`.
    """
    asked = {
        "id": export_id,
        "site": wish.pole.site,
        "node": wish.pole.node,
        "kind": "redacted" if wish.is_redacted else "full",
        "case_number": wish.case_number,
        "legal_basis": wish.legal_basis,
        "reason": wish.reason,
        "cameras": list(wish.cameras),
        "from_utc_us": wish.from_utc_us,
        "to_utc_us": wish.to_utc_us,
        "recipients": list(wish.recipients),
        "regions": [msgspec.to_builtins(region) for region in wish.regions],
        "requester_number": person.number,
        "requested_utc_us": now_utc_us,
    }
    try:
        request = msgspec.convert(asked, ExportRequest)
    except msgspec.ValidationError as error:
        raise MessageRefused(
            what=f"no such request can be made ({error})",
            which="the request",
            remedy="see roeh police request --help",
        ) from None
    request_bytes(request)
    return request


def signed_request(request: ExportRequest, signer: SigningPerson, now_utc_us: int) -> bytes:
    """The request under its asker's signature (CMS, DER)."""
    return sign_request(request, chain_pem=signer.chain_pem, sign=signer.sign, t_utc_us=now_utc_us)


def read_any_request(content: bytes) -> ReadRequest:
    """A request as it was signed, or as a pole hands out one that was said to it.

    Raises:
        AccessRefused: `request_malformed`, or signed by no person, or by another one.
    """
    if content.startswith(b"{"):
        return ReadRequest(request=read_request(content), signer=None)
    read = read_signed_request(content)
    signer = person_of(read.signer_der)
    check_requester(read.request, signer)
    return ReadRequest(request=read.request, signer=signer)


def made_approval(
    request: ExportRequest,
    approver: Person,
    verdict: Literal["approved", "refused"],
    *,
    now_utc_us: int,
    expires_utc_us: int,
    note: str,
) -> Approval:
    """A second person's word on the whole of a request, from about now on.

    Raises:
        MessageRefused: a note that no approval has.
        AccessRefused: by its first word: `self_approval`, `approval_malformed`.
    """
    approval = make_approval(
        request,
        verdict=verdict,
        approver_number=approver.number,
        not_before_utc_us=now_utc_us - _BEFORE_NOW_US,
        expires_utc_us=expires_utc_us,
        note=note,
    )
    try:
        # As its reader will: lengths and characters are checked where it is read.
        msgspec.json.decode(msgspec.json.encode(approval), type=Approval)
    except msgspec.ValidationError as error:
        raise MessageRefused(
            what=f"no such approval can be made ({error})",
            which="--note",
            remedy="write less, on one line",
        ) from None
    return approval


def signed_approval(approval: Approval, signer: SigningPerson, now_utc_us: int) -> bytes:
    """The approval under its approver's signature (CMS, DER)."""
    return sign_approval(
        approval, chain_pem=signer.chain_pem, sign=signer.sign, t_utc_us=now_utc_us
    )
