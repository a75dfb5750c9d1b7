"""Which records belong into a bundle: found by index, read in pages, nothing of other cases.

Each page is a transaction of its own, so that recording gets in between; what is appended
meanwhile is beyond the checkpoint that the bundle is proven by.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from roeh.core.errors import EvidenceRefused
from roeh.core.peers import Span
from roeh.core.retrieval import ExportRequest
from roeh.ledger.database import NodeDatabase
from roeh.ledger.record_places import about_alert, about_export, about_hold, about_segment
from roeh.ledger.records import KeyRecord, Record

_PAGE = 500
#: No segment is longer (core/config/schema.py: segment_s), with room for a late close.
_LONGEST_SEGMENT_US = 1_200_000_000
#: An alert is stored so long after its pictures at the most.
_ALERT_DELAY_US = 60_000_000
#: Segments that are looked at, at either end of what was deleted.
_LOOKED_AT = 50
_IN_FORCE = ("config", "trust_list")
_OF_THE_SPAN = ("clock_step", "tamper", "rebuild", "fault", "boot", "config")


class _Numbers(msgspec.Struct, frozen=True):
    """The first and last segment of a camera that the span touches."""

    camera_id: str
    first: int
    last: int


class _Segment(msgspec.Struct, frozen=True):
    row: int
    leaf: int
    boot_id: str
    t_first_mono_us: int
    t_end_mono_us: int


class ExportLeaves:
    """Collects them. Every method asks the store in short transactions."""

    def __init__(self, database: NodeDatabase) -> None:
        self._database = database

    def of(self, request: ExportRequest, spans: Iterable[Span], size: int) -> tuple[int, ...]:
        """Leaves below `size` of what concerns an export, ascending.

        Args:
            request: what was asked for.
            spans: of its hold.
            size: of the tree that they are proven by.

        Raises:
            EvidenceRefused: `segment_open`: one of its segments is still being written.
        """
        found: set[int] = set()
        segments: list[_Segment] = []
        for camera_id in request.cameras:
            segments += self._segments(camera_id, request, spans)
        leaves = [segment.leaf for segment in segments]
        found.update(leaves)
        found.update(self._about(about_segment(leaf) for leaf in leaves))
        found.update(self._alerts(request, segments))
        found.update(self._holds(request, segments))
        found.update(self._about([about_export(request.id)]))
        found.update(self._looks(request))
        found.update(self._gaps(request))
        found.update(self._of_node(request, leaves))
        return tuple(sorted(leaf for leaf in found if leaf < size))

    def _segments(
        self, camera_id: str, request: ExportRequest, spans: Iterable[Span]
    ) -> list[_Segment]:
        """Those of a camera that the span touches, and the next one: all of their numbers."""
        numbers = self._numbers(camera_id, request, spans)
        if numbers is None:
            return []
        found: list[_Segment] = []
        after = numbers.first - 1
        while True:
            with self._database.reading() as connection:
                page = connection.execute(
                    "SELECT number, row, leaf, boot_id, t_first_mono_us, t_end_mono_us"
                    " FROM segment WHERE camera_id = ? AND number > ? AND number <= ?"
                    " ORDER BY number LIMIT ?",
                    (camera_id, after, numbers.last + 1, _PAGE),
                ).fetchall()
            if not page:
                return found
            for number, row, leaf, *place in page:
                if leaf is None:
                    raise EvidenceRefused(
                        what=f"segment_open: segment {number} of {camera_id} is still written",
                        which=f"export {request.id}",
                        remedy="try again in some seconds: it closes by itself",
                    )
                found.append(_Segment(row, leaf, *place))
            after = page[-1][0]

    def _numbers(
        self, camera_id: str, request: ExportRequest, spans: Iterable[Span]
    ) -> _Numbers | None:
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
        return _Numbers(camera_id, min(numbers), max(numbers))

    def _about(self, subjects: Iterable[str]) -> Iterator[int]:
        pages = _pages(subjects)
        for page in pages:
            with self._database.reading() as connection:
                for subject in page:
                    yield from (
                        leaf
                        for (leaf,) in connection.execute(
                            "SELECT leaf FROM record_subject WHERE subject = ?", (subject,)
                        ).fetchall()
                    )

    def _alerts(self, request: ExportRequest, segments: list[_Segment]) -> Iterator[int]:
        """Alerts of the span, and those whose lock keeps any of it."""
        raised: set[str] = set()
        for camera_id, boot_id, first_us, end_us in _windows(request, segments):
            with self._database.reading() as connection:
                raised.update(
                    raised_id
                    for (raised_id,) in connection.execute(
                        "SELECT raised_id FROM lock INDEXED BY lock_time WHERE camera_id = ?"
                        " AND boot_id = ?"
                        " AND from_mono_us < ? AND to_mono_us > ?",
                        (camera_id, boot_id, end_us, first_us),
                    )
                )
        yield from self._about(about_alert(raised_id) for raised_id in sorted(raised))
        last_us = request.to_utc_us + _ALERT_DELAY_US
        yield from self._of_kind("alert", request.from_utc_us, last_us)

    def _holds(self, request: ExportRequest, segments: list[_Segment]) -> Iterator[int]:
        """Holds of the span: this export's own and those of persons, not other exports'."""
        hold_ids: set[str] = set()
        for camera_id, boot_id, first_us, end_us in _windows(request, segments):
            with self._database.reading() as connection:
                hold_ids.update(
                    hold_id
                    for (hold_id,) in connection.execute(
                        "SELECT DISTINCT hold_id FROM hold_span INDEXED BY hold_span_time"
                        " JOIN hold ON hold.row = hold_span.hold_row"
                        " WHERE camera_id = ? AND boot_id = ? AND from_mono_us < ?"
                        " AND to_mono_us > ? AND NOT EXISTS (SELECT 1 FROM export"
                        " WHERE export.hold_id = hold.hold_id AND export.id <> ?)",
                        (camera_id, boot_id, end_us, first_us, request.id),
                    )
                )
        yield from self._about(about_hold(hold_id) for hold_id in sorted(hold_ids))

    def _looks(self, request: ExportRequest) -> Iterator[int]:
        for camera_id in request.cameras:
            yield from self._covered(
                "SELECT leaf FROM record_look WHERE camera_id = ? AND to_utc_us > ?"
                " AND from_utc_us < ?",
                (camera_id, request.from_utc_us, request.to_utc_us),
            )

    def _gaps(self, request: ExportRequest) -> Iterator[int]:
        for camera_id in request.cameras:
            yield from self._covered(
                "SELECT leaf FROM gap INDEXED BY gap_time WHERE camera_id = ? AND to_utc_us >= ?"
                " AND from_utc_us <= ?",
                (camera_id, request.from_utc_us, request.to_utc_us),
            )

    def _covered(self, query: str, asked: tuple[str | int, ...]) -> list[int]:
        """What an index gives by itself: years of it in milliseconds."""
        with self._database.reading() as connection:
            return [int(leaf) for (leaf,) in connection.execute(query, asked)]

    def _of_node(self, request: ExportRequest, leaves: list[int]) -> Iterator[int]:
        """What was in force, from the boot before the first of it on."""
        first, last = min(leaves, default=0), max(leaves, default=0)
        begun = self._newest_before("boot", first)
        yield from begun
        for kind in _IN_FORCE:
            yield from self._newest_before(kind, first)
        since = begun[0] if begun else 0
        for kind in _OF_THE_SPAN:
            yield from self._between(kind, since, last)
            yield from self._of_kind(kind, request.from_utc_us, request.to_utc_us)
        yield from self._keys(first)
        yield from self._between("trust_list", since, None)

    def _keys(self, first: int) -> Iterator[int]:
        """Every key in force from the first leaf to now."""
        in_force: dict[str, int] = {}
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT leaf, json FROM record WHERE kind = 'key' ORDER BY leaf"
            ).fetchall()
        for leaf, json in found:
            body = msgspec.json.decode(json, type=Record).body
            if leaf < first and isinstance(body, KeyRecord):
                in_force[body.usage] = leaf
            else:
                yield leaf
        yield from in_force.values()

    def _newest_before(self, kind: str, leaf: int) -> tuple[int, ...]:
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT leaf FROM record WHERE kind = ? AND leaf <= ? ORDER BY leaf DESC LIMIT 1",
                (kind, leaf),
            ).fetchone()
        return () if found is None else (int(found[0]),)

    def _between(self, kind: str, first: int, last: int | None) -> Iterator[int]:
        after = first - 1
        while True:
            with self._database.reading() as connection:
                page = connection.execute(
                    "SELECT leaf FROM record INDEXED BY record_kind WHERE kind = ? AND leaf > ?"
                    " AND leaf <= ? ORDER BY leaf LIMIT ?",
                    (kind, after, 2**53 if last is None else last, _PAGE),
                ).fetchall()
            if not page:
                return
            yield from (int(leaf) for (leaf,) in page)
            after = int(page[-1][0])

    def _of_kind(self, kind: str, from_utc_us: int, to_utc_us: int) -> Iterator[int]:
        since = from_utc_us, -1
        while True:
            with self._database.reading() as connection:
                page = connection.execute(
                    "SELECT t_utc_us, leaf FROM record INDEXED BY record_time WHERE kind = ?"
                    " AND (t_utc_us, leaf) > (?, ?) AND t_utc_us <= ?"
                    " ORDER BY t_utc_us, leaf LIMIT ?",
                    (kind, *since, to_utc_us, _PAGE),
                ).fetchall()
            if not page:
                return
            yield from (int(leaf) for (_, leaf) in page)
            since = int(page[-1][0]), int(page[-1][1])


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


def _boots(segments: list[_Segment]) -> list[tuple[str, int, int]]:
    """Of each boot, from when to when there are segments."""
    found: dict[str, tuple[int, int]] = {}
    for one in segments:
        first_us, end_us = found.get(one.boot_id, (one.t_first_mono_us, one.t_end_mono_us))
        found[one.boot_id] = min(first_us, one.t_first_mono_us), max(end_us, one.t_end_mono_us)
    return [(boot_id, *window) for boot_id, window in found.items()]


def _windows(
    request: ExportRequest, segments: list[_Segment]
) -> Iterator[tuple[str, str, int, int]]:
    for camera_id in request.cameras:
        for boot_id, first_us, end_us in _boots(segments):
            yield camera_id, boot_id, first_us, end_us


def _pages(subjects: Iterable[str]) -> Iterator[list[str]]:
    page: list[str] = []
    for subject in subjects:
        page.append(subject)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
