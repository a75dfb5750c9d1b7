"""Where a stretch of UTC lies in what was recorded: spans of each camera's and boot's own time.

UTC is what each segment itself says: its first picture's time and the bound of its error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from roeh.core.custody import Span


class UtcSpan(msgspec.Struct, frozen=True):
    """A stretch of UTC, [from, to) in microseconds; off by at most `error_us`."""

    from_us: int
    to_us: int
    error_us: int = 0
    synchronised: bool = True

    def overlaps(self, other: UtcSpan) -> bool:
        """Whether they share any time."""
        return self.from_us < other.to_us and other.from_us < self.to_us


class Stretch(msgspec.Struct, frozen=True):
    """What was recorded in one segment; it goes on when it `is_written` still."""

    camera_id: str
    boot_id: str
    t_first_mono_us: int
    t_end_mono_us: int
    t_utc_us: int
    utc_error_us: int
    is_written: bool


def spans_within(
    wanted: UtcSpan, stretches: Iterable[Stretch], *, is_widened: bool = True
) -> tuple[Span, ...]:
    """Where a stretch of UTC lies in each camera's and boot's own time.

    Widened by the error that each segment states, so that nothing is missed, or else as the
    segments themselves tell the time; a segment that is being written is followed as far as
    was asked.
    """
    found: list[Span] = []
    for stretch in stretches:
        offset_us = stretch.t_utc_us - stretch.t_first_mono_us
        error_us = stretch.utc_error_us if is_widened else 0
        from_us = wanted.from_us - offset_us - error_us
        to_us = wanted.to_us - offset_us + error_us
        begin_us = max(0, from_us, stretch.t_first_mono_us)
        end_us = to_us if stretch.is_written else min(to_us, stretch.t_end_mono_us)
        if begin_us < end_us:
            found.append(Span(stretch.camera_id, stretch.boot_id, begin_us, end_us))
    return _joined(found)


def recorded_spans(
    connection: sqlite3.Connection,
    wanted: UtcSpan,
    camera_ids: Iterable[str] = (),
    *,
    going_on: Iterable[int] = (),
    is_widened: bool = True,
) -> tuple[Span, ...]:
    """What is on the disk of a stretch of UTC, of these cameras (none named: of all).

    `going_on`: rows of segments that are followed as far as was asked though they are closed;
    `is_widened`: see `spans_within`.
    """
    asked, followed = set(camera_ids), tuple(going_on)
    # What cannot lie in it is left where it is: a ring has more segments than a lock may cost.
    is_written = f"(state = 'open' OR row IN ({', '.join('?' * len(followed))}))"
    rows = connection.execute(
        "SELECT camera_id, boot_id, t_first_mono_us, t_end_mono_us, t_utc_us, utc_error_us,"  # noqa: S608 - constants and marks
        f" {is_written} FROM segment WHERE state IN ('open', 'closed')"
        f" AND t_utc_us - utc_error_us < ? AND ({is_written}"
        " OR t_utc_us + t_end_mono_us - t_first_mono_us + utc_error_us > ?)",
        (*followed, wanted.to_us, *followed, wanted.from_us),
    )
    stretches = (Stretch(*row) for row in rows if not asked or row[0] in asked)
    return spans_within(wanted, stretches, is_widened=is_widened)


def newest_segments(
    connection: sqlite3.Connection, boot_id: str, camera_ids: Iterable[str]
) -> tuple[int, ...]:
    """The row of each camera's newest segment in a boot, of those that have one."""
    newest = (
        connection.execute(
            "SELECT row FROM segment WHERE camera_id = ? AND boot_id = ?"
            " ORDER BY t_first_mono_us DESC LIMIT 1",
            (camera_id, boot_id),
        ).fetchone()
        for camera_id in camera_ids
    )
    return tuple(row[0] for row in newest if row is not None)


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Spans that touch are one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.camera_id, one.boot_id, one.from_mono_us)):
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.camera_id, last.boot_id) == (span.camera_id, span.boot_id)
            and span.from_mono_us <= last.to_mono_us
        ):
            to_us = max(last.to_mono_us, span.to_mono_us)
            joined[-1] = msgspec.structs.replace(last, to_mono_us=to_us)
        else:
            joined.append(span)
    return tuple(joined)
