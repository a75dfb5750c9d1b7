"""Locks: what alerts keep, for a time and up to a share of the ring.

Invariants:
    1. A lock is made or widened in the transaction that stores its alert. It is a span of
       time, so that it covers what is recorded later.
    2. An alert widens its lock, up to a longest span, and never narrows it: one that does not
       end must not take all that there is. Only age or want of room ends one, and
       each end is a record.
    3. Locks that take more than their share give way lowest priority first, oldest first; a
       lock that gave way is not made again by the same alert.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import Final, Literal

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.config import EvidenceSection
from roeh.core.custody import LockRow, Span
from roeh.core.types import Alert, ClearedBy
from roeh.ledger.age import US_PER_DAY, NodeAge
from roeh.ledger.database import NodeDatabase
from roeh.ledger.kept import CLOSED_IN_SPAN, IS_HELD, locked_bytes
from roeh.ledger.log import Log
from roeh.ledger.records import LockRecord, UnlockRecord

ACTIVE: Final = "active"
EXPIRED: Final = "expired"
RELEASED: Final = "released"

#: Share of the locks' share from which it is said aloud.
ALARM_SHARE = 0.8

_US_PER_S = NS_PER_S // NS_PER_US


class LockedShare(msgspec.Struct, frozen=True):
    """How much the locks keep of what they may. `alarm` is one clear line, or empty."""

    locked_bytes: int
    cap_bytes: int
    released: int
    alarm: str


class Locks:
    """The locks of a node; `on_alert` is an AlertWitness. Safe to call from several threads."""

    def __init__(
        self, database: NodeDatabase, log: Log, age: NodeAge, settings: EvidenceSection
    ) -> None:
        self._database = database
        self._log = log
        self._age = age
        self._pre_us = round(settings.pre_roll_s * _US_PER_S)
        self._post_us = round(settings.post_roll_s * _US_PER_S)
        self._longest_us = round(settings.lock_max_s * _US_PER_S)
        self._kept_us = round(settings.lock_days * US_PER_DAY)
        self._cap_bytes = int(settings.max_locked_share * settings.max_bytes)
        self._freed: deque[Span] = deque()

    def on_alert(self, connection: sqlite3.Connection, alert: Alert) -> None:
        """Lock what the alert rests on, in the transaction that stores it."""
        if alert.cleared_by is ClearedBy.RESTART:
            return  # it rests on no picture
        self._age.advance(connection)
        seen = alert.evidence
        wanted = LockRecord(
            raised_id=alert.raised_id,
            camera_id=seen.camera_id,
            boot_id=alert.boot_id,
            from_mono_us=max(0, min(seen.first_t_mono_us, seen.last_t_mono_us) - self._pre_us),
            to_mono_us=max(seen.first_t_mono_us, seen.last_t_mono_us) + self._post_us + 1,
            expires_age_us=self._age.now_us() + self._kept_us,
        )
        known = connection.execute(
            "SELECT from_mono_us, to_mono_us, state FROM lock"
            " WHERE raised_id = ? AND camera_id = ? AND boot_id = ?",
            (wanted.raised_id, wanted.camera_id, wanted.boot_id),
        ).fetchone()
        if known is not None:
            from_us, to_us, state = known
            if state == RELEASED:
                return
            if state == ACTIVE:
                wanted = msgspec.structs.replace(
                    wanted,
                    from_mono_us=min(from_us, wanted.from_mono_us),
                    to_mono_us=max(to_us, min(wanted.to_mono_us, from_us + self._longest_us)),
                )
                if (wanted.from_mono_us, wanted.to_mono_us) == (from_us, to_us):
                    return
        store_lock(connection, wanted, alert_seq=alert.seq, priority=alert.priority)
        self._log.append(connection, wanted)

    def expire(self) -> int:
        """End what is old enough, by record; how many alerts' locks ended.

        Raises:
            StorageFull, StorageFailed: those that are left go on.
        """
        now_us = self._age.now_us()
        with self._database.reading() as connection:
            due = connection.execute(
                "SELECT DISTINCT raised_id FROM lock WHERE state = 'active'"
                " AND expires_age_us <= ?",
                (now_us,),
            ).fetchall()
        return sum(self._end_one(_DUE, (raised_id, now_us), EXPIRED) for (raised_id,) in due)

    def enforce_share(self) -> LockedShare:
        """Hold the locks' share of the ring; what gives way is released by record.

        Raises:
            StorageFull, StorageFailed: what was released so far stays so.
        """
        released = 0
        while True:
            with self._database.reading() as connection:
                size_bytes = locked_bytes(connection)
            if size_bytes <= self._cap_bytes or not self.release_lowest():
                break
            released += 1
        return LockedShare(
            locked_bytes=size_bytes,
            cap_bytes=self._cap_bytes,
            released=released,
            alarm=self._alarm(size_bytes, released),
        )

    def release_lowest(self) -> bool:
        """Release the oldest lock of the lowest priority that keeps any closed segment.

        False when there is none.

        Raises:
            StorageFull, StorageFailed: it goes on.
        """
        return self._end_one(_LOWEST, (), RELEASED)

    def take_freed(self) -> tuple[Span, ...]:
        """What locks ended for since the last call: it may be kept by others still."""
        freed: list[Span] = []
        while self._freed:
            freed.append(self._freed.popleft())
        return tuple(freed)

    def page(self, *, after: int, limit: int) -> tuple[LockRow, ...]:
        """Up to `limit` locks after row `after`, in the order in which they were made."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT row, raised_id, alert_seq, priority, camera_id, boot_id, from_mono_us,"
                " to_mono_us, expires_age_us, state FROM lock WHERE row > ? ORDER BY row LIMIT ?",
                (after, limit),
            ).fetchall()
        return tuple(
            LockRow(row, raised_id, alert_seq, priority, Span(*span), expires_age_us, state)
            for row, raised_id, alert_seq, priority, *span, expires_age_us, state in rows
        )

    def _end_one(
        self, which: str, parameters: tuple[str | int, ...], state: Literal["expired", "released"]
    ) -> bool:
        """End all locks of the alert that the query `which` gives; False when it gives none."""
        with self._database.writing() as connection:
            found = connection.execute(which, parameters).fetchone()
            if found is None or found[0] is None:
                return False
            ended = connection.execute(
                "UPDATE lock SET state = ? WHERE raised_id = ? AND state = 'active'"
                " RETURNING camera_id, boot_id, from_mono_us, to_mono_us",
                (state, found[0]),
            ).fetchall()
            self._log.append(connection, UnlockRecord(raised_id=found[0], reason=state))
        self._freed.extend(Span(*span) for span in ended)
        return True

    def _alarm(self, size_bytes: int, released: int) -> str:
        share = size_bytes / self._cap_bytes if self._cap_bytes else 1.0
        if released:
            return (
                f"alerts kept more video than evidence.max_locked_share: {released} locks gave way;"
                " place holds on what is needed, or raise evidence.max_bytes"
            )
        if share >= ALARM_SHARE:
            return (
                f"alerts keep {share:.0%} of the video that they may;"
                " place holds on what is needed, or raise evidence.max_bytes"
            )
        return ""


#: The alert, if none of its locks is to be kept longer.
_DUE = """
    SELECT raised_id FROM lock WHERE raised_id = ? AND state = 'active'
    GROUP BY raised_id HAVING max(expires_age_us) <= ?
"""
#: A lock that keeps only what is held, or nothing that is on the disk, would free no room.
_LOWEST = (
    "SELECT raised_id FROM lock WHERE state = 'active' AND EXISTS (SELECT 1 FROM segment WHERE"  # noqa: S608 - constants
    + CLOSED_IN_SPAN.format(
        camera="lock.camera_id",
        boot="lock.boot_id",
        start="lock.from_mono_us",
        to="lock.to_mono_us",
    )
    + f" AND NOT {IS_HELD}) ORDER BY priority, row LIMIT 1"
)


def store_lock(
    connection: sqlite3.Connection, lock: LockRecord, *, alert_seq: int, priority: int
) -> None:
    """The row of a lock as its record says, active."""
    connection.execute(
        "INSERT INTO lock (raised_id, alert_seq, priority, camera_id, boot_id, from_mono_us,"
        " to_mono_us, expires_age_us, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'active')"
        " ON CONFLICT (raised_id, camera_id, boot_id) DO UPDATE SET"
        " from_mono_us = excluded.from_mono_us, to_mono_us = excluded.to_mono_us,"
        " expires_age_us = excluded.expires_age_us, state = 'active',"
        " priority = max(priority, excluded.priority)",
        (
            lock.raised_id,
            alert_seq,
            priority,
            lock.camera_id,
            lock.boot_id,
            lock.from_mono_us,
            lock.to_mono_us,
            lock.expires_age_us,
        ),
    )
