"""Ledger records as steps of custody that a person reads. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from roeh.ledger.records import (
    AccessRecord,
    AccessRefusedRecord,
    ApprovalRecord,
    ErasureRecord,
    ExportRecord,
    ExportRequestRecord,
    HoldRecord,
    Record,
    ReleaseRecord,
    TamperRecord,
    TrustListRecord,
)
from roeh.retrieve.pages.times import utc_text

#: Kinds of records that are custody, by their tags.
KINDS = (
    "access",
    "access_refused",
    "approval",
    "erasure",
    "export",
    "export_request",
    "hold",
    "release",
    "tamper",
    "trust_list",
)

Weight = Literal["plain", "good", "bad"]

#: The words of each step and how heavy it weighs.
STEPS: dict[str, Weight] = {
    "looked": "plain",
    "refused": "bad",
    "requested": "plain",
    "approved": "good",
    "disapproved": "bad",
    "begun": "plain",
    "sealed": "plain",
    "ready": "good",
    "taken": "good",
    "untaken": "bad",
    "failed": "bad",
    "interrupted": "bad",
    "expired": "plain",
    "hold": "plain",
    "release_asked": "plain",
    "release_released": "plain",
    "release_ended": "plain",
    "erasure": "plain",
    "tamper": "bad",
    "trust_list": "plain",
}

#: Facts of a step; the words of each say what its value is.
FACTS = (
    "action",
    "cameras",
    "case",
    "count",
    "damaged",
    "export",
    "files",
    "from",
    "hold",
    "reason",
    "sha256",
    "size_bytes",
    "to",
    "version",
    "what",
)


class Fact(msgspec.Struct, frozen=True):
    """One detail; `is_latin`: an identifier and no sentence."""

    key: str
    value: str
    is_latin: bool = True


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One record of custody."""

    leaf: int
    t_utc_us: int
    synchronised: bool
    key: str
    weight: Weight
    person: str
    facts: tuple[Fact, ...]


def step_of(record: Record) -> Step | None:
    """What a record says; None: it is not custody."""
    key, person, facts = _said(record)
    if not key:
        return None
    return Step(
        leaf=record.leaf,
        t_utc_us=record.t_utc_us,
        synchronised=record.synchronised,
        key=key,
        weight=STEPS[key],
        person=person,
        facts=tuple(fact for fact in facts if fact.value),
    )


def _said(record: Record) -> tuple[str, str, list[Fact]]:  # noqa: PLR0911  a branch a kind
    body = record.body
    if isinstance(body, AccessRecord):
        return "looked", body.person, [Fact("action", body.action), Fact("reason", body.detail)]
    if isinstance(body, AccessRefusedRecord):
        count = str(body.count) if body.count > 1 else ""
        facts = [Fact("action", body.action), Fact("reason", body.reason), Fact("count", count)]
        return "refused", body.person, facts
    if isinstance(body, ExportRequestRecord):
        return "requested", body.person, _requested(body)
    if isinstance(body, ApprovalRecord):
        key = "approved" if body.verdict == "approved" else "disapproved"
        facts = [
            Fact("export", body.export_id),
            Fact("version", str(body.trust_list_version)),
            Fact("sha256", body.approval_sha256),
        ]
        return key, body.person, facts
    if isinstance(body, ExportRecord):
        return body.step, body.person, _exported(body)
    if isinstance(body, HoldRecord):
        cameras = ", ".join(sorted({span.camera_id for span in body.spans}))
        facts = [
            Fact("hold", body.hold_id),
            Fact("cameras", cameras),
            Fact("reason", body.reason, is_latin=False),
        ]
        return "hold", body.person, facts
    if isinstance(body, ReleaseRecord):
        facts = [Fact("hold", body.hold_id), Fact("reason", body.reason, is_latin=False)]
        return f"release_{body.step}", body.person, facts
    if isinstance(body, ErasureRecord):
        return (
            "erasure",
            "",
            [
                Fact("what", body.pseudonym),
                Fact("reason", body.reason, is_latin=False),
            ],
        )
    if isinstance(body, TamperRecord):
        facts = [Fact("what", body.what), Fact("reason", f"{body.where}: {body.detail}")]
        return "tamper", "", facts
    if isinstance(body, TrustListRecord):
        return "trust_list", "", [Fact("version", str(body.version)), Fact("sha256", body.sha256)]
    return "", "", []


def _requested(body: ExportRequestRecord) -> list[Fact]:
    return [
        Fact("export", body.export_id),
        Fact("case", body.case),
        Fact("cameras", ", ".join(body.cameras)),
        Fact("from", utc_text(body.from_utc_us)),
        Fact("to", utc_text(body.to_utc_us)),
        Fact("sha256", body.request_sha256),
    ]


def _exported(body: ExportRecord) -> list[Fact]:
    return [
        Fact("export", body.export_id),
        Fact("damaged", str(body.damaged) if body.damaged else ""),
        Fact("files", str(body.files) if body.files else ""),
        Fact("size_bytes", str(body.size_bytes) if body.size_bytes else ""),
        Fact("sha256", body.sha256),
        Fact("reason", body.detail),
    ]
