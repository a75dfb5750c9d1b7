"""The ring of segments: what is deleted, when, and in which durable order.

Invariants:
    1. What an active lock or hold overlaps is not deleted; nor is a segment being written.
    2. Before a file goes, its prune record is durable. A crash between two steps is taken up
       at the next start (`replay_garbage`).
    3. What goes is the oldest in the order of the index. No clock decides: age is the time
       that the node ran.
    4. When only locked and held video is left and there is no room, locks give way, lowest
       priority first; holds never do.

Order of a deletion: (1) one transaction: prune record, state garbage; then the record into the
mirror, if that has room; (2) unlink, fsync of the directory;
(3) one transaction: state pruned, rows of its fragments dropped.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Literal

import msgspec

from roeh.core.config import EvidenceSection
from roeh.core.errors import StorageFailed, StorageFull
from roeh.ledger.age import US_PER_DAY, NodeAge
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.holds import Holds
from roeh.ledger.kept import CLOSED_IN_SPAN, IS_HELD, IS_LOCKED, kept_spans, ring_size
from roeh.ledger.locks import Locks
from roeh.ledger.log import Log
from roeh.ledger.records import PruneRecord
from roeh.ledger.segments import SegmentFiles

Reason = Literal["full", "age", "disk_full"]

#: Segments looked at in one go: a few milliseconds.
_PAGE_ROWS = 2000


class RingState(msgspec.Struct, frozen=True):
    """The ring after room was made.

    Attributes:
        has_room: what was asked for fits now.
        pruned: segments deleted by this call.
        alarms: what a person should know, each one clear line.
    """

    segments_bytes: int
    free_bytes: int
    has_room: bool
    pruned: int
    alarms: tuple[str, ...]


class _Victim(msgspec.Struct, frozen=True):
    """A closed segment that nothing keeps."""

    row: int
    camera_id: str
    number: int
    leaf: int
    size_bytes: int
    began_age_us: int


class Retention:
    """Deletes what has to go. Safe to call from several threads, never inside a transaction.

    Args:
        mirror: brings records into the ledger's files, so that whoever misses a file, or
            rebuilds without node.db, reads there that it went by rule.
        free_bytes: what the file system of the segments has left; asked of it by default.
    """

    def __init__(
        self,
        database: NodeDatabase,
        log: Log,
        age: NodeAge,
        files: SegmentFiles,
        settings: EvidenceSection,
        *,
        locks: Locks,
        holds: Holds,
        mirror: Callable[[], object] = lambda: None,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._database = database
        self._log = log
        self._age = age
        self._files = files
        self._settings = settings
        self._locks = locks
        self._holds = holds
        self._mirror = mirror
        self._free_bytes = self._ask_free_bytes if free_bytes is None else free_bytes
        self._lock = threading.RLock()
        # A heap of rows that nothing kept when they were looked at, and up to which row that
        # was done; what locks and holds let go is added. Asked again exactly before deletion.
        self._plain: list[int] = []
        self._looked_at_row = -1
        self._open_rows: set[int] = set()

    def replay_garbage(self) -> int:
        """Finish deletions that were begun; how many.

        Raises:
            StorageFull, StorageFailed: the rest waits for the next call.
        """
        with self._lock:
            with self._database.reading() as connection:
                begun = connection.execute(
                    "SELECT row, camera_id, number FROM segment WHERE state = 'garbage'"
                    " ORDER BY row"
                ).fetchall()
            for row, camera_id, number in begun:
                self._remove(row, camera_id, number)
            return len(begun)

    def make_room(self, needed_bytes: int) -> RingState:
        """Delete, oldest first, until `needed_bytes` more fit into the ring and on the disk.

        Raises:
            StorageFull, StorageFailed: a record could not be stored, or a file not removed.
        """
        with self._lock:
            self.replay_garbage()
            return self._make_room(needed_bytes)

    def sweep(self) -> RingState:
        """What time brings: locks expire, locks keep to their share, old segments go.

        Raises:
            StorageFull, StorageFailed: the rest waits for the next call.
        """
        with self._lock:
            self.replay_garbage()
            self._locks.expire()
            alarm = self._locks.enforce_share().alarm
            aged = self._prune_aged()
            state = self._make_room(0)
        return msgspec.structs.replace(
            state,
            pruned=state.pruned + aged,
            alarms=((alarm, *state.alarms) if alarm else state.alarms),
        )

    def _make_room(self, needed_bytes: int) -> RingState:
        with self._database.reading() as connection:
            _, size_bytes = ring_size(connection)
        pruned = gave_way = 0
        while True:
            free_bytes = self._free_bytes()
            reason = self._why(size_bytes + needed_bytes, free_bytes - needed_bytes)
            if reason is None:
                break
            victim = self._oldest_plain()
            if victim is None:
                if not self._locks.release_lowest():
                    break
                gave_way += 1
            elif self._prune(victim, reason):
                size_bytes -= victim.size_bytes
                pruned += 1
        return RingState(
            segments_bytes=size_bytes,
            free_bytes=free_bytes,
            has_room=reason is None,
            pruned=pruned,
            alarms=_alarms(gave_way, has_room=reason is None),
        )

    def _why(self, size_bytes: int, free_bytes: int) -> Reason | None:
        """Why something has to go; None: it need not."""
        if size_bytes > self._settings.max_bytes:
            return "full"
        return "disk_full" if free_bytes < self._settings.min_free_bytes else None

    def _prune_aged(self) -> int:
        oldest_us = self._age.now_us() - round(self._settings.max_age_days * US_PER_DAY)
        pruned = 0
        while (victim := self._oldest_plain()) is not None and victim.began_age_us < oldest_us:
            pruned += self._prune(victim, "age")
        return pruned

    def _oldest_plain(self) -> _Victim | None:
        """The oldest closed segment that nothing keeps."""
        self._look_again()
        while True:
            while self._plain:
                with self._database.reading() as connection:
                    victim = _victim(connection, self._plain[0])
                if victim is not None:
                    return victim
                heapq.heappop(self._plain)
            if not self._look_on():
                return None

    def _look_on(self) -> bool:
        """Look at the next closed segments of the index; False when there are none."""
        with self._database.reading() as connection:
            rows = connection.execute(_CLOSED_AFTER, (self._looked_at_row, _PAGE_ROWS)).fetchall()
            opened = connection.execute("SELECT row FROM segment WHERE state = 'open'").fetchall()
            spans = kept_spans(connection)
        self._open_rows.update(row for (row,) in opened)
        for row, camera_id, boot_id, t_first_us, t_end_us in rows:
            if not spans.keep(camera_id, boot_id, t_first_us, t_end_us):
                heapq.heappush(self._plain, row)
            self._looked_at_row = row
        return bool(rows)

    def _look_again(self) -> None:
        """At what was let go, and at what was being written; another may keep it still."""
        freed = (*self._locks.take_freed(), *self._holds.take_freed())
        rows = list(self._open_rows)
        with self._database.reading() as connection:
            for span in freed:
                found = connection.execute(
                    _CLOSED_IN,
                    (span.camera_id, span.boot_id, span.from_mono_us, span.to_mono_us),
                )
                rows.extend(row for (row,) in found)
            opened = connection.execute("SELECT row FROM segment WHERE state = 'open'").fetchall()
        self._open_rows = {row for (row,) in opened}
        for row in rows:
            # What was not looked at yet comes in its turn.
            if row not in self._open_rows and row <= self._looked_at_row:
                heapq.heappush(self._plain, row)

    def _prune(self, victim: _Victim, reason: Reason) -> bool:
        """Delete one; False when something keeps it by now."""
        with self._database.writing() as connection:
            # Once more, under the lock that every alert and hold takes.
            if _victim(connection, victim.row) is None:
                return False
            record = PruneRecord(
                row=victim.row,
                camera_id=victim.camera_id,
                segment=victim.number,
                segment_leaf=victim.leaf,
                reason=reason,
            )
            self._log.append(connection, record)
            connection.execute("UPDATE segment SET state = 'garbage' WHERE row = ?", (victim.row,))
        # On a full disk the deletion makes the room that the mirror waits for.
        with contextlib.suppress(StorageFull, StorageFailed):
            self._mirror()
        self._remove(victim.row, victim.camera_id, victim.number)
        return True

    def _remove(self, row: int, camera_id: str, number: int) -> None:
        """Steps 2 and 3."""
        self._files.delete(camera_id, number)
        with self._database.writing() as connection:
            connection.execute("UPDATE segment SET state = 'pruned' WHERE row = ?", (row,))
            connection.execute("DELETE FROM fragment WHERE segment_row = ?", (row,))

    def _ask_free_bytes(self) -> int:
        with storage_errors(self._files.directory):
            found = os.statvfs(self._files.directory)
        return found.f_bavail * found.f_frsize


_CLOSED_AFTER = (
    "SELECT row, camera_id, boot_id, t_first_mono_us, t_end_mono_us FROM segment"
    " WHERE state = 'closed' AND row > ? ORDER BY row LIMIT ?"
)

_CLOSED_IN = "SELECT row FROM segment WHERE" + CLOSED_IN_SPAN.format(  # noqa: S608 - constants
    camera="?1", boot="?2", start="?3", to="?4"
)


def _victim(connection: sqlite3.Connection, row: int) -> _Victim | None:
    """The segment of that row, if it is closed and nothing keeps it."""
    found = connection.execute(
        "SELECT row, camera_id, number, leaf, size_bytes, began_age_us FROM segment"  # noqa: S608 - constants
        f" WHERE row = ? AND state = 'closed' AND NOT {IS_LOCKED} AND NOT {IS_HELD}",
        (row,),
    ).fetchone()
    return None if found is None else _Victim(*found)


def _alarms(gave_way: int, *, has_room: bool) -> tuple[str, ...]:
    alarms: list[str] = []
    if gave_way:
        alarms.append(
            f"only locked and held video was left: {gave_way} locks gave way;"
            " free space, or raise evidence.max_bytes"
        )
    if not has_room:
        alarms.append(
            "no room for video and nothing left that may be deleted;"
            " free space, release holds, or raise evidence.max_bytes, which has to hold"
            " several segments"
        )
    return tuple(alarms)
