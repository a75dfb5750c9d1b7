"""What a report tells of segments and records, gathered line by line: memory stays flat."""

from __future__ import annotations

from typing import Literal

import msgspec

from roeh.bundle.layout import CUSTODY_KINDS, ExportDocument, SegmentEntry
from roeh.core.retrieval import Approval, Person
from roeh.ledger.records import AlertRecord, HoldRecord, HoldSpan, LockRecord, Record

#: Above this many groups of pictures the table has a line for each segment instead.
MAX_GOP_ROWS = 2000
#: Intact segments that are listed, and damaged ones.
MAX_SEGMENT_ROWS, MAX_DAMAGED_ROWS = 1000, 1000
MAX_CUSTODY_ROWS = 500
_MAX_MARKS = 500
#: As finely as the timeline can show.
_TIMELINE_PARTS = 2000

BarState = Literal["intact", "damaged", "lost", "deleted", "unproven"]


class Bar(msgspec.Struct, frozen=True):
    """A stretch of one camera's recording in one state."""

    camera_id: str
    state: BarState
    from_utc_us: int
    to_utc_us: int


class GopLine(msgspec.Struct, frozen=True):
    """One group of pictures; `sha256` is empty where there are no bytes."""

    camera_id: str
    segment: int
    number: int
    from_utc_us: int
    to_utc_us: int
    size_bytes: int
    sha256: str
    is_as_recorded: bool
    is_proven: bool


class SegmentLine(msgspec.Struct, frozen=True):
    """One segment."""

    camera_id: str
    segment: int
    from_utc_us: int
    to_utc_us: int
    gops: int
    size_bytes: int
    sha256: str
    state: str
    is_proven: bool


class Stretch(msgspec.Struct, frozen=True):
    """Of one camera, kept for a reason."""

    camera_id: str
    from_utc_us: int
    to_utc_us: int


class AlertMark(msgspec.Struct, frozen=True):
    """An alert that was raised."""

    t_utc_us: int
    rule: str
    priority: int


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """All that a report needs of what may be millions of lines.

    Attributes:
        gops: of them all, in order; empty when there are more than `MAX_GOP_ROWS`.
        gop_count: all of them; `segment_count`, `custody_count` likewise.
        custody: the first of them.
    """

    bars: tuple[Bar, ...]
    gops: tuple[GopLine, ...]
    gop_count: int
    segments: tuple[SegmentLine, ...]
    segment_count: int
    alerts: tuple[AlertMark, ...]
    locks: tuple[Stretch, ...]
    holds: tuple[Stretch, ...]
    custody: tuple[Record, ...]
    custody_count: int


class Still(msgspec.Struct, frozen=True):
    """A picture below data/report/stills/; `of_alert`: what was seen when one was raised.

    `is_view`: bent for people, not the picture as it was recorded.
    """

    name: str
    camera_id: str
    t_utc_us: int
    of_alert: bool = False
    is_view: bool = False


class ReportFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is made of.

    Attributes:
        requester, approver, approval: None where it is not known.
        stills: in the order in which they are to be seen.
    """

    export: ExportDocument
    digest: Digest
    requester: Person | None = None
    approver: Person | None = None
    approval: Approval | None = None
    stills: tuple[Still, ...] = ()


class DigestMaker:
    """Takes segments and records in order, and keeps what fits on paper.

    Args:
        from_utc_us, to_utc_us: the span of the export.
    """

    def __init__(self, from_utc_us: int, to_utc_us: int) -> None:
        self._part_us = max(1, (to_utc_us - from_utc_us) // _TIMELINE_PARTS)
        self._open_bars: dict[str, Bar] = {}
        self._bars: list[Bar] = []
        self._gops: list[GopLine] = []
        self._gop_count = 0
        self._segments: list[SegmentLine] = []
        self._segment_count = 0
        self._rows_left = {True: MAX_SEGMENT_ROWS, False: MAX_DAMAGED_ROWS}
        self._alerts: list[AlertMark] = []
        self._locks: list[Stretch] = []
        self._holds: list[Stretch] = []
        self._custody: list[Record] = []
        self._custody_count = 0

    def segment(self, entry: SegmentEntry) -> None:
        """The next line of data/segments.jsonl."""
        self._segment_count += 1
        self._gop_count += len(entry.gops)
        self._draw(entry)
        # Damage is what a reader looks for: what is whole takes none of its room.
        is_whole = entry.state in {"intact", "deleted"}
        self._rows_left[is_whole] -= 1
        if self._rows_left[is_whole] >= 0:
            self._segments.append(_segment_line(entry))
        if self._gop_count <= MAX_GOP_ROWS:
            self._gops.extend(_gop_lines(entry))
        else:
            self._gops.clear()

    def record(self, record: Record) -> None:
        """The next line of data/records.jsonl."""
        body = record.body
        if record.body.__struct_config__.tag in CUSTODY_KINDS:
            self._custody_count += 1
            if len(self._custody) < MAX_CUSTODY_ROWS:
                self._custody.append(record)
        if isinstance(body, AlertRecord) and body.phase == "raised":
            if len(self._alerts) < _MAX_MARKS:
                self._alerts.append(AlertMark(record.t_utc_us, body.rule, body.priority))
        elif isinstance(body, LockRecord):
            self._keep(self._locks, record, body)
        elif isinstance(body, HoldRecord):
            for span in body.spans:
                self._keep(self._holds, record, span)

    def finished(self) -> Digest:
        """What was gathered."""
        return Digest(
            bars=(*self._bars, *self._open_bars.values()),
            gops=tuple(self._gops),
            gop_count=self._gop_count,
            segments=tuple(self._segments),
            segment_count=self._segment_count,
            alerts=tuple(self._alerts),
            locks=tuple(self._locks),
            holds=tuple(self._holds),
            custody=tuple(self._custody),
            custody_count=self._custody_count,
        )

    def _draw(self, entry: SegmentEntry) -> None:
        bar = Bar(entry.camera_id, _bar_state(entry), entry.from_utc_us, entry.to_utc_us)
        last = self._open_bars.get(entry.camera_id)
        if last is not None:
            follows = abs(bar.from_utc_us - last.to_utc_us) <= self._part_us
            if follows and bar.state == last.state:
                bar = msgspec.structs.replace(last, to_utc_us=bar.to_utc_us)
            elif len(self._bars) < 2 * _TIMELINE_PARTS:
                self._bars.append(last)
        self._open_bars[entry.camera_id] = bar

    def _keep(self, stretches: list[Stretch], record: Record, span: LockRecord | HoldSpan) -> None:
        # Only of the record's own boot is it known what UTC a monotonic time was.
        if span.boot_id == record.boot_id and len(stretches) < _MAX_MARKS:
            to_utc_us = record.t_utc_us - record.t_mono_us
            stretches.append(
                Stretch(span.camera_id, span.from_mono_us + to_utc_us, span.to_mono_us + to_utc_us)
            )


def _bar_state(entry: SegmentEntry) -> BarState:
    if entry.state in {"missing", "unreadable"}:
        return "lost"
    if entry.state == "deleted":
        return "deleted"
    if entry.state == "damaged":
        return "damaged"
    return "intact" if entry.leaf is not None else "unproven"


def _segment_line(entry: SegmentEntry) -> SegmentLine:
    return SegmentLine(
        camera_id=entry.camera_id,
        segment=entry.segment,
        from_utc_us=entry.from_utc_us,
        to_utc_us=entry.to_utc_us,
        gops=len(entry.gops),
        size_bytes=entry.size_bytes,
        sha256=entry.sha256,
        state=entry.state,
        is_proven=entry.leaf is not None,
    )


def _gop_lines(entry: SegmentEntry) -> list[GopLine]:
    return [
        GopLine(
            camera_id=entry.camera_id,
            segment=entry.segment,
            number=number,
            from_utc_us=gop.from_utc_us,
            to_utc_us=gop.to_utc_us,
            size_bytes=gop.size_bytes,
            sha256=gop.sha256,
            is_as_recorded=gop.sha256 == gop.sha256_recorded,
            is_proven=entry.leaf is not None,
        )
        for number, gop in enumerate(entry.gops, 1)
    ]
