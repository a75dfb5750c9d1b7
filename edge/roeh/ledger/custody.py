"""What evidence answers to whoever looks after it: pages of the index, holds, the audit.

A page holds at most as many rows as were asked for, and fewer where they are large; the end
is an empty page. No page keeps the store for longer than 50 ms on a board.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from roeh.core.config import EvidenceSection
from roeh.core.custody import (
    EvidenceStatus,
    FragmentRow,
    GapRow,
    GapsPage,
    HoldRow,
    HoldsPage,
    HoldState,
    LocksPage,
    PageRequest,
    PlaceHold,
    RecordAccess,
    RecordsPage,
    RecordsRequest,
    ReleaseHold,
    SegmentRow,
    SegmentsPage,
    SegmentsRequest,
    Span,
)
from roeh.core.peers import Done, Verb
from roeh.core.retrieval import EraseName, ExportsPage, ExportsRequest, Names, NamesRequest
from roeh.ledger.age import NodeAge
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.erasing import erase_name
from roeh.ledger.export_rows import exports_after
from roeh.ledger.holds import Holds
from roeh.ledger.kept import held_bytes, held_within, locked_bytes, locked_within, ring_size
from roeh.ledger.locks import Locks
from roeh.ledger.log import Log
from roeh.ledger.names import NameBook, typed
from roeh.ledger.records import AccessRecord
from roeh.ledger.segments import segment_path

#: Beside the bound of rows, so that a page stays far below a message's bound.
_MAX_PAGE_FRAGMENTS = 4000
_MAX_PAGE_RECORD_BYTES = 4 * 1024 * 1024

# Any request of the table: each entry stands for one type of it.
Answerer = Callable[[Any], msgspec.Struct]


class CustodyParts(msgspec.Struct, frozen=True):
    """What custody asks.

    Attributes:
        checkpoint: the newest signed note that may leave the pole.
        alarms: what a person should know of the recording, a line each.
    """

    database: NodeDatabase
    log: Log
    age: NodeAge
    locks: Locks
    holds: Holds
    names: NameBook
    settings: EvidenceSection
    segments_dir: Path
    checkpoint: Callable[[], str | None]
    alarms: Callable[[], tuple[str, ...]]


class Custody:
    """The verbs of Role.CUSTODY but `node.status`. Safe to call from several threads."""

    def __init__(self, parts: CustodyParts) -> None:
        self._parts = parts
        self.answerers: dict[Verb, Answerer] = {
            Verb.SEGMENTS_PAGE: self._segments,
            Verb.GAPS_PAGE: self._gaps,
            Verb.LOCKS_PAGE: self._locks,
            Verb.HOLDS_PAGE: self._holds,
            Verb.RECORDS_PAGE: self._records,
            Verb.HOLD_PLACE: self._place,
            Verb.HOLD_RELEASE: self._release,
            Verb.ACCESS_RECORD: self._record_access,
            Verb.EVIDENCE_STATUS: lambda _: self.status(),
            Verb.EXPORTS_PAGE: self._exports,
            Verb.NAMES_READ: self._names,
            Verb.NAME_ERASE: self._erase,
        }

    def handle(self, verb: Verb, request: msgspec.Struct) -> msgspec.Struct:
        """Do what was asked, durably where the verb says so, and answer.

        Raises:
            RoehError: what the peer is told instead.
        """
        return self.answerers[verb](request)

    def _segments(self, request: SegmentsRequest) -> SegmentsPage:
        with self._parts.database.reading() as connection:
            rows = _segment_rows(connection, request)
            rows = _up_to(rows, _MAX_PAGE_FRAGMENTS, lambda row: row[-1])
            windows = _windows(rows)
            locked = locked_within(connection, windows)
            held = held_within(connection, windows)
            fragments = {row[0]: _fragments(connection, row[0]) for row in rows}
        return SegmentsPage(
            tuple(
                _segment(
                    row,
                    fragments[row[0]],
                    locked=locked.keep(row[1], *row[3:6]),
                    held=held.keep(row[1], *row[3:6]),
                )
                for row in rows
            )
        )

    def _gaps(self, request: PageRequest) -> GapsPage:
        with self._parts.database.reading() as connection:
            rows = connection.execute(_GAPS, (request.after, request.limit)).fetchall()
        return GapsPage(tuple(GapRow(*row) for row in rows))

    def _locks(self, request: PageRequest) -> LocksPage:
        locks = self._parts.locks.page(after=request.after, limit=request.limit)
        return LocksPage(age_us=self._parts.age.now_us(), locks=locks)

    def _holds(self, request: PageRequest) -> HoldsPage:
        page = self._parts.holds.page(after=request.after, limit=request.limit)
        return HoldsPage(self.named(*page))

    def named(self, *holds: HoldRow) -> tuple[HoldRow, ...]:
        """The same holds with persons by name, where it is known."""
        persons = {person for hold in holds for person in (hold.person, hold.release_asked_by)}
        names = self._parts.names.read(person for person in persons if person) if persons else {}
        return tuple(
            msgspec.structs.replace(
                hold,
                person=names.get(hold.person, hold.person),
                release_asked_by=None
                if hold.release_asked_by is None
                else names.get(hold.release_asked_by, hold.release_asked_by),
            )
            for hold in holds
        )

    def _records(self, request: RecordsRequest) -> RecordsPage:
        first = request.after + 1
        log = self._parts.log
        with self._parts.database.reading() as connection:
            if request.kinds:
                records = log.records_of(connection, request.kinds, first, request.limit)
            else:
                records = log.records(connection, first, request.limit)
            size = log.size(connection)
        whole = _up_to(records, _MAX_PAGE_RECORD_BYTES, len)
        return RecordsPage(first=first, size=size, records=tuple(whole))

    def _place(self, request: PlaceHold) -> HoldState:
        wanted = msgspec.structs.replace(request, person=self._typed(request.person))
        return HoldState(*self.named(self._parts.holds.place(wanted)))

    def _release(self, request: ReleaseHold) -> HoldState:
        wanted = msgspec.structs.replace(request, person=self._typed(request.person))
        return HoldState(*self.named(self._parts.holds.release(wanted)))

    def _typed(self, person: str) -> str:
        """The pseudonym of a name typed at the pole."""
        return self._parts.names.pseudonym(typed(person))

    def _exports(self, request: ExportsRequest) -> ExportsPage:
        with self._parts.database.reading() as connection:
            return ExportsPage(exports_after(connection, request))

    def _names(self, request: NamesRequest) -> Names:
        return Names(self._parts.names.read(request.pseudonyms))

    def _erase(self, request: EraseName) -> Done:
        parts = self._parts
        erase_name(parts.database, parts.log, parts.names, request.pseudonym, request.reason)
        return Done()

    def _record_access(self, request: RecordAccess) -> Done:
        record = AccessRecord(
            person=self._typed(request.person), action=request.action, detail=request.detail
        )
        with self._parts.database.writing() as connection:
            self._parts.log.append(connection, record)
        return Done()

    def gaps(self) -> int:
        """How many stretches of which nothing is recorded the ledger tells of."""
        with self._parts.database.reading() as connection:
            return int(connection.execute("SELECT COUNT(*) FROM gap").fetchone()[0])

    def status(self) -> EvidenceStatus:
        """How recording is."""
        parts = self._parts
        with storage_errors(parts.segments_dir):
            disk = os.statvfs(parts.segments_dir)
        with parts.database.reading() as connection:
            ledger_size = parts.log.size(connection)
            written = connection.execute(
                "SELECT name, value FROM counter WHERE name GLOB 'bytes_*'"
            ).fetchall()
            segments, segments_bytes = ring_size(connection)
        # One after the other, so that recording gets in between.
        with parts.database.reading() as connection:
            locked = locked_bytes(connection)
        with parts.database.reading() as connection:
            held = held_bytes(connection)
        return EvidenceStatus(
            age_us=parts.age.now_us(),
            segments=segments,
            segments_bytes=segments_bytes,
            locked_bytes=locked,
            held_bytes=held,
            max_bytes=parts.settings.max_bytes,
            free_bytes=disk.f_bavail * disk.f_frsize,
            ledger_size=ledger_size,
            checkpoint=parts.checkpoint(),
            bytes_written={name.removeprefix("bytes_"): value for name, value in written},
            alarms=parts.alarms(),
        )


_SEGMENTS = (
    "SELECT row, camera_id, number, boot_id, t_first_mono_us, t_end_mono_us, t_utc_us,"
    " utc_error_us, synchronised, size_bytes, end_reason, leaf, state, fragments"
    " FROM segment WHERE"
)
_GAPS = (
    "SELECT leaf, camera_id, from_boot_id, from_mono_us, from_utc_us, to_boot_id, to_mono_us,"
    " to_utc_us, reason FROM gap WHERE leaf > ? ORDER BY leaf LIMIT ?"
)


def _segment_rows(
    connection: sqlite3.Connection, request: SegmentsRequest
) -> list[tuple[Any, ...]]:
    """Each way by an index of its own: it costs what it gives, however much was deleted."""
    after, limit = request.after, request.limit
    if request.camera_id:
        where = "camera_id = ? AND number = ? AND row > ?"
        return connection.execute(
            f"{_SEGMENTS} {where}", (request.camera_id, request.segment, after)
        ).fetchall()
    if request.which == "any":
        where = "row > ? ORDER BY row LIMIT ?"
        return connection.execute(f"{_SEGMENTS} {where}", (after, limit)).fetchall()
    if request.which == "present":
        where = "state = ? AND row > ? AND t_utc_us >= ? AND t_utc_us < ? ORDER BY row LIMIT ?"
        since_us, until_us = request.since_utc_us, request.until_utc_us
        of_state = (
            connection.execute(f"{_SEGMENTS} {where}", (state, after, since_us, until_us, limit))
            for state in ("open", "closed")
        )
        return list(itertools.islice(heapq.merge(*of_state), limit))
    known = connection.execute("SELECT t_utc_us FROM segment WHERE row = ?", (after,)).fetchone()
    since_us = request.since_utc_us if known is None else known[0]
    where = "state = 'pruned' AND (t_utc_us, row) > (?, ?) AND t_utc_us < ?"
    select = _SEGMENTS.replace("FROM segment", "FROM segment INDEXED BY segment_pruned")
    return connection.execute(
        f"{select} {where} ORDER BY t_utc_us, row LIMIT ?",
        (since_us, after, request.until_utc_us, limit),
    ).fetchall()


def _segment(
    row: tuple[Any, ...], fragments: tuple[FragmentRow, ...], *, locked: bool, held: bool
) -> SegmentRow:
    is_present = row[12] in ("open", "closed")
    return SegmentRow(
        row=row[0],
        camera_id=row[1],
        segment=row[2],
        path=segment_path(row[1], row[2]),
        boot_id=row[3],
        t_first_mono_us=row[4],
        t_end_mono_us=row[5],
        t_utc_us=row[6],
        utc_error_us=row[7],
        synchronised=bool(row[8]),
        size_bytes=row[9],
        end_reason=row[10],
        leaf=row[11],
        is_present=is_present,
        locked=locked and is_present,
        held=held and is_present,
        fragments=fragments,
    )


def _fragments(connection: sqlite3.Connection, segment_row: int) -> tuple[FragmentRow, ...]:
    rows = connection.execute(
        "SELECT offset_bytes, size_bytes, lower(hex(sha256)), gop_counter, t_first_mono_us,"
        " t_end_mono_us FROM fragment WHERE segment_row = ? ORDER BY number",
        (segment_row,),
    )
    return tuple(FragmentRow(*row) for row in rows)


def _windows(rows: list[tuple[Any, ...]]) -> list[Span]:
    """The time that segments take, one window a camera and boot."""
    windows: dict[tuple[str, str], Span] = {}
    for row in rows:
        camera_id, boot_id, first_us, end_us = row[1], row[3], row[4], row[5]
        known = windows.get((camera_id, boot_id))
        if known is not None:
            first_us, end_us = min(first_us, known.from_mono_us), max(end_us, known.to_mono_us)
        windows[camera_id, boot_id] = Span(camera_id, boot_id, first_us, end_us)
    return list(windows.values())


def _up_to(rows: list[Any], bound: int, size: Callable[[Any], int]) -> list[Any]:
    """The first of the rows, one at least, that together stay within the bound."""
    total = 0
    for count, row in enumerate(rows):
        total += size(row)
        if total > bound and count:
            return rows[:count]
    return rows
