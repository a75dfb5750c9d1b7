"""All that a pole holds, read page by page, and where it lies in UTC.

UTC is what each segment itself says: its first picture's time and the bound of its error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from roeh.core.custody import (
    LONGEST_SEGMENT_US,
    GapRow,
    GapsPage,
    HoldRow,
    HoldsPage,
    LockRow,
    LocksPage,
    PageRequest,
    RecordsPage,
    RecordsRequest,
    SegmentRow,
    SegmentsPage,
    SegmentsRequest,
    Span,
)
from roeh.core.peers import Verb
from roeh.custody.link import EvidenceLink
from roeh.ledger.records import Record, RecordBody
from roeh.ledger.utc_spans import Stretch, UtcSpan, spans_within

_RowT = TypeVar("_RowT", GapRow, LockRow, HoldRow)


class Holdings(msgspec.Struct, frozen=True):
    """What is held, each in the order of the index."""

    segments: tuple[SegmentRow, ...]
    gaps: tuple[GapRow, ...]
    locks: tuple[LockRow, ...]
    holds: tuple[HoldRow, ...]
    age_us: int

    def cameras(self) -> tuple[str, ...]:
        """Every camera of which anything is known, by name."""
        known = {segment.camera_id for segment in self.segments}
        known |= {gap.camera_id for gap in self.gaps}
        return tuple(sorted(known))


def read_holdings(link: EvidenceLink) -> Holdings:
    """What is on the disk, and all gaps, locks and holds; what changes meanwhile may be in it.

    Raises:
        RoehError: evidence cannot answer.
    """
    return _holdings(link, _segments(link, SegmentsRequest(which="present")))


def with_deleted(link: EvidenceLink, holdings: Holdings, when: UtcSpan) -> Holdings:
    """The same with the segments that were deleted by rule and began in or before this time.

    A pole that is years old has deleted millions of others.

    Raises:
        RoehError: evidence cannot answer.
    """
    request = SegmentsRequest(
        which="deleted",
        since_utc_us=max(when.from_us - LONGEST_SEGMENT_US, -(2**53)),
        until_utc_us=min(when.to_us, 2**53),
    )
    # One that was deleted meanwhile is in both, and as it was.
    rows = {segment.row: segment for segment in _segments(link, request)}
    rows |= {segment.row: segment for segment in holdings.segments}
    return msgspec.structs.replace(holdings, segments=tuple(rows[row] for row in sorted(rows)))


def read_all(link: EvidenceLink) -> Holdings:
    """The whole index, with all that was ever deleted: slow on a pole that is years old.

    Raises:
        RoehError: evidence cannot answer.
    """
    return _holdings(link, _segments(link, SegmentsRequest()))


def read_segment(link: EvidenceLink, camera_id: str, number: int) -> SegmentRow | None:
    """One segment, deleted or not; None when there never was one.

    Raises:
        RoehError: evidence cannot answer.
    """
    request = SegmentsRequest(camera_id=camera_id, segment=number)
    return next(iter(link.call(Verb.SEGMENTS_PAGE, request, SegmentsPage).segments), None)


def _segments(link: EvidenceLink, request: SegmentsRequest) -> Iterator[SegmentRow]:
    while rows := link.call(Verb.SEGMENTS_PAGE, request, SegmentsPage).segments:
        yield from rows
        request = msgspec.structs.replace(request, after=rows[-1].row)


def _holdings(link: EvidenceLink, segments: Iterable[SegmentRow]) -> Holdings:
    ages: list[int] = []

    def lock_rows(page: LocksPage) -> Sequence[LockRow]:
        ages.append(page.age_us)
        return page.locks

    return Holdings(
        segments=tuple(segments),
        gaps=tuple(_rows(link, Verb.GAPS_PAGE, GapsPage, lambda page: page.gaps)),
        locks=tuple(_rows(link, Verb.LOCKS_PAGE, LocksPage, lock_rows)),
        holds=tuple(_rows(link, Verb.HOLDS_PAGE, HoldsPage, lambda page: page.holds)),
        age_us=ages[-1],
    )


def read_records(
    link: EvidenceLink, kinds: Iterable[type[RecordBody]], first: int = 0
) -> Iterator[Record]:
    """Records of the ledger with such bodies, from leaf `first` on.

    Raises:
        RoehError: evidence cannot answer.
    """
    after = first - 1
    tags = tuple(str(kind.__struct_config__.tag) for kind in kinds)
    while True:
        request = RecordsRequest(after=after, kinds=tags)
        page = link.call(Verb.RECORDS_PAGE, request, RecordsPage)
        if not page.records:
            return
        for raw in page.records:
            record = msgspec.json.decode(raw, type=Record)
            yield record
            after = record.leaf


def span_utc(span: Span, segments: Iterable[SegmentRow]) -> UtcSpan | None:
    """When a span of monotonic time was, by the nearest segment of its boot.

    Of its camera if there is one; None when nothing of that boot is known.
    """
    same_boot = [segment for segment in segments if segment.boot_id == span.boot_id]
    of_camera = [segment for segment in same_boot if segment.camera_id == span.camera_id]
    nearest = min(
        of_camera or same_boot,
        key=lambda segment: abs(segment.t_first_mono_us - span.from_mono_us),
        default=None,
    )
    if nearest is None:
        return None
    offset_us = nearest.t_utc_us - nearest.t_first_mono_us
    return UtcSpan(
        from_us=span.from_mono_us + offset_us,
        to_us=span.to_mono_us + offset_us,
        error_us=nearest.utc_error_us,
        synchronised=nearest.synchronised,
    )


def spans_of(
    wanted: UtcSpan, segments: Iterable[SegmentRow], camera_id: str | None
) -> tuple[Span, ...]:
    """Where a stretch of UTC lies in what is there of a camera, None: of all."""
    return spans_within(
        wanted,
        (
            Stretch(
                camera_id=segment.camera_id,
                boot_id=segment.boot_id,
                t_first_mono_us=segment.t_first_mono_us,
                t_end_mono_us=segment.t_end_mono_us,
                t_utc_us=segment.t_utc_us,
                utc_error_us=segment.utc_error_us,
                is_written=segment.end_reason is None,
            )
            for segment in segments
            if segment.is_present and camera_id in (None, segment.camera_id)
        ),
    )


_PageT = TypeVar("_PageT", bound=msgspec.Struct)


def _rows(
    link: EvidenceLink,
    verb: Verb,
    page_type: type[_PageT],
    rows_of: Callable[[_PageT], Sequence[_RowT]],
) -> Iterator[_RowT]:
    after = -1
    while rows := rows_of(link.call(verb, PageRequest(after=after), page_type)):
        yield from rows
        after = rows[-1].row
