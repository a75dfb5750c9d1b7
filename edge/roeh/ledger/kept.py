"""What locks and holds keep of the ring, asked of the index.

A segment is kept when its time overlaps an active span of its camera and boot. Single
segments are asked for exactly; sums walk the merged spans over an index that covers them,
so that they take milliseconds with a hundred thousand segments.
"""

from __future__ import annotations

import bisect
import sqlite3
from collections.abc import Iterable

from roeh.core.custody import Span

#: Of a row `segment`, exactly; for WHERE.
IS_LOCKED = """EXISTS (
    SELECT 1 FROM lock WHERE lock.camera_id = segment.camera_id
    AND lock.boot_id = segment.boot_id AND lock.state = 'active'
    AND lock.from_mono_us < segment.t_end_mono_us AND lock.to_mono_us > segment.t_first_mono_us)"""
IS_HELD = """EXISTS (
    SELECT 1 FROM hold_span WHERE hold_span.camera_id = segment.camera_id
    AND hold_span.boot_id = segment.boot_id AND hold_span.is_active = 1
    AND hold_span.from_mono_us < segment.t_end_mono_us
    AND hold_span.to_mono_us > segment.t_first_mono_us)"""

_LOCKS = "SELECT camera_id, boot_id, from_mono_us, to_mono_us FROM lock WHERE state = 'active'"
_HOLDS = "SELECT camera_id, boot_id, from_mono_us, to_mono_us FROM hold_span WHERE is_active = 1"
_BY_TIME = "ORDER BY camera_id, boot_id, from_mono_us"
#: Closed segments that overlap a span; for WHERE. The search begins at the last but one that
#: began before the span, since segments of a camera follow each other.
CLOSED_IN_SPAN = """
    segment.state = 'closed' AND segment.camera_id = {camera} AND segment.boot_id = {boot}
    AND segment.t_first_mono_us < {to} AND segment.t_end_mono_us > {start}
    AND segment.t_first_mono_us >= coalesce((
        SELECT t_first_mono_us FROM segment AS before WHERE before.state = 'closed'
        AND before.camera_id = {camera} AND before.boot_id = {boot}
        AND before.t_first_mono_us <= {start}
        ORDER BY before.t_first_mono_us DESC LIMIT 1 OFFSET 1), 0)"""
#: Those of one merged span that were not counted with the span before it.
_NEW_IN_SPAN = (
    "SELECT coalesce(sum(size_bytes), 0), max(t_first_mono_us) FROM segment WHERE"  # noqa: S608 - constants
    + CLOSED_IN_SPAN.format(camera=":camera", boot=":boot", start=":start", to=":to")
    + " AND t_first_mono_us > :counted"
)


def locked_bytes(connection: sqlite3.Connection) -> int:
    """Of segments that an active lock overlaps."""
    return _bytes_in(connection, _LOCKS, IS_LOCKED)


def held_bytes(connection: sqlite3.Connection) -> int:
    """Of segments that a hold overlaps."""
    return _bytes_in(connection, _HOLDS, IS_HELD)


def ring_size(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many segments are on the disk, and their bytes."""
    closed, closed_bytes = connection.execute(
        "SELECT count(*), coalesce(sum(size_bytes), 0) FROM segment INDEXED BY segment_ring"
        " WHERE state = 'closed'"
    ).fetchone()
    opened, opened_bytes = connection.execute(
        "SELECT count(*), coalesce(sum(size_bytes), 0) FROM segment WHERE state = 'open'"
    ).fetchone()
    return closed + opened, closed_bytes + opened_bytes


class KeptSpans:
    """Which times are kept, as of when it was made.

    Args:
        spans: sorted by camera, boot and beginning; those that touch are one.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self._begins: dict[tuple[str, str], list[int]] = {}
        self._ends: dict[tuple[str, str], list[int]] = {}
        for span in spans:
            key = span.camera_id, span.boot_id
            self._begins.setdefault(key, []).append(span.from_mono_us)
            self._ends.setdefault(key, []).append(span.to_mono_us)

    def keep(self, camera_id: str, boot_id: str, t_first_mono_us: int, t_end_mono_us: int) -> bool:
        """Whether any of this time is kept."""
        key = camera_id, boot_id
        begins = self._begins.get(key, [])
        before = bisect.bisect_left(begins, t_end_mono_us)
        return before > 0 and self._ends[key][before - 1] > t_first_mono_us


def kept_spans(connection: sqlite3.Connection) -> KeptSpans:
    """What locks and holds keep."""
    return KeptSpans(_merged(connection, f"{_LOCKS} UNION ALL {_HOLDS} {_BY_TIME}"))


def locked_within(connection: sqlite3.Connection, windows: Iterable[Span]) -> KeptSpans:
    """What locks keep of these windows, one a camera and boot."""
    return _within(connection, _LOCKS, windows)


def held_within(connection: sqlite3.Connection, windows: Iterable[Span]) -> KeptSpans:
    """What holds keep of these windows, one a camera and boot."""
    return _within(connection, _HOLDS, windows)


def _within(connection: sqlite3.Connection, query: str, windows: Iterable[Span]) -> KeptSpans:
    found: list[Span] = []
    for window in sorted(windows, key=lambda span: (span.camera_id, span.boot_id)):
        found += _merged(
            connection,
            f"{query} AND camera_id = ? AND boot_id = ? AND from_mono_us < ? AND to_mono_us > ?"
            f" {_BY_TIME}",
            (window.camera_id, window.boot_id, window.to_mono_us, window.from_mono_us),
        )
    return KeptSpans(found)


def _merged(
    connection: sqlite3.Connection, query: str, parameters: tuple[str | int, ...] = ()
) -> list[Span]:
    """The spans that `query` gives sorted, with those that touch made one."""
    joined: list[Span] = []
    key, start_us, end_us = ("", ""), 0, -1
    for camera_id, boot_id, from_us, to_us in connection.execute(query, parameters):
        if key == (camera_id, boot_id) and from_us <= end_us:
            end_us = max(to_us, end_us)
            continue
        if end_us >= 0:
            joined.append(Span(*key, start_us, end_us))
        key, start_us, end_us = (camera_id, boot_id), from_us, to_us
    if end_us >= 0:
        joined.append(Span(*key, start_us, end_us))
    return joined


def _bytes_in(connection: sqlite3.Connection, spans_query: str, is_kept: str) -> int:
    """Bytes of the segments that spans overlap."""
    (total,) = connection.execute(
        f"SELECT coalesce(sum(size_bytes), 0) FROM segment WHERE state = 'open' AND {is_kept}"  # noqa: S608 - constants
    ).fetchone()
    key, counted_us = ("", ""), -1
    for span in _merged(connection, f"{spans_query} {_BY_TIME}"):
        if key != (span.camera_id, span.boot_id):
            key, counted_us = (span.camera_id, span.boot_id), -1
        size_bytes, newest_us = connection.execute(
            _NEW_IN_SPAN,
            {
                "camera": span.camera_id,
                "boot": span.boot_id,
                "start": span.from_mono_us,
                "to": span.to_mono_us,
                "counted": counted_us,
            },
        ).fetchone()
        total += size_bytes
        counted_us = counted_us if newest_us is None else newest_us
    return int(total)
