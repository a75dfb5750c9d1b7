"""What a bundle says of itself, held against what is found in it. Pure.

Nothing here is proof: its words are the pole's. A bundle whose words differ from its content
misleads whoever reads only them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from roeh.bundle import layout
from roeh.core.retrieval import ExportRequest
from roeh.ledger.canonical import canonical_struct
from roeh.verify.bag import Bag
from roeh.verify.proven_part import ProvenPart
from roeh.verify.report import Aspect, Finding, Weight

_MAX_DOCUMENT_BYTES = 64 << 20

#: What stays in a segment's file after the damage that the pole found before us.
_HERE = {"intact", "damaged"}


class SegmentFound(msgspec.Struct, frozen=True):
    """A segment's file as it was found here.

    `is_as_recorded`: nothing of it differs from its record; None without one.
    """

    sha256: str
    is_as_recorded: bool | None


def export_document(bag: Bag) -> layout.ExportDocument | None:
    """What the bundle is, by its own word; None when that cannot be read."""
    content = bag.read(layout.EXPORT, _MAX_DOCUMENT_BYTES)
    try:
        return None if content is None else msgspec.json.decode(content, type=layout.ExportDocument)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def check_document(document: layout.ExportDocument, part: ProvenPart) -> list[Finding]:
    """What it says of pole, ledger and request."""
    checkpoint = part.checkpoint
    wrong = [
        (document.export_id != document.request.id, "it is of another export than its request"),
        (document.kind != document.request.kind, "it is of another kind than its request"),
        (
            (document.site, document.node) != (part.state.site, part.state.node),
            f"it says {document.site}/{document.node}, its records are of {part.origin}",
        ),
        (
            (document.request.site, document.request.node) != (document.site, document.node),
            "its request is for another pole",
        ),
        (document.records != part.count, f"it says {document.records} records, not {part.count}"),
        (
            checkpoint is not None and document.ledger_size != checkpoint.size,
            "it names another size of the ledger than the checkpoint",
        ),
    ]
    return [
        _finding("export_document_wrong", why, layout.EXPORT) for is_wrong, why in wrong if is_wrong
    ]


def check_request(
    bag: Bag, request: ExportRequest, stated_sha256: str, sha256: str
) -> list[Finding]:
    """The request as a file of its own."""
    content = bag.read(layout.REQUEST, _MAX_DOCUMENT_BYTES)
    if content == canonical_struct(request) and stated_sha256 == sha256:
        return []
    return [
        _finding(
            "request_differs",
            f"is not the request that {layout.EXPORT} names",
            layout.REQUEST,
            Aspect.CUSTODY,
        )
    ]


def check_segment_lines(
    bag: Bag,
    document: layout.ExportDocument,
    found: Mapping[str, SegmentFound],
    leaves: Mapping[tuple[str, int], int],
) -> list[Finding]:
    """Each line of SEGMENT_LINES against the file that it speaks of.

    Args:
        bag: the bundle.
        document: what it says of itself.
        found: the segments' files, by path.
        leaves: of the records of segments, by camera and number.
    """
    findings: list[Finding] = []
    told: set[str] = set()
    for number, (line, _) in enumerate(bag.lines(layout.SEGMENT_LINES), 1):
        try:
            entry = msgspec.json.decode(line, type=layout.SegmentEntry)
        except (msgspec.DecodeError, UnicodeDecodeError):
            findings.append(
                _finding(
                    "segment_line_wrong", f"line {number} cannot be read", layout.SEGMENT_LINES
                )
            )
            continue
        if entry.path:
            told.add(entry.path)
        findings += _check_entry(entry, found.get(entry.path), leaves, document.kind)
    findings += [
        _finding("segment_untold", "the bundle has this segment and does not tell of it", path)
        for path in sorted(found.keys() - told)
    ]
    return findings


def _check_entry(
    entry: layout.SegmentEntry,
    here: SegmentFound | None,
    leaves: Mapping[tuple[str, int], int],
    kind: str,
) -> Iterable[Finding]:
    path = entry.path or layout.segment_file(entry.camera_id, entry.segment)
    leaf = leaves.get((entry.camera_id, entry.segment))
    if entry.leaf != leaf:
        yield _finding(
            "segment_line_wrong",
            f"says that its record is leaf {entry.leaf}, and it is {leaf}",
            path,
            leaf=leaf,
        )
    if entry.state in {"missing", "unreadable"}:
        yield _finding(
            "damage_told",
            f"the pole itself found it {entry.state}: {'; '.join(entry.damage) or 'no more words'}",
            path,
            Aspect.COMPLETE,
            weight=Weight.NOTE,
            leaf=leaf,
        )
    if here is None or kind != "full":
        return
    if entry.sha256 != here.sha256:
        yield _finding(
            "segment_line_wrong", "is not the file that the bundle tells of", path, leaf=leaf
        )
    if entry.state == "damaged" and here.is_as_recorded is not True:
        yield _finding(
            "damage_told",
            f"the pole itself found it so: {'; '.join(entry.damage) or 'no more words'}",
            path,
            weight=Weight.NOTE,
            leaf=leaf,
        )
    elif (entry.state == "intact") is not (here.is_as_recorded is True) and leaf is not None:
        yield _finding(
            "damage_untold",
            f"the bundle calls it {entry.state}, and it is not so",
            path,
            leaf=leaf,
        )


def _finding(
    what: str,
    detail: str,
    path: str,
    aspect: Aspect = Aspect.BYTES,
    *,
    weight: Weight = Weight.FAIL,
    leaf: int | None = None,
) -> Finding:
    return Finding(aspect=aspect, weight=weight, what=what, detail=detail, path=path, leaf=leaf)
