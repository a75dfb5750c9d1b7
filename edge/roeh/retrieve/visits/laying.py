"""Lays what is held out along UTC, a lane a camera, page by page. Pure; memory stays small."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from roeh.core.custody import GapRow, HoldRow, SegmentRow, Span
from roeh.core.types import AlertPhase
from roeh.ledger.records import AlertRecord, LockRecord, Record
from roeh.retrieve.api.answers import AlertMark, Bar, Gap, HeldStretch, Keep, Lane

#: Segments within this follow each other: a second's error of rounding is no gap.
_TOUCHING_US = 1_000_000


class _Offset(msgspec.Struct, frozen=True):
    """UTC less monotonic time, as of a moment of a camera in a boot."""

    camera_id: str
    t_mono_us: int
    offset_us: int


class Layout:
    """Takes segments, gaps and holds as they are read; gives the lanes at the end.

    Args:
        from_utc_us, to_utc_us: what is laid out, [from, to).
        camera_id: None: of all.
    """

    def __init__(self, from_utc_us: int, to_utc_us: int, camera_id: str | None) -> None:
        self._from_us = from_utc_us
        self._to_us = to_utc_us
        self._camera_id = camera_id
        self._bars: dict[str, list[Bar]] = {}
        self._gaps: dict[str, list[Gap]] = {}
        self._holds: dict[str, list[HeldStretch]] = {}
        self._offsets: dict[str, list[_Offset]] = {}

    def add_segments(self, rows: Iterable[SegmentRow]) -> None:
        """Segments in the order in which they were begun."""
        for row in rows:
            if not self._is_asked(row.camera_id):
                continue
            to_us = row.t_utc_us + row.t_end_mono_us - row.t_first_mono_us
            self._note_offset(row)
            if row.t_utc_us < self._to_us and self._from_us < to_us:
                self._add_bar(row, to_us)

    def add_gap(self, row: GapRow) -> None:
        """A gap, wherever it lies."""
        overlaps = row.from_utc_us < self._to_us and self._from_us < row.to_utc_us
        if overlaps and self._is_asked(row.camera_id):
            gap = Gap(from_utc_us=row.from_utc_us, to_utc_us=row.to_utc_us, reason=row.reason)
            self._gaps.setdefault(row.camera_id, []).append(gap)

    def add_hold(self, row: HoldRow) -> None:
        """A hold, once all segments are known: they say when its spans were."""
        if row.state == "released":
            return
        for span in row.spans:
            offset_us = self._offset_of(span)
            if offset_us is None or not self._is_asked(span.camera_id):
                continue
            from_us, to_us = span.from_mono_us + offset_us, span.to_mono_us + offset_us
            if from_us < self._to_us and self._from_us < to_us:
                held = HeldStretch(from_utc_us=from_us, to_utc_us=to_us, hold_id=row.hold_id)
                self._holds.setdefault(span.camera_id, []).append(held)

    def lanes(self) -> tuple[Lane, ...]:
        """One a camera of which anything is known here, by name."""
        cameras = sorted({*self._bars, *self._gaps, *self._holds})
        return tuple(
            Lane(
                camera_id=camera_id,
                bars=tuple(sorted(self._bars.get(camera_id, ()), key=_begin)),
                gaps=tuple(self._gaps.get(camera_id, ())),
                holds=tuple(self._holds.get(camera_id, ())),
            )
            for camera_id in cameras
        )

    def _is_asked(self, camera_id: str) -> bool:
        return self._camera_id in (None, camera_id)

    def _add_bar(self, row: SegmentRow, to_us: int) -> None:
        bars = self._bars.setdefault(row.camera_id, [])
        bar = Bar(
            from_utc_us=row.t_utc_us,
            to_utc_us=to_us,
            error_us=row.utc_error_us,
            synchronised=row.synchronised,
            keep=_keep(row),
            is_written=row.end_reason is None,
        )
        last = bars[-1] if bars else None
        if (
            last is not None
            and (last.keep, last.synchronised) == (bar.keep, bar.synchronised)
            and abs(bar.from_utc_us - last.to_utc_us) < _TOUCHING_US
        ):
            bars[-1] = msgspec.structs.replace(
                last,
                to_utc_us=max(last.to_utc_us, bar.to_utc_us),
                error_us=max(last.error_us, bar.error_us),
                is_written=bar.is_written,
            )
        else:
            bars.append(bar)

    def _note_offset(self, row: SegmentRow) -> None:
        offset = _Offset(row.camera_id, row.t_first_mono_us, row.t_utc_us - row.t_first_mono_us)
        known = self._offsets.setdefault(row.boot_id, [])
        last = next((one for one in reversed(known) if one.camera_id == row.camera_id), None)
        # A clock that runs evenly needs one, however long it ran.
        if last is None or abs(last.offset_us - offset.offset_us) >= _TOUCHING_US:
            known.append(offset)

    def _offset_of(self, span: Span) -> int | None:
        of_boot = self._offsets.get(span.boot_id, [])
        of_camera = [one for one in of_boot if one.camera_id == span.camera_id]
        nearest = min(
            of_camera or of_boot,
            key=lambda one: abs(one.t_mono_us - span.from_mono_us),
            default=None,
        )
        return None if nearest is None else nearest.offset_us


def alert_marks(records: Iterable[Record]) -> tuple[AlertMark, ...]:
    """Alerts that were raised, each with the cameras whose video it keeps."""
    cameras: dict[str, list[str]] = {}
    raised: list[tuple[Record, AlertRecord]] = []
    for record in records:
        body = record.body
        if isinstance(body, LockRecord):
            of_alert = cameras.setdefault(body.raised_id, [])
            if body.camera_id not in of_alert:
                of_alert.append(body.camera_id)
        elif isinstance(body, AlertRecord) and body.phase == AlertPhase.RAISED.value:
            raised.append((record, body))
    return tuple(
        AlertMark(
            alert_id=body.id,
            t_utc_us=record.t_utc_us,
            priority=body.priority,
            rule=body.rule,
            cameras=tuple(cameras.get(body.raised_id, ())),
            has_thumbnail=body.thumbnail_sha256 is not None,
        )
        for record, body in raised
    )


def _keep(row: SegmentRow) -> Keep:
    if not row.is_present:
        return "deleted"
    if row.held:
        return "held"
    return "locked" if row.locked else "plain"


def _begin(bar: Bar) -> int:
    return bar.from_utc_us
