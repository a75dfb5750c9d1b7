"""Records of custody as lines of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roeh.bundle.report.page import Cell, code, isolated
from roeh.bundle.report.words import Words
from roeh.core.moments import utc_text
from roeh.core.retrieval import Action
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
    TrustListRecord,
)

_SHORT_HASH = 16


def custody_rows(
    words: Words, records: Sequence[Record], names: Mapping[str, str]
) -> tuple[tuple[Cell, ...], ...]:
    """Record, when, who, what, detail.

    Args:
        words: of the language.
        records: of custody, in the order of the ledger.
        names: who the pseudonyms are that are still known.
    """
    return tuple(_row(words, record, names) for record in records)


def _row(words: Words, record: Record, names: Mapping[str, str]) -> tuple[Cell, ...]:
    person, does, detail = _told(words, record, names)
    shown = names.get(person, person)
    return (
        Cell(code(record.leaf)),
        Cell(code(utc_text(record.t_utc_us, synchronised=record.synchronised))),
        Cell(isolated(shown) if shown else words.nobody),
        Cell(does, "bad" if isinstance(record.body, AccessRefusedRecord) else ""),
        Cell(detail),
    )


def _told(  # noqa: PLR0911 - a line for each kind of record
    words: Words, record: Record, names: Mapping[str, str]
) -> tuple[str, str, str]:
    """Person's pseudonym, what they did, of what."""
    match record.body:
        case HoldRecord() as hold:
            return hold.person, words.does_hold, isolated(hold.reason)
        case ReleaseRecord() as release:
            steps = {
                "asked": words.does_release_asked,
                "released": words.does_release_released,
                "ended": words.does_release_ended,
            }
            return release.person, steps[release.step], isolated(release.reason)
        case AccessRecord() as access:
            does = words.does_access.format(action=_action(words, access.action))
            return access.person, does, isolated(access.detail)
        case AccessRefusedRecord() as refused:
            does = words.does_refused.format(action=_action(words, refused.action))
            times = f" ({refused.count})" if refused.count > 1 else ""
            return refused.person, does, isolated(f"{refused.reason}{times}")
        case ExportRequestRecord() as request:
            case = names.get(request.case, request.case)
            return request.person, words.does_export_request, isolated(case)
        case ApprovalRecord() as approval:
            is_approved = approval.verdict == "approved"
            does = words.does_approved if is_approved else words.does_refused_export
            return approval.person, does, isolated(_hash(approval.approval_sha256))
        case ExportRecord() as export:
            detail = " ".join(part for part in (export.detail, _hash(export.sha256)) if part)
            return export.person, _export_step(words, export), isolated(detail)
        case TrustListRecord() as trust:
            return "", words.does_trust_list, code(f"{trust.version} ({trust.via})")
        case ErasureRecord() as erasure:
            return "", words.does_erasure, isolated(f"{erasure.pseudonym}: {erasure.reason}")
        case other:
            tag = str(other.__struct_config__.tag)
            return "", words.does_other.format(kind=isolated(tag)), ""


def _hash(sha256: str) -> str:
    """The beginning of it, as one; nothing of nothing."""
    return sha256 and f"SHA-256 {sha256[:_SHORT_HASH]}…"


def _export_step(words: Words, export: ExportRecord) -> str:
    return {
        "begun": words.does_export_begun,
        "sealed": words.does_export_sealed,
        "ready": words.does_export_ready,
        "taken": words.does_export_taken,
        "untaken": words.does_export_untaken,
        "failed": words.does_export_failed,
        "interrupted": words.does_export_interrupted,
        "expired": words.does_export_expired,
    }[export.step]


def _action(words: Words, action: str) -> str:
    """What was wanted, in words; one of another time as it stands in the ledger."""
    known = {
        Action.SEE_HEALTH.value: words.action_see_health,
        Action.SEE_TIMELINE.value: words.action_see_timeline,
        Action.SEE_THUMBNAIL.value: words.action_see_thumbnail,
        Action.SEE_PREVIEW.value: words.action_see_preview,
        Action.HOLD.value: words.action_hold,
        Action.RELEASE_HOLD.value: words.action_release_hold,
        Action.REQUEST_EXPORT.value: words.action_request_export,
        Action.REQUEST_REDACTED.value: words.action_request_redacted,
        Action.APPROVE.value: words.action_approve,
        Action.SEE_EXPORTS.value: words.action_see_exports,
        Action.FETCH.value: words.action_fetch,
        Action.SEE_CUSTODY.value: words.action_see_custody,
        Action.OFFER_TRUST_LIST.value: words.action_offer_trust_list,
    }
    return known.get(action) or isolated(action.replace("_", " "))
