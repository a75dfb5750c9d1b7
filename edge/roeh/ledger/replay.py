"""The index out of the ledger: every row that the records tell, for a rebuild.

What no record holds is not restored: the alerts' messages (their hashes are in the ledger),
the outbox, and the counts of pictures in a run of capture.
"""

from __future__ import annotations

import sqlite3

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.ledger.database import NodeDatabase
from roeh.ledger.holds import RELEASE_ASKED, RELEASED, insert_hold
from roeh.ledger.locks import store_lock
from roeh.ledger.log import log_size
from roeh.ledger.records import (
    ALERT_SEQ_MARGIN,
    AlertRecord,
    BootRecord,
    EvictionRecord,
    GapRecord,
    HoldRecord,
    LockRecord,
    PruneRecord,
    Record,
    ReleaseRecord,
    SegmentRecord,
    UnlockRecord,
)
from roeh.ledger.segment_rows import count_bytes, insert_gap

_BATCH = 1000
_US_PER_S = NS_PER_S // NS_PER_US


class Instant(msgspec.Struct, frozen=True):
    """One time on the scales of one boot."""

    boot_id: str
    t_mono_us: int
    t_utc_us: int


class Replayed(msgspec.Struct, frozen=True):
    """What the records gave.

    Attributes:
        segments: that have a record and were not pruned.
        lost: paths of those of them that have no file.
        newest: of each camera, its newest segment, pruned or not.
        age_us: the least that the node has run.
        last: when the newest record was written; None without records.
    """

    segments: int
    lost: tuple[str, ...]
    newest: tuple[SegmentRecord, ...]
    age_us: int
    last: Instant | None


class Replay:
    """Writes the rows of all records, which are in the database already.

    Args:
        present: camera and number of every segment file that is there.
    """

    def __init__(self, database: NodeDatabase, present: frozenset[tuple[str, int]]) -> None:
        self._database = database
        self._present = present
        self._alerts: dict[str, _LockingAlert] = {}
        self._newest: dict[str, SegmentRecord] = {}
        self._begun = 0
        self._last_alert = 0
        self._age_us = 0
        self._t_newest_utc_us = 0
        self._last: Instant | None = None

    def run(self) -> Replayed:
        """All rows; the count of alerts is ahead of every alert that can have been stored.

        Raises:
            StorageFull, StorageFailed: the new database cannot be written.
        """
        with self._database.reading() as connection:
            size = log_size(connection)
            self._read_alerts(connection)
        for first in range(0, size, _BATCH):
            with self._database.writing() as connection:
                for (json,) in connection.execute(
                    "SELECT json FROM record WHERE leaf >= ? AND leaf < ? ORDER BY leaf",
                    (first, first + _BATCH),
                ).fetchall():
                    self._apply(connection, msgspec.json.decode(json, type=Record))
        with self._database.writing() as connection:
            self._set_counters(connection)
            segments, lost = self._compare_files(connection)
        return Replayed(
            segments=segments,
            lost=lost,
            newest=tuple(self._newest.values()),
            age_us=self._age_us,
            last=self._last,
        )

    def _read_alerts(self, connection: sqlite3.Connection) -> None:
        """A lock's row names its first alert: its record may stand on either side."""
        for (json,) in connection.execute(
            "SELECT json FROM record WHERE kind IN ('alert', 'eviction') ORDER BY leaf"
        ):
            body = msgspec.json.decode(json, type=Record).body
            if isinstance(body, AlertRecord):
                self._last_alert = max(self._last_alert, body.seq)
                known = self._alerts.get(body.raised_id)
                self._alerts[body.raised_id] = _LockingAlert(
                    seq=body.seq if known is None else known.seq,
                    priority=max(body.priority, 0 if known is None else known.priority),
                )
            elif isinstance(body, EvictionRecord):
                self._last_alert = max(self._last_alert, body.seq)

    def _apply(self, connection: sqlite3.Connection, record: Record) -> None:
        """The rows of one record."""
        self._t_newest_utc_us = max(self._t_newest_utc_us, record.t_utc_us)
        self._last = Instant(record.boot_id, record.t_mono_us, record.t_utc_us)
        match record.body:
            case SegmentRecord() as segment:
                lasted_us = segment.t_end_mono_us - segment.t_first_mono_us
                self._age_us = max(self._age_us, segment.began_age_us + lasted_us)
                _insert_segment(connection, segment, record.leaf)
                known = self._newest.get(segment.camera_id)
                if known is None or known.segment < segment.segment:
                    self._newest[segment.camera_id] = segment
            case PruneRecord() as prune:
                self._prune(connection, prune)
            case GapRecord() as gap:
                insert_gap(connection, gap, record.leaf)
            case LockRecord() as lock:
                alert = self._alerts.get(lock.raised_id, _LockingAlert(seq=0, priority=1))
                store_lock(connection, lock, alert_seq=alert.seq, priority=alert.priority)
            case UnlockRecord() as unlock:
                connection.execute(
                    "UPDATE lock SET state = ? WHERE raised_id = ? AND state = 'active'",
                    (unlock.reason, unlock.raised_id),
                )
            case HoldRecord() as hold:
                insert_hold(connection, hold, t_utc_us=record.t_utc_us)
            case ReleaseRecord() as release:
                _release(connection, release)
            case BootRecord():
                self._begun += 1
            case _:
                pass  # it stands in the ledger only

    def _prune(self, connection: sqlite3.Connection, prune: PruneRecord) -> None:
        """A file that is still there is garbage, which the next start removes."""
        is_present = (prune.camera_id, prune.segment) in self._present
        connection.execute(
            "UPDATE segment SET state = ? WHERE row = ?",
            ("garbage" if is_present else "pruned", prune.row),
        )
        if not is_present:
            connection.execute("DELETE FROM fragment WHERE segment_row = ?", (prune.row,))

    def _set_counters(self, connection: sqlite3.Connection) -> None:
        """Counters that must never go back."""
        counters = {
            "alert": self._last_alert + ALERT_SEQ_MARGIN,
            "evidence_start": self._begun,
            # No node connects more than once a second, so that this is more than ever was.
            "connection": self._t_newest_utc_us // _US_PER_S,
            # Nor does a desk give orders as often; processes know the rows of those before.
            "command": self._t_newest_utc_us // _US_PER_S,
            "answer": self._t_newest_utc_us // _US_PER_S,
        }
        connection.executemany("INSERT INTO counter (name, value) VALUES (?, ?)", counters.items())
        (written,) = connection.execute("SELECT SUM(size_bytes) FROM segment").fetchone()
        count_bytes(connection, "video", int(written or 0))

    def _compare_files(self, connection: sqlite3.Connection) -> tuple[int, tuple[str, ...]]:
        rows = connection.execute(
            "SELECT camera_id, number FROM segment WHERE state = 'closed' ORDER BY row"
        ).fetchall()
        lost = tuple(
            f"{camera_id}/{number:08d}.mp4"
            for camera_id, number in rows
            if (camera_id, number) not in self._present
        )
        return len(rows), lost


class _LockingAlert(msgspec.Struct, frozen=True):
    """The first message of an alert, and its highest priority."""

    seq: int
    priority: int


def _insert_segment(connection: sqlite3.Connection, segment: SegmentRecord, leaf: int) -> None:
    connection.execute(
        "INSERT INTO segment (row, camera_id, number, state, capture_id, boot_id,"
        " t_first_mono_us, t_end_mono_us, t_utc_us, utc_error_us, synchronised, began_age_us,"
        " codec, width_px, height_px, is_masked, init_bytes, init_sha256, size_bytes, fragments,"
        " sha256, end_reason, leaf)"
        " VALUES (?, ?, ?, 'closed', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            segment.row,
            segment.camera_id,
            segment.segment,
            segment.capture_id,
            segment.boot_id,
            segment.t_first_mono_us,
            segment.t_end_mono_us,
            segment.t_utc_us,
            segment.utc_error_us,
            segment.synchronised,
            segment.began_age_us,
            segment.codec,
            segment.width_px,
            segment.height_px,
            segment.is_masked,
            segment.init_bytes,
            bytes.fromhex(segment.init_sha256),
            segment.size_bytes,
            len(segment.fragments),
            bytes.fromhex(segment.sha256),
            segment.end_reason,
            leaf,
        ),
    )
    offset_bytes = segment.init_bytes
    ends_us = [entry.t_first_mono_us for entry in segment.fragments[1:]] + [segment.t_end_mono_us]
    for number, (entry, t_end_mono_us) in enumerate(zip(segment.fragments, ends_us, strict=True)):
        connection.execute(
            "INSERT INTO fragment (segment_row, number, capture_seq, offset_bytes, size_bytes,"
            " sha256, gop_counter, t_first_mono_us, t_end_mono_us)"
            " VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?)",
            (
                segment.row,
                number,
                offset_bytes,
                entry.size_bytes,
                bytes.fromhex(entry.sha256),
                entry.gop_counter,
                entry.t_first_mono_us,
                t_end_mono_us,
            ),
        )
        offset_bytes += entry.size_bytes


def _release(connection: sqlite3.Connection, release: ReleaseRecord) -> None:
    if release.step == "asked":
        connection.execute(
            "UPDATE hold SET state = ?, release_asked_by = ? WHERE hold_id = ?",
            (RELEASE_ASKED, release.person, release.hold_id),
        )
        return
    connection.execute("UPDATE hold SET state = ? WHERE hold_id = ?", (RELEASED, release.hold_id))
    connection.execute(
        "UPDATE hold_span SET is_active = 0"
        " WHERE hold_row = (SELECT row FROM hold WHERE hold_id = ?)",
        (release.hold_id,),
    )
