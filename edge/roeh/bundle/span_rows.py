"""Which segments an export is made of: the index's rows of its span, put aside by camera."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Protocol, TypeVar

import msgspec

from roeh.bundle.choosing import segment_utc
from roeh.bundle.reading import MAX_LATE_US
from roeh.bundle.spill import Spills, StructSpill
from roeh.core.custody import LONGEST_SEGMENT_US, SegmentRow, SegmentsPage, SegmentsRequest
from roeh.core.peers import Verb
from roeh.core.retrieval import ExportRequest
from roeh.ledger.utc_spans import UtcSpan

#: Above and below every time that there is.
_EVER_US = 2**53

_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)


class Evidence(Protocol):
    """Answers the verbs of Role.RETRIEVE that an export needs."""

    def call(self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]) -> _AnswerT:
        """Ask and wait for the answer.

        Raises:
            RoehError: what was answered instead.
        """
        ...


class CameraRows(msgspec.Struct, frozen=True):
    """Segments of one camera in order: those of the span, and the next one behind each run.

    Those that were deleted by rule are among them, without fragments.
    """

    camera_id: str
    rows: StructSpill[SegmentRow]


def rows_of_span(evidence: Evidence, request: ExportRequest, spills: Spills) -> list[CameraRows]:
    """The rows of each camera asked for, in the order of the request.

    Raises:
        RoehError: evidence cannot answer.
        OSError: no room to put them aside.
    """
    cameras = {name: _Camera(CameraRows(name, spills.of(SegmentRow))) for name in request.cameras}
    wanted = span_of(request)
    present = _pages(evidence, SegmentsRequest(which="present"))
    deleted = sorted(_deleted(evidence, wanted), key=lambda row: row.row)
    last_row = -1
    for row in heapq.merge(present, deleted, key=lambda row: row.row):
        # One that was deleted meanwhile comes twice.
        if row.camera_id in cameras and row.row != last_row:
            cameras[row.camera_id].take(row, wanted)
        last_row = row.row
    return [camera.kept for camera in cameras.values()]


def span_of(request: ExportRequest) -> UtcSpan:
    """What is asked for, as the pole's records tell the time."""
    return UtcSpan(request.from_utc_us, request.to_utc_us)


class _Camera:
    """Keeps the rows of one camera that are needed, as they come by."""

    def __init__(self, kept: CameraRows) -> None:
        self.kept = kept
        self._last: SegmentRow | None = None

    def take(self, row: SegmentRow, wanted: UtcSpan) -> None:
        if segment_utc(row).overlaps(wanted):
            self.kept.rows.add(row)
            self._last = row
            return
        if self._last is not None and _follows(self._last, row):
            self.kept.rows.add(row)
        self._last = None


def _follows(before: SegmentRow, row: SegmentRow) -> bool:
    pause_us = row.t_first_mono_us - before.t_end_mono_us
    return row.is_present and row.boot_id == before.boot_id and 0 <= pause_us <= MAX_LATE_US


def _deleted(evidence: Evidence, wanted: UtcSpan) -> Iterator[SegmentRow]:
    request = SegmentsRequest(
        which="deleted",
        since_utc_us=max(wanted.from_us - LONGEST_SEGMENT_US, -_EVER_US),
        until_utc_us=min(wanted.to_us, _EVER_US),
    )
    return (row for row in _pages(evidence, request) if segment_utc(row).overlaps(wanted))


def _pages(evidence: Evidence, request: SegmentsRequest) -> Iterator[SegmentRow]:
    while rows := evidence.call(Verb.SEGMENTS_PAGE, request, SegmentsPage).segments:
        yield from rows
        request = msgspec.structs.replace(request, after=rows[-1].row)
