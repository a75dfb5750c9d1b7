"""Which segments belong to an export, and what is needed of them, read in pages.

Each page is a transaction of its own, so that recording gets in between.
"""

from __future__ import annotations

import array
import sqlite3
from collections.abc import Iterable

import msgspec

from roeh.core.custody import Span
from roeh.core.errors import EvidenceRefused
from roeh.core.retrieval import ExportRequest
from roeh.ledger.database import NodeDatabase
from roeh.ledger.utc_spans import UtcSpan, recorded_spans

#: Of one export, so that what is collected of it and its manifest stay small: at 10 s each, one
#: camera's 23 days.
MAX_SEGMENTS = 200_000

_PAGE = 500
#: No segment is longer (core/config/schema.py: segment_s), with room for a late close.
_LONGEST_SEGMENT_US = 1_200_000_000
#: Segments that are looked at, at either end of what was deleted.
_LOOKED_AT = 50


class Numbers(msgspec.Struct, frozen=True):
    """Segments of a camera that the span touches, and the next one: the first and the last.

    All of their numbers belong into the bundle.
    """

    camera_id: str
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many there are at the most."""
        return self.last - self.first + 1


class FoundSegments:
    """What is needed of the segments of an export.

    Attributes:
        leaves: of their records.
        deleted: of those that were deleted by rule.
        windows: from when to when there are any, by boot.
    """

    def __init__(self) -> None:
        self.leaves = array.array("q")
        self.deleted = array.array("q")
        self.windows: dict[str, tuple[int, int]] = {}

    def add(self, leaf: int, is_deleted: bool, boot_id: str, first_us: int, end_us: int) -> None:
        """One more."""
        self.leaves.append(leaf)
        if is_deleted:
            self.deleted.append(leaf)
        since_us, until_us = self.windows.get(boot_id, (first_us, end_us))
        self.windows[boot_id] = min(since_us, first_us), max(until_us, end_us)


class ExportSegments:
    """Finds them. Every method asks the store in short transactions."""

    def __init__(self, database: NodeDatabase) -> None:
        self._database = database

    def numbers(self, request: ExportRequest) -> tuple[Numbers, ...]:
        """Which segments belong to an export, of each camera that has any.

        By the time that the segments tell: who asked saw the same. (The hold is wider, by the
        clock's error; an hour of it would wait for what is being written now.)
        """
        wanted = UtcSpan(request.from_utc_us, request.to_utc_us)
        with self._database.reading() as connection:
            asked = recorded_spans(connection, wanted, request.cameras, is_widened=False)
        found = (self._numbers(camera_id, request, asked) for camera_id in request.cameras)
        return tuple(numbers for numbers in found if numbers is not None)

    def check_closed(self, export_id: str, numbers: Iterable[Numbers]) -> None:
        """Refuse while one of these segments is still being written.

        Raises:
            EvidenceRefused: `segment_open`.
        """
        for asked in numbers:
            with self._database.reading() as connection:
                found = connection.execute(
                    "SELECT number FROM segment WHERE state = 'open' AND camera_id = ?"
                    " AND number BETWEEN ? AND ?",
                    (asked.camera_id, asked.first, asked.last),
                ).fetchone()
            if found is not None:
                raise _still_open(export_id, asked.camera_id, found[0])

    def read(self, export_id: str, numbers: Iterable[Numbers]) -> FoundSegments:
        """Go through them all.

        Raises:
            EvidenceRefused: `segment_open`: one of them is still being written.
        """
        segments = FoundSegments()
        for asked in numbers:
            self._read(segments, asked, export_id)
        return segments

    def _read(self, segments: FoundSegments, asked: Numbers, export_id: str) -> None:
        after = asked.first - 1
        while True:
            with self._database.reading() as connection:
                page = connection.execute(
                    "SELECT number, leaf, state IN ('garbage', 'pruned'), boot_id,"
                    " t_first_mono_us, t_end_mono_us FROM segment WHERE camera_id = ?"
                    " AND number > ? AND number <= ? ORDER BY number LIMIT ?",
                    (asked.camera_id, after, asked.last, _PAGE),
                ).fetchall()
            if not page:
                return
            for number, leaf, is_deleted, *window in page:
                if leaf is None:
                    raise _still_open(export_id, asked.camera_id, number)
                segments.add(leaf, bool(is_deleted), *window)
            after = page[-1][0]

    def _numbers(
        self, camera_id: str, request: ExportRequest, spans: Iterable[Span]
    ) -> Numbers | None:
        numbers: list[int] = []
        for span in spans:
            if span.camera_id != camera_id:
                continue
            with self._database.reading() as connection:
                numbers += _ends(connection, span)
        with self._database.reading() as connection:
            numbers += _deleted(connection, camera_id, request)
        if not numbers:
            return None
        return Numbers(camera_id, min(numbers), max(numbers) + 1)


def _ends(connection: sqlite3.Connection, span: Span) -> list[int]:
    """Numbers of the first and last segment that a span touches."""
    first = connection.execute(
        "SELECT number FROM segment INDEXED BY segment_time WHERE camera_id = ? AND boot_id = ?"
        " AND t_first_mono_us >= ? AND t_first_mono_us < ? AND t_end_mono_us > ?"
        " ORDER BY t_first_mono_us LIMIT 1",
        (
            span.camera_id,
            span.boot_id,
            span.from_mono_us - _LONGEST_SEGMENT_US,
            span.to_mono_us,
            span.from_mono_us,
        ),
    ).fetchall()
    last = connection.execute(
        "SELECT number FROM segment INDEXED BY segment_time WHERE camera_id = ? AND boot_id = ?"
        " AND t_first_mono_us >= ? AND t_first_mono_us < ? ORDER BY t_first_mono_us DESC LIMIT 1",
        (
            span.camera_id,
            span.boot_id,
            span.from_mono_us - _LONGEST_SEGMENT_US,
            span.to_mono_us,
        ),
    ).fetchall()
    return [int(number) for (number,) in first + last]


def _deleted(connection: sqlite3.Connection, camera_id: str, request: ExportRequest) -> list[int]:
    """Numbers of the first and last of the span that were deleted by rule: records tell of them.

    In the order of UTC, of which each end is looked at a little further: a clock may have been
    set back.
    """
    found: list[int] = []
    for direction in ("ASC", "DESC"):
        rows = connection.execute(
            "SELECT number FROM segment INDEXED BY segment_pruned"  # noqa: S608 - constants
            " WHERE state = 'pruned' AND t_utc_us > ? AND t_utc_us < ? AND camera_id = ?"
            " AND t_utc_us + t_end_mono_us - t_first_mono_us + utc_error_us > ?"
            f" ORDER BY t_utc_us {direction} LIMIT ?",
            (
                request.from_utc_us - _LONGEST_SEGMENT_US,
                request.to_utc_us,
                camera_id,
                request.from_utc_us,
                _LOOKED_AT,
            ),
        )
        found += [int(number) for (number,) in rows]
    garbage = connection.execute(
        "SELECT number FROM segment WHERE state = 'garbage' AND camera_id = ?"
        " AND t_utc_us < ? AND t_utc_us + t_end_mono_us - t_first_mono_us + utc_error_us > ?",
        (camera_id, request.to_utc_us, request.from_utc_us),
    )
    return found + [int(number) for (number,) in garbage]


def _still_open(export_id: str, camera_id: str, number: int) -> EvidenceRefused:
    return EvidenceRefused(
        what=f"segment_open: segment {number} of {camera_id} is still written",
        which=f"export {export_id}",
        remedy="try again in some seconds: it closes by itself",
    )
