"""What a bundle says of itself, held against what is found in it. Pure.

Nothing here is proof: its words are the pole's. A bundle whose words differ from its content
misleads whoever reads only them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from roeh.bundle import layout
from roeh.bundle.telling import witness_entry
from roeh.core.errors import EvidenceRefused, KeyRefused
from roeh.core.retrieval import ExportRequest
from roeh.ledger.canonical import canonical_struct
from roeh.ledger.note import cosignatures, parse_checkpoint, parse_note, parse_witness_key
from roeh.ledger.records import ExportRecord, Record
from roeh.verify.bundles.bag import Bag
from roeh.verify.bundles.proven_part import ProvenPart
from roeh.verify.report import Aspect, Finding, Weight

_MAX_DOCUMENT_BYTES = 64 << 20
_MAX_NOTE_BYTES = 256 << 10
_US_PER_S = 1_000_000
_SECOND_US = 1_000_000
_MS_US = 1_000


def export_document(bag: Bag) -> layout.ExportDocument | None:
    """What the bundle is, by its own word; None when that cannot be read."""
    content = bag.read(layout.EXPORT, _MAX_DOCUMENT_BYTES)
    try:
        return None if content is None else msgspec.json.decode(content, type=layout.ExportDocument)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def check_document(
    bag: Bag, document: layout.ExportDocument, part: ProvenPart, seal: Record | None
) -> list[Finding]:
    """What it says of pole, ledger, clock and request.

    Args:
        bag: the bundle.
        document: what it says of itself.
        part: what is proven of the ledger.
        seal: the record of its seal, where that is proven.
    """
    findings = [
        _finding("export_document_wrong", why, layout.EXPORT)
        for why in (
            *_of_pole_and_request(document, part),
            *_of_ledger(bag, document, part),
            *_of_clock(document, part, seal),
            *_of_files(bag, document),
        )
    ]
    content = bag.read(layout.EXPORT, _MAX_DOCUMENT_BYTES)
    if content != msgspec.json.encode(document):
        detail = "has more in it than this version knows, or says something twice"
        weight = Weight.NOT_CHECKED
        findings.append(_finding("not_as_written", detail, layout.EXPORT, weight=weight))
    return findings


def _of_pole_and_request(document: layout.ExportDocument, part: ProvenPart) -> Iterator[str]:
    request = document.request
    if document.export_id != request.id:
        yield "it is of another export than its request"
    if document.kind != request.kind:
        yield "it is of another kind than its request"
    if (document.site, document.node) != (part.state.site, part.state.node):
        yield f"it says {document.site}/{document.node}, its records are of {part.origin}"
    if (request.site, request.node) != (document.site, document.node):
        yield "its request is for another pole"


def _of_ledger(bag: Bag, document: layout.ExportDocument, part: ProvenPart) -> Iterator[str]:
    if document.records != part.count:
        yield f"it says {document.records} records, not {part.count}"
    if part.checkpoint is not None and document.ledger_size != part.checkpoint.size:
        yield "it names another size of the ledger than the checkpoint"
    for usage, home in document.key_homes.items():
        if part.key_homes.get(usage, home) != home:
            yield f"it says that the {usage} key is kept by {home}, the ledger otherwise"
    if document.witness != _witness_entry(bag, document):
        yield "it says something else of the witness than the note that a witness signed"


def _witness_entry(bag: Bag, document: layout.ExportDocument) -> layout.WitnessEntry:
    """As it follows from the note, by the keys that the bundle names."""
    nobody = layout.WitnessEntry(size=0, t_utc_us=None, window_us=None, span_window_us=None)
    written = bag.read(layout.WITNESSED, _MAX_NOTE_BYTES)
    if written is None:
        return nobody
    try:
        note = parse_note(written.decode("utf-8", "replace"))
        size = parse_checkpoint(note.text).size
        keys = [parse_witness_key(key) for key in document.witness_keys]
    except (EvidenceRefused, KeyRefused):
        return nobody
    times = [each.t_utc_s for each in cosignatures(note, keys) if each.t_utc_s is not None]
    if not times:
        return msgspec.structs.replace(nobody, size=size)
    seen_us = max(times) * _US_PER_S
    return witness_entry(size, seen_us, document.request, document.clock.t_utc_us)


def _of_clock(
    document: layout.ExportDocument, part: ProvenPart, seal: Record | None
) -> Iterator[str]:
    """Its clock between the record that it was begun and that of its seal."""
    begun = next(
        (
            record
            for record in reversed(part.custody)
            if isinstance(record.body, ExportRecord)
            and (record.body.export_id, record.body.step) == (document.export_id, "begun")
        ),
        None,
    )
    if begun is None or seal is None:
        return
    clock = document.clock
    if clock.synchronised not in {begun.synchronised, seal.synchronised}:
        yield "it says otherwise than its records of whether the clock was set"
    slack_us = _SECOND_US + clock.utc_error_us + begun.utc_error_us + seal.utc_error_us
    earliest_us = min(begun.t_utc_us, seal.t_utc_us) - slack_us
    if not earliest_us <= clock.t_utc_us <= max(begun.t_utc_us, seal.t_utc_us) + slack_us:
        yield "its clock is not between the records that it was begun and that it was sealed"
    bounds_us = begun.utc_error_us, seal.utc_error_us
    if clock.synchronised and 4 * clock.utc_error_us + _MS_US < min(bounds_us):
        yield "it says that the clock was nearer to the time than its records do"


def _of_files(bag: Bag, document: layout.ExportDocument) -> Iterator[str]:
    reports = {path for path in bag.contents if path.startswith(layout.REPORT_DIRECTORY)}
    reports -= {path for path in reports if path.startswith(layout.STILLS_DIRECTORY)}
    stills = {path for path in document.reports if path.startswith(layout.STILLS_DIRECTORY)}
    if set(document.reports) - stills != reports:
        yield "it names other reports than there are"
    is_stamped = layout.CHECKPOINT_TIMESTAMP in bag
    if is_stamped and document.timestamp.state != "granted":
        yield "it says that no time-stamp was given, and there is one"
    is_redacted = document.kind == "redacted"
    derived = any(path.startswith(layout.REDACTED_DIRECTORY) for path in bag.contents)
    originals = (layout.SEGMENTS_DIRECTORY, layout.VIDEO_DIRECTORY, layout.CREDENTIALS_DIRECTORY)
    has_originals = any(
        path.startswith(originals) or path == layout.ONLY_VIDEO for path in bag.contents
    )
    if is_redacted and has_originals:
        yield "it is a redacted one, and there is video in it that nothing was redacted in"
    if not is_redacted and (derived or document.redacted):
        yield "it is none of redacted video, and there is some in it"


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
