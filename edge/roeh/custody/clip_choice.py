"""Which stored GOPs a clip is made of: chosen by the index alone, nothing is read here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from roeh.bundle.choosing import Run, placed, runs_of, segment_utc, utc_within
from roeh.core.custody import LockRow, SegmentRow, Span
from roeh.core.errors import EvidenceRefused
from roeh.core.moments import utc_text
from roeh.custody.clip_times import span_text
from roeh.custody.holdings import Holdings, span_utc
from roeh.ledger.utc_spans import UtcSpan

#: Closer than this two segments are one stretch of video.
_STRETCH_GAP_US = 1_000_000
#: More than these are not named in one line.
_MAX_STRETCHES = 4


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a clip is asked to show: a time, the spans of an alert, or segments by number.

    Attributes:
        text: in words.
        utc: the time asked for, where it is known in UTC.
        spans: the same in boots' own time; instead of `utc` when there are any.
        numbers: first and last segment; instead of both.
    """

    camera_id: str
    text: str
    utc: UtcSpan | None = None
    spans: tuple[Span, ...] = ()
    numbers: tuple[int, int] | None = None

    def takes(self, segment: SegmentRow, from_mono_us: int, to_mono_us: int) -> bool:
        """Whether a stretch of a segment's time is asked for."""
        if self.numbers is not None:
            return self.numbers[0] <= segment.segment <= self.numbers[1]
        if self.spans:
            return any(
                span.boot_id == segment.boot_id
                and span.from_mono_us < to_mono_us
                and from_mono_us < span.to_mono_us
                for span in self.spans
            )
        return self.utc is not None and self.utc.overlaps(
            utc_within(segment, from_mono_us, to_mono_us)
        )

    def lacks(self, holdings: Holdings, from_us: int, to_us: int) -> tuple[bool, bool]:
        """Whether video from one time of UTC to another leaves out its beginning, its end."""
        if self.numbers is not None:
            known = [row.segment for row in holdings.segments if row.camera_id == self.camera_id]
            return self.numbers[0] < min(known), max(known) < self.numbers[1]
        return (
            self.utc is not None and self.utc.from_us < from_us,
            self.utc is not None and to_us < self.utc.to_us,
        )


def only_camera(holdings: Holdings) -> str:
    """The camera that is meant when none is named.

    Raises:
        EvidenceRefused: there are several, or none.
    """
    cameras = holdings.cameras()
    if len(cameras) != 1:
        raise EvidenceRefused(
            what="not clear which camera is meant" if cameras else "nothing was ever recorded",
            which="--camera",
            remedy=f"name one: {', '.join(cameras)}" if cameras else "see roeh evidence list",
        )
    return cameras[0]


def ask_utc(camera_id: str, wanted: UtcSpan) -> Asked:
    """By a stretch of UTC."""
    return Asked(camera_id=camera_id, text=span_text(wanted), utc=wanted)


def ask_segments(camera_id: str, numbers: Sequence[int]) -> Asked:
    """By the number of a segment, or of the first and the last one."""
    first, last = min(numbers), max(numbers)
    text = f"segment {first}" if first == last else f"segments {first} to {last}"
    return Asked(camera_id=camera_id, text=text, numbers=(first, last))


def ask_alert(
    alert_id: str, locks: Sequence[LockRow], holdings: Holdings, camera_id: str | None
) -> Asked:
    """By an alert: what it locked, whether the lock still holds or not.

    Raises:
        EvidenceRefused: it locked nothing, or video of several cameras and none is named.
    """
    spans = tuple(lock.span for lock in locks if camera_id in (None, lock.span.camera_id))
    cameras = sorted({span.camera_id for span in spans})
    if len(cameras) != 1:
        raise EvidenceRefused(
            what="this alert never locked any video of that camera"
            if not cameras
            else "this alert locked video of several cameras",
            which=alert_id,
            remedy=f"name one with --camera: {', '.join(cameras)}"
            if cameras
            else "give --camera, --from and --to instead",
        )
    times = [when for span in spans if (when := span_utc(span, holdings.segments)) is not None]
    utc = None
    if times:
        from_us = min(when.from_us for when in times)
        utc = UtcSpan(from_us, max(when.to_us for when in times))
    when_text = "" if utc is None else f", {span_text(utc)}"
    return Asked(
        camera_id=cameras[0],
        text=f"what alert {alert_id} locked{when_text}",
        utc=utc,
        spans=spans,
    )


def choose(asked: Asked, holdings: Holdings) -> list[Run]:
    """The GOPs asked for; more than one run when others lie between them.

    Raises:
        EvidenceRefused: there is no such camera, or no video in what was asked for.
    """
    if asked.camera_id not in holdings.cameras():
        raise EvidenceRefused(
            what="nothing was ever recorded of this camera",
            which=asked.camera_id,
            remedy=f"there is: {', '.join(holdings.cameras()) or 'no camera at all'}",
        )
    segments = [row for row in holdings.segments if row.camera_id == asked.camera_id]
    present = [row for row in segments if row.is_present]
    runs = runs_of(
        placed(present),
        lambda gop: asked.takes(gop.segment, gop.row.t_first_mono_us, gop.row.t_end_mono_us),
    )
    if not runs:
        raise EvidenceRefused(
            what="there is no video in what was asked for",
            which=f"{asked.camera_id}, {asked.text}",
            remedy=_what_there_is(present, deleted_in(asked, segments)),
        )
    return runs


def deleted_in(asked: Asked, segments: Iterable[SegmentRow]) -> list[SegmentRow]:
    """Segments asked for that were deleted by rule."""
    return [
        row
        for row in segments
        if row.camera_id == asked.camera_id
        and not row.is_present
        and asked.takes(row, row.t_first_mono_us, row.t_end_mono_us)
    ]


def _what_there_is(present: Sequence[SegmentRow], deleted: Sequence[SegmentRow]) -> str:
    """The stretches of video that are there, the newest ones."""
    stretches: list[tuple[SegmentRow, SegmentRow]] = []
    for row in present:
        last = stretches[-1][1] if stretches else None
        if last is not None and _follows(last, row):
            stretches[-1] = (stretches[-1][0], row)
        else:
            stretches.append((row, row))
    named = [
        f"{utc_text(segment_utc(first).from_us, synchronised=first.synchronised)} to "
        f"{utc_text(segment_utc(last).to_us, synchronised=last.synchronised)}"
        f" (segments {first.segment} to {last.segment})"
        for first, last in stretches[-_MAX_STRETCHES:]
    ]
    hidden = len(stretches) - len(named)
    there = "; ".join(named) if named else "nothing"
    earlier = "; and more before" if hidden else ""
    gone = (
        f"; deleted by rule of what was asked for: {len(deleted)} of its segments"
        if deleted
        else ""
    )
    return f"there is: {there}{earlier}{gone}"


def _follows(before: SegmentRow, row: SegmentRow) -> bool:
    pause_us = segment_utc(row).from_us - segment_utc(before).to_us
    return before.boot_id == row.boot_id and abs(pause_us) < _STRETCH_GAP_US
