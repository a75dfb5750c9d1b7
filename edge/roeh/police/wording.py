"""What a request and an approval say, in words, before somebody puts their name under it. Pure."""

from __future__ import annotations

import msgspec

from roeh.access.requests import request_sha256
from roeh.core.moments import length_text, utc_text
from roeh.core.retrieval import Approval, ExportRequest, Person


class Line(msgspec.Struct, frozen=True):
    """One thing that is said: what it is, and what it is here."""

    label: str
    text: str


def request_lines(
    request: ExportRequest, signer: Person | None, told: Person | None = None
) -> list[Line]:
    """All that a request says.

    Args:
        request: as it was read.
        signer: who signed it; None: that is not known here.
        told: whom the pole names as its asker, where there is no signer.
    """
    if request.kind == "full":
        takes = "the original recordings, with their proofs"
    else:
        takes = "a copy with regions blurred; no originals"
    if signer is not None:
        asked = person_words(signer)
    elif told is not None:
        asked = f"{person_words(told)}, as the pole says"
    else:
        asked = f"number {request.requester_number}, as the file says: nobody signed it"
    span_us = request.to_utc_us - request.from_utc_us
    lines = [
        Line("pole", f"{request.site}/{request.node}"),
        Line("takes", takes),
        Line("cameras", ", ".join(request.cameras)),
        Line("from", exact_utc(request.from_utc_us)),
        Line("to", f"{exact_utc(request.to_utc_us)}  ({length_text(span_us)})"),
        Line("case", request.case_number),
        Line("legal basis", request.legal_basis),
        Line("reason", request.reason),
        Line("asked for by", asked),
        Line("asked at", exact_utc(request.requested_utc_us)),
    ]
    lines += [Line("can be opened by", recipient) for recipient in request.recipients]
    lines += [
        Line(
            "blurred",
            f"{region.camera_id}: {region.x0_px},{region.y0_px} to"
            f" {region.x1_px},{region.y1_px} px",
        )
        for region in request.regions
    ]
    return [*lines, Line("id", request.id), Line("sha256", request_sha256(request))]


def approval_lines(approval: Approval, signer: Person) -> list[Line]:
    """What an approval adds to its request."""
    if approval.verdict == "approved":
        verdict = "AGREES that exactly this leaves the pole"
    else:
        verdict = "REFUSES: nothing of it leaves the pole"
    lines = [
        Line("you", person_words(signer)),
        Line("your word", verdict),
        Line("counts from", exact_utc(approval.not_before_utc_us)),
        Line("counts until", exact_utc(approval.expires_utc_us)),
    ]
    return lines + ([Line("note", approval.note)] if approval.note else [])


def person_words(person: Person) -> str:
    """Who somebody is, as their certificate says."""
    role = person.role.value.replace("_", " ")
    return f"{person.name}, {person.organisation}, number {person.number}, {role}"


def exact_utc(t_us: int) -> str:
    """A time of UTC with all of its part of a second that there is."""
    text, part_us = utc_text(t_us), t_us % 1_000_000
    return text if not part_us else f"{text[:-1]}.{part_us:06d}".rstrip("0") + "Z"
