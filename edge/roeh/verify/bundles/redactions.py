"""Redacted bundles: that each derived video names originals which are on record. Pure.

A derivative proves nothing of itself: its bytes are under the signed manifest, and its sidecar
says of which recorded segments it was made. Whoever doubts it asks for those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from roeh.bundle import layout
from roeh.core.retrieval import ExportRequest, Region
from roeh.ledger.records import SegmentRecord
from roeh.verify.bundles.bag import Bag, FileHash
from roeh.verify.bundles.proven_part import ProvenPart
from roeh.verify.report import Aspect, Finding, Weight

_MAX_SIDECAR_BYTES = 64 << 20


def check_redactions(
    bag: Bag,
    document: layout.ExportDocument,
    part: ProvenPart,
    hashes: Mapping[str, FileHash],
    *,
    on_original: Callable[[int], None],
) -> list[Finding]:
    """Every redacted video and its sidecar.

    Args:
        bag: the bundle.
        document: which it names.
        part: what is proven of the ledger.
        hashes: of the bag's files, by path.
        on_original: told the record of each original that is as it was recorded.
    """
    found: list[Finding] = []
    if document.kind == "full":
        return found
    numbers: Counter[str] = Counter()
    named: set[str] = set()
    covered: set[tuple[str, int]] = set()
    for entry in document.redacted:
        numbers[entry.camera_id] += 1
        place = entry.camera_id, numbers[entry.camera_id]
        named |= {entry.path, entry.sidecar}
        wanted = layout.redacted_file(*place), layout.redacted_sidecar(*place)
        if (entry.path, entry.sidecar) != wanted:
            detail = f"stands for {entry.camera_id}, whose it is not by its name"
            found.append(_finding("redacted_differs", detail, entry.path))
        sidecar = _sidecar(bag, entry.sidecar)
        if sidecar is None or sidecar.camera_id != entry.camera_id:
            detail = "cannot be read, or is of another camera"
            found.append(_finding("sidecar_wrong", detail, entry.sidecar))
            continue
        here = hashes.get(entry.path)
        if here is None or (here.sha256, here.size_bytes) != (sidecar.sha256, sidecar.size_bytes):
            detail = f"it is not the file that {entry.sidecar} describes"
            found.append(_finding("redacted_differs", detail, entry.path))
        found += _check_originals(sidecar, entry.sidecar, document.request, part, on_original)
        covered |= {(sidecar.camera_id, each.segment) for each in sidecar.originals}
    for path in sorted(bag.contents):
        if path.startswith(layout.REDACTED_DIRECTORY) and path not in named:
            found.append(_finding("video_untold", "no part of the bundle tells of it", path))
    found += _not_covered(covered, document.request, part)
    detail = (
        "the video is a derivative: decoded, made unreadable in places and encoded anew. The"
        " originals named beside it are on the pole, or in another bundle"
    )
    found.append(_finding("derivative", detail, None, weight=Weight.NOTE))
    return found


def _check_originals(
    sidecar: layout.RedactedSidecar,
    path: str,
    request: ExportRequest,
    part: ProvenPart,
    on_original: Callable[[int], None],
) -> list[Finding]:
    """That a copy's originals are on record, and that it hides what was to be hidden."""
    found: list[Finding] = []
    recorded: list[SegmentRecord] = []
    if not sidecar.originals:
        found.append(_finding("sidecar_wrong", "names no original", path))
    for original in sidecar.originals:
        proven = part.segment(sidecar.camera_id, original.segment)
        record = None
        if proven is not None and proven[0] == original.leaf:
            record = proven[1]
            recorded.append(record)
        wrong = _wrong_original(sidecar.camera_id, original, record)
        if wrong is not None:
            found.append(_finding(*wrong, path, leaf=original.leaf))
        elif original.leaf is not None:
            on_original(original.leaf)
    if len(recorded) == len(sidecar.originals) and recorded:
        from_us = min(each.t_utc_us for each in recorded)
        to_us = max(each.t_utc_us + each.t_end_mono_us - each.t_first_mono_us for each in recorded)
        told = sidecar.from_utc_us, sidecar.to_utc_us
        if told != (max(from_us, request.from_utc_us), min(to_us, request.to_utc_us)):
            detail = "tells of another time than that of its originals and the request"
            found.append(_finding("sidecar_wrong", detail, path))
    for region in request.regions:
        if region.camera_id == sidecar.camera_id and not _is_hidden(region, sidecar, recorded):
            detail = "a region that was to be made unreadable is not among those that were"
            found.append(_finding("region_shown", detail, path))
    return found


def _is_hidden(
    region: Region, sidecar: layout.RedactedSidecar, recorded: Sequence[SegmentRecord]
) -> bool:
    """Whether one of the regions obscured holds all of this one that is in the picture."""
    width_px = max((each.width_px for each in recorded), default=region.x1_px)
    height_px = max((each.height_px for each in recorded), default=region.y1_px)
    x1_px, y1_px = min(region.x1_px, width_px), min(region.y1_px, height_px)
    if x1_px <= region.x0_px or y1_px <= region.y0_px:
        return True
    return any(
        each.x0_px <= region.x0_px
        and each.y0_px <= region.y0_px
        and each.x1_px >= x1_px
        and each.y1_px >= y1_px
        for each in sidecar.regions
    )


def _not_covered(
    covered: Collection[tuple[str, int]], request: ExportRequest, part: ProvenPart
) -> list[Finding]:
    """Segments of the span that no copy was made of."""
    return [
        Finding(
            aspect=Aspect.COMPLETE,
            weight=Weight.FAIL,
            what="original_left_out",
            detail=f"no redacted copy is made of segment {each.segment} of {each.camera_id}",
            leaf=each.leaf,
        )
        for each in part.stretches
        if each.segment is not None
        and each.camera_id in request.cameras
        and each.from_utc_us < request.to_utc_us
        and request.from_utc_us < each.to_utc_us
        and each.segment not in part.state.pruned.get(each.camera_id, ())
        and (each.camera_id, each.segment) not in covered
    ]


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
