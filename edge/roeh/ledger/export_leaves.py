"""Which records belong into a bundle: found by index, read in pages, nothing of other cases.

Each page is a transaction of its own, so that recording gets in between; what is appended
meanwhile is beyond the checkpoint that the bundle is proven by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from roeh.core.retrieval import ExportRequest
from roeh.ledger.database import NodeDatabase
from roeh.ledger.export_segments import ExportSegments, FoundSegments, Numbers
from roeh.ledger.record_places import about_alert, about_export, about_hold, about_segment
from roeh.ledger.records import KeyRecord, Record

_PAGE = 500
#: An alert is stored so long after its pictures at the most.
_ALERT_DELAY_US = 60_000_000
_IN_FORCE = ("config", "trust_list")
_OF_THE_SPAN = ("clock_step", "tamper", "rebuild", "fault", "boot", "config")


class FoundLeaves(msgspec.Struct, frozen=True):
    """Leaves of what concerns an export, ascending.

    Attributes:
        every: all of them.
        others: those that are neither of a segment nor of its deletion: they may name persons.
    """

    every: tuple[int, ...]
    others: tuple[int, ...]


class ExportLeaves:
    """Collects them. Every method asks the store in short transactions."""

    def __init__(self, database: NodeDatabase) -> None:
        self._database = database
        self._segments = ExportSegments(database)

    def of(self, request: ExportRequest, numbers: Iterable[Numbers], size: int) -> FoundLeaves:
        """Leaves below `size` of what concerns an export.

        Args:
            request: what was asked for.
            numbers: of its segments.
            size: of the tree that they are proven by.

        Raises:
            EvidenceRefused: `segment_open`: one of its segments is still being written.
        """
        segments = self._segments.read(request.id, numbers)
        others: set[int] = set()
        others.update(self._alerts(request, segments))
        others.update(self._holds(request, segments))
        others.update(self._about([about_export(request.id)]))
        if request.kind == "full":
            others.update(self._looks(request))
        others.update(self._gaps(request))
        others.update(self._gaps_between(request, segments))
        others.update(self._of_node(request, segments))
        every = set(segments.leaves)
        every.update(self._about(map(about_segment, segments.deleted)))
        return FoundLeaves(_below(size, every | others), _below(size, others))

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

    def _alerts(self, request: ExportRequest, segments: FoundSegments) -> Iterator[int]:
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

    def _holds(self, request: ExportRequest, segments: FoundSegments) -> Iterator[int]:
        """Holds of the span: this export's own and those of persons, not other exports'.

        Of a redacted copy, which strangers are to read, its own alone: who else held or looked
        at the originals, and for which case, stays with them.
        """
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
                        " WHERE export.hold_id = hold.hold_id AND export.id <> ?)"
                        " AND (? OR EXISTS (SELECT 1 FROM export"
                        " WHERE export.hold_id = hold.hold_id))",
                        (
                            camera_id,
                            boot_id,
                            end_us,
                            first_us,
                            request.id,
                            request.kind == "full",
                        ),
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

    def _gaps_between(self, request: ExportRequest, segments: FoundSegments) -> Iterator[int]:
        """Gaps between its segments, whatever UTC says: a clock may have been stepped."""
        first, last = min(segments.leaves, default=0), max(segments.leaves, default=-1)
        for camera_id in request.cameras:
            yield from self._covered(
                "SELECT leaf FROM gap WHERE camera_id = ? AND leaf > ? AND leaf < ?",
                (camera_id, first, last),
            )

    def _covered(self, query: str, asked: tuple[str | int, ...]) -> list[int]:
        """What an index gives by itself: years of it in milliseconds."""
        with self._database.reading() as connection:
            return [int(leaf) for (leaf,) in connection.execute(query, asked)]

    def _of_node(self, request: ExportRequest, segments: FoundSegments) -> Iterator[int]:
        """What was in force, from the boot before the first of it on."""
        first = min(segments.leaves, default=0)
        last = max(segments.leaves, default=0)
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


def _windows(
    request: ExportRequest, segments: FoundSegments
) -> Iterator[tuple[str, str, int, int]]:
    for camera_id in request.cameras:
        for boot_id, (first_us, end_us) in segments.windows.items():
            yield camera_id, boot_id, first_us, end_us


def _below(size: int, leaves: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(leaf for leaf in leaves if leaf < size))


def _pages(subjects: Iterable[str]) -> Iterator[list[str]]:
    page: list[str] = []
    for subject in subjects:
        page.append(subject)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
