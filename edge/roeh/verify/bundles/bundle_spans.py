"""Whether a bundle answers its request: every camera, the whole span, each segment by number.

Pure. Which segments there must be is told by proven records, not by what the bundle says of
itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from roeh.bundle import layout
from roeh.core.moments import utc_text
from roeh.core.retrieval import ExportRequest
from roeh.verify.bundles.proven_part import RecordedStretch
from roeh.verify.counters import CounterStretches
from roeh.verify.report import Aspect, Finding, Weight

#: Between two stretches a camera's own rhythm may leave this much, and its clock's bound.
_TOLERANCE_US = 600_000


def check_spans(
    request: ExportRequest,
    stretches: Iterable[RecordedStretch],
    pruned: dict[str, CounterStretches],
    present: Collection[str],
) -> list[Finding]:
    """What the request asks for and the bundle does not answer.

    Args:
        request: what was asked for.
        stretches: what the records say of the cameras' time.
        pruned: numbers of segments that were deleted by rule, by camera.
        present: paths of the segments that are in the bundle.
    """
    found: list[Finding] = []
    by_camera: dict[str, list[RecordedStretch]] = {camera: [] for camera in request.cameras}
    for each in stretches:
        if each.camera_id in by_camera:
            by_camera[each.camera_id].append(each)
    for camera_id, own in by_camera.items():
        within = [each for each in own if _overlaps(request, each)]
        if not within:
            found.append(
                _finding(
                    "camera_unanswered",
                    f"{camera_id} was asked for, and no record is of its time in this span: a"
                    " camera that is away is on record when it comes back",
                    weight=Weight.NOT_CHECKED,
                )
            )
            continue
        if request.kind == "full":
            found += _missing(camera_id, within, pruned.get(camera_id, ()), present)
        found += _ends(request, camera_id, within)
    found += _not_asked_for(by_camera, request, present)
    return found


def _not_asked_for(
    by_camera: dict[str, list[RecordedStretch]], request: ExportRequest, present: Collection[str]
) -> list[Finding]:
    """Segments that nobody agreed to: the next one behind those of the span may be there."""
    allowed: set[str] = set()
    recorded: dict[str, int] = {}
    for camera_id, own in by_camera.items():
        for each in own:
            if each.segment is None:
                continue
            recorded[layout.segment_file(camera_id, each.segment)] = each.leaf
            if _overlaps(request, each):
                behind = (each.segment, each.segment + 1)
                allowed |= {layout.segment_file(camera_id, number) for number in behind}
    return [
        _finding(
            "not_asked_for",
            "is of a camera or a time that was neither asked for nor agreed to",
            path=path,
            leaf=recorded.get(path),
        )
        for path in sorted(present)
        if path.startswith(layout.SEGMENTS_DIRECTORY) and path not in allowed
    ]


def _missing(
    camera_id: str,
    within: Iterable[RecordedStretch],
    pruned: CounterStretches | Sequence[int],
    present: Collection[str],
) -> list[Finding]:
    found: list[Finding] = []
    for each in within:
        if each.segment is None or each.segment in pruned:
            continue
        path = layout.segment_file(camera_id, each.segment)
        if path not in present:
            found.append(
                _finding(
                    "segment_missing",
                    "the ledger records this segment, no rule deleted it, and it is not here",
                    path=path,
                    leaf=each.leaf,
                )
            )
    return found


def _ends(
    request: ExportRequest, camera_id: str, within: Sequence[RecordedStretch]
) -> list[Finding]:
    """Whether records reach to both ends of the span; between them the ledger's own order tells."""
    found: list[Finding] = []
    first = min(within, key=lambda each: each.from_utc_us)
    if first.from_utc_us > request.from_utc_us + _TOLERANCE_US:
        when = utc_text(first.from_utc_us)
        if first.segment == 1:
            found.append(
                _finding(
                    "recording_begins",
                    f"{camera_id}: its first segment ever begins at {when}",
                    leaf=first.leaf,
                    weight=Weight.NOTE,
                )
            )
        else:
            found.append(
                _finding(
                    "span_uncovered",
                    f"{camera_id}: no record says what was from the beginning of the span to"
                    f" {when}",
                    leaf=first.leaf,
                )
            )
    last = max(within, key=lambda each: each.to_utc_us)
    if last.to_utc_us < request.to_utc_us - _TOLERANCE_US:
        found.append(
            _finding(
                "span_end_uncovered",
                f"{camera_id}: no record says what was from {utc_text(last.to_utc_us)} to the end"
                " of the span: a camera that is away is on record when it comes back",
                leaf=last.leaf,
                weight=Weight.NOT_CHECKED,
            )
        )
    return found


def _overlaps(request: ExportRequest, each: RecordedStretch) -> bool:
    return each.from_utc_us < request.to_utc_us and request.from_utc_us < each.to_utc_us


def _finding(
    what: str,
    detail: str,
    *,
    path: str | None = None,
    leaf: int | None = None,
    weight: Weight = Weight.FAIL,
) -> Finding:
    return Finding(
        aspect=Aspect.COMPLETE, weight=weight, what=what, detail=detail, path=path, leaf=leaf
    )
