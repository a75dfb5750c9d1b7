"""Redacted bundles: that each derived video names originals which are on record. Pure.

A derivative proves nothing of itself: its bytes are under the signed manifest, and its sidecar
says of which recorded segments it was made. Whoever doubts it asks for those.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from roeh.bundle import layout
from roeh.ledger.records import SegmentRecord
from roeh.verify.bag import Bag, FileHash
from roeh.verify.ledger_state import LedgerState
from roeh.verify.proven_part import segment_record_at
from roeh.verify.report import Aspect, Finding, Weight

_MAX_SIDECAR_BYTES = 64 << 20


def check_redactions(
    bag: Bag,
    document: layout.ExportDocument,
    state: LedgerState,
    unproven: set[int],
    hashes: dict[str, FileHash],
    *,
    on_original: Callable[[int], None],
) -> list[Finding]:
    """Every redacted video and its sidecar.

    Args:
        bag: the bundle.
        document: which it names.
        state: what the records say.
        unproven: leaves whose records are not in the ledger.
        hashes: of the bag's files, by path.
        on_original: told the record of each original that is as it was recorded.
    """
    found: list[Finding] = []
    if document.kind == "full":
        return found
    for entry in document.redacted:
        sidecar = _sidecar(bag, entry.sidecar)
        if sidecar is None:
            found.append(_finding("sidecar_wrong", "cannot be read", entry.sidecar))
            continue
        here = hashes.get(entry.path)
        if here is None or (here.sha256, here.size_bytes) != (sidecar.sha256, sidecar.size_bytes):
            detail = f"it is not the file that {entry.sidecar} describes"
            found.append(_finding("redacted_differs", detail, entry.path))
        if not sidecar.originals:
            found.append(_finding("sidecar_wrong", "names no original", entry.sidecar))
        for original in sidecar.originals:
            place = state.segments.get(sidecar.camera_id, {}).get(original.segment)
            is_proven = place is not None and place.leaf not in unproven
            record = None
            if place is not None and is_proven and place.leaf == original.leaf:
                record = segment_record_at(bag, place.offset_bytes)
            wrong = _wrong_original(sidecar.camera_id, original, record)
            if wrong is not None:
                found.append(_finding(*wrong, entry.sidecar, leaf=original.leaf))
            elif original.leaf is not None:
                on_original(original.leaf)
    detail = (
        "the video is a derivative: decoded, made unreadable in places and encoded anew. The"
        " originals named beside it are on the pole, or in another bundle"
    )
    found.append(_finding("derivative", detail, None, weight=Weight.NOTE))
    return found


def _wrong_original(
    camera_id: str, original: layout.OriginalEntry, record: SegmentRecord | None
) -> tuple[str, str] | None:
    """A finding's word and detail; None when the original is on record as it is named."""
    named = f"segment {original.segment} of {camera_id}"
    if record is None:
        return "original_unproven", f"no proven record is of {named}"
    if original.sha256_recorded != record.sha256:
        return "original_differs", f"names another hash of {named} than its record"
    if original.sha256 != record.sha256:
        return (
            "original_damaged",
            f"was made of {named} as it was found, which is not as it was recorded",
        )
    return None


def _sidecar(bag: Bag, path: str) -> layout.RedactedSidecar | None:
    content = bag.read(path, _MAX_SIDECAR_BYTES)
    try:
        return (
            None if content is None else msgspec.json.decode(content, type=layout.RedactedSidecar)
        )
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _finding(
    what: str,
    detail: str,
    path: str | None,
    *,
    weight: Weight = Weight.FAIL,
    leaf: int | None = None,
) -> Finding:
    return Finding(
        aspect=Aspect.BYTES, weight=weight, what=what, detail=detail, path=path, leaf=leaf
    )
