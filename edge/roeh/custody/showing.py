"""`roeh evidence show`: all that is known of one segment, alert, hold or record."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import IO

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from roeh.bundle.choosing import segment_utc
from roeh.core.custody import (
    EvidenceStatus,
    HoldRow,
    LockRow,
    RecordsPage,
    RecordsRequest,
    SegmentRow,
    Span,
)
from roeh.core.errors import EvidenceRefused, one_line
from roeh.core.moments import length_text, size_text, utc_text
from roeh.core.peers import Verb
from roeh.custody.holdings import Holdings, read_records, read_segment, span_utc
from roeh.custody.link import EvidenceLink
from roeh.custody.listing import kept_by
from roeh.ledger import merkle
from roeh.ledger.records import (
    AlertRecord,
    HoldRecord,
    LockRecord,
    PruneRecord,
    Record,
    ReleaseRecord,
    UnlockRecord,
)
from roeh.ledger.utc_spans import UtcSpan

_SEGMENT = re.compile(r"(?:segments/)?(?P<camera>[^/]+)/(?P<number>\d{1,8})(?:\.mp4)?")
_LEAF = re.compile(r"\d{1,15}")


#: Bodies that name an alert or a hold.
_BY_ID = (AlertRecord, LockRecord, UnlockRecord, HoldRecord, ReleaseRecord)


#: Of many records, the first and the last ones.
_SHOWN_RECORDS = 6


class Found(msgspec.Struct, frozen=True):
    """What a name stands for: its rows in the index and its records in the ledger."""

    name: str
    segments: tuple[SegmentRow, ...] = ()
    locks: tuple[LockRow, ...] = ()
    holds: tuple[HoldRow, ...] = ()
    records: tuple[Record, ...] = ()


def find(link: EvidenceLink, holdings: Holdings, name: str) -> Found:
    """What is known under a name: CAMERA/SEGMENT, a leaf, the id of an alert or a hold.

    Raises:
        EvidenceRefused: nothing is.
    """
    segment = _SEGMENT.fullmatch(name)
    if segment is not None:
        found = _segment(link, holdings, name, segment["camera"], int(segment["number"]))
    elif _LEAF.fullmatch(name):
        found = Found(name, records=_record(link, int(name)))
    else:
        found = _by_id(link, holdings, name)
    if not (found.segments or found.locks or found.holds or found.records):
        raise EvidenceRefused(
            what="nothing is known of it",
            which=one_line(name),
            remedy="name CAMERA/SEGMENT, an alert's id, a hold's id or a leaf; "
            "see roeh evidence list",
        )
    return found


def print_found(
    found: Found, holdings: Holdings, status: EvidenceStatus, *, as_json: bool, out: IO[str]
) -> None:
    """All of it, for a person or as one JSON line."""
    if as_json:
        line = msgspec.json.encode(
            msgspec.structs.asdict(found)
            | {"proof_hashes": [_proof_hashes(r.leaf, status.ledger_size) for r in found.records]}
        )
        print(line.decode(), file=out)
        return
    console = Console(file=out, highlight=False, width=None if out.isatty() else 120)
    for segment in found.segments:
        console.print(_facts(_segment_facts(segment)))
        console.print(_fragments(segment))
    for lock in found.locks:
        console.print(_facts(_lock_facts(lock, holdings)))
    for hold in found.holds:
        console.print(_facts(_hold_facts(hold, holdings)))
    for number, record in enumerate(found.records):
        if _SHOWN_RECORDS <= number < len(found.records) - _SHOWN_RECORDS:
            if number == _SHOWN_RECORDS:
                hidden = len(found.records) - 2 * _SHOWN_RECORDS
                console.print(f"... and {hidden} more records (--json shows all)\n")
            continue
        console.print(_facts(_record_facts(record, status.ledger_size)))
        body = msgspec.json.format(msgspec.json.encode(record.body), indent=2).decode()
        console.print(escape(body), style="dim")


def _segment(
    link: EvidenceLink, holdings: Holdings, name: str, camera_id: str, number: int
) -> Found:
    segment = read_segment(link, camera_id, number)
    if segment is None:
        return Found(name)
    records = () if segment.leaf is None else _record(link, segment.leaf)
    if not segment.is_present:
        records += tuple(itertools.islice(_prunings(link, segment), 1))
    return Found(
        name=name,
        segments=(segment,),
        locks=tuple(lock for lock in holdings.locks if _overlaps(lock.span, segment)),
        holds=tuple(
            hold for hold in holdings.holds if any(_overlaps(span, segment) for span in hold.spans)
        ),
        records=records,
    )


def _prunings(link: EvidenceLink, segment: SegmentRow) -> Iterator[Record]:
    """The record of its deletion: one, and none while that is under way."""
    for record in read_records(link, (PruneRecord,), segment.leaf or 0):
        if isinstance(record.body, PruneRecord) and record.body.row == segment.row:
            yield record


def _overlaps(span: Span, segment: SegmentRow) -> bool:
    return (
        (span.camera_id, span.boot_id) == (segment.camera_id, segment.boot_id)
        and span.from_mono_us < segment.t_end_mono_us
        and span.to_mono_us > segment.t_first_mono_us
    )


def _by_id(link: EvidenceLink, holdings: Holdings, name: str) -> Found:
    told = list(read_records(link, _BY_ID))
    raised = {name} | {
        record.body.raised_id
        for record in told
        if isinstance(record.body, AlertRecord) and record.body.id == name
    }
    return Found(
        name=name,
        locks=tuple(lock for lock in holdings.locks if lock.raised_id in raised),
        holds=tuple(hold for hold in holdings.holds if hold.hold_id == name),
        records=tuple(
            record
            for record in told
            if getattr(record.body, "raised_id", None) in raised
            or getattr(record.body, "hold_id", None) == name
        ),
    )


def _record(link: EvidenceLink, leaf: int) -> tuple[Record, ...]:
    page = link.call(Verb.RECORDS_PAGE, RecordsRequest(after=leaf - 1, limit=1), RecordsPage)
    return tuple(msgspec.json.decode(raw, type=Record) for raw in page.records)


def _facts(facts: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in facts:
        table.add_row(name, escape(one_line(value)))
    table.add_row()
    return table


def _segment_facts(segment: SegmentRow) -> list[tuple[str, str]]:
    when = segment_utc(segment)
    error = length_text(when.error_us)
    doubt = (
        f"off by at most {error}"
        if when.synchronised
        else f"off by {error} or more: the clock was not synchronised"
    )
    present = "on the disk" if segment.is_present else "deleted by rule: see its prune record"
    return [
        ("segment", f"{segment.path}, {present}"),
        ("recorded", f"{utc_text(when.from_us)} to {utc_text(when.to_us)}"),
        ("", doubt),
        ("boot", segment.boot_id),
        ("size", f"{size_text(segment.size_bytes)}, {len(segment.fragments)} GOPs"),
        ("ended", segment.end_reason or "it is being written"),
        ("kept", kept_by(segment) or "until the ring needs its room"),
    ]


def _fragments(segment: SegmentRow) -> Table:
    table = Table(box=None, title_justify="left")
    for name in ("GOP", "from (UTC)", "length", "offset", "size", "SHA-256"):
        table.add_column(name, justify="left" if "256" in name or "UTC" in name else "right")
    offset_us = segment.t_utc_us - segment.t_first_mono_us
    for fragment in segment.fragments:
        table.add_row(
            str(fragment.gop_counter),
            utc_text(fragment.t_first_mono_us + offset_us, synchronised=segment.synchronised),
            length_text(fragment.t_end_mono_us - fragment.t_first_mono_us),
            str(fragment.offset_bytes),
            str(fragment.size_bytes),
            f"{fragment.sha256[:16]}…",
        )
    return table


def _lock_facts(lock: LockRow, holdings: Holdings) -> list[tuple[str, str]]:
    left_us = lock.expires_age_us - holdings.age_us
    ends = f"in {length_text(left_us)} of the node running" if left_us > 0 else "now"
    return [
        ("lock", f"by alert {lock.raised_id}, priority {lock.priority}, {lock.state}"),
        *_span_facts(lock.span.camera_id, span_utc(lock.span, holdings.segments)),
        ("expires", ends if lock.state == "active" else lock.state),
    ]


def _hold_facts(hold: HoldRow, holdings: Holdings) -> list[tuple[str, str]]:
    facts = [
        ("hold", f"{hold.hold_id}, {hold.state}"),
        ("placed", f"{utc_text(hold.t_utc_us)} by {hold.person}"),
        ("reason", hold.reason),
    ]
    for span in hold.spans:
        facts += _span_facts(span.camera_id, span_utc(span, holdings.segments))
    if hold.release_asked_by is not None:
        facts.append(("release", f"asked for by {hold.release_asked_by}"))
    return facts


def _span_facts(camera_id: str, when: UtcSpan | None) -> list[tuple[str, str]]:
    if when is None:
        return [("keeps", f"{camera_id}: nothing of that boot is there any more")]
    doubt = not when.synchronised
    return [
        (
            "keeps",
            f"{camera_id}: {utc_text(when.from_us, synchronised=not doubt)} to "
            f"{utc_text(when.to_us, synchronised=not doubt)}",
        )
    ]


def _record_facts(record: Record, ledger_size: int) -> list[tuple[str, str]]:
    hashes = _proof_hashes(record.leaf, ledger_size)
    return [
        ("record", f"leaf {record.leaf}, {record.body.__struct_config__.tag}"),
        ("written", utc_text(record.t_utc_us, synchronised=record.synchronised)),
        (
            "inclusion",
            f"proven by {hashes} hashes ({hashes * merkle.HASH_BYTES} bytes) "
            f"in the ledger of {ledger_size} records",
        ),
    ]


def _proof_hashes(leaf: int, ledger_size: int) -> int:
    return len(merkle.inclusion_proof(leaf, ledger_size, lambda _level, _position: b"\0" * 32))
