"""The node's age: the time it ran, by the monotonic clock alone; and steps of UTC.

Invariants:
    1. What is durable never goes back, whatever UTC does. Time switched off does not count.
    2. A power cut costs at most what passed since the last durable count.
    3. UTC moving against the monotonic clock is a record: once, however often it is looked
       at. The kernel slews both together, so that only a step moves one against the other.
"""

from __future__ import annotations

import sqlite3

import msgspec

from roeh.core.clock import NS_PER_US, Clock, ClockReading
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import ClockStepRecord

US_PER_DAY = 86_400_000_000

#: The count is made durable at most this often, with whatever is written then.
DURABLE_EVERY_US = 10_000_000
#: Less is no step.
_STEP_US = 1_000_000
#: What a clock may drift off without it being a step: the most that NTP slews.
_SLEW_PPM = 500
_PPM = 1_000_000

_COUNTER = "age_us"


class _Counted(msgspec.Struct, frozen=True):
    """The age was counted up to `mono_us` of the boot; UTC stood `offset_us` from it."""

    boot_id: str
    mono_us: int
    offset_us: int
    utc_error_us: int
    synchronised: bool


class NodeAge:
    """Counts how long the node ran. It holds no state: the rows are the count."""

    def __init__(self, database: NodeDatabase, clock: Clock, log: Log) -> None:
        self._database = database
        self._clock = clock
        self._log = log

    def now_us(self) -> int:
        """The age now, with what is not durable yet.

        Raises:
            StorageFailed: the database cannot be read.
        """
        with self._database.reading() as connection:
            now = _seen(self._clock.read())
            return _age_us(connection) + _since_us(_counted(connection), now)

    def tick(self) -> None:
        """Count when nothing else is written; a transaction only if there is something to say.

        Raises:
            StorageFull, StorageFailed: nothing was counted.
        """
        with self._database.reading() as connection:
            now = _seen(self._clock.read())
            counted = _counted(connection)
            due = counted is None or _is_due(counted, now) or _step_us(counted, now)
        if due:
            with self._database.writing() as connection:
                self.advance(connection)

    def advance(self, connection: sqlite3.Connection) -> None:
        """Count in the caller's transaction, if it is time to; a step of UTC always."""
        now = _seen(self._clock.read())
        counted = _counted(connection)
        if counted is None or counted.boot_id != now.boot_id:
            _store(connection, grown_us=0, counted=now)
            return
        step_us = _step_us(counted, now)
        if step_us:
            record = ClockStepRecord(
                by_us=step_us,
                synchronised_before=counted.synchronised,
                synchronised_after=now.synchronised,
            )
            self._log.append(connection, record)
        elif not _is_due(counted, now):
            return
        offset_us = now.offset_us if step_us else _followed_us(counted, now)
        _store(
            connection,
            grown_us=_since_us(counted, now),
            counted=msgspec.structs.replace(now, offset_us=offset_us),
        )

    def restore(self, connection: sqlite3.Connection, age_us: int) -> None:
        """After a rebuild: the node is at least this old."""
        _store(
            connection,
            grown_us=max(0, age_us - _age_us(connection)),
            counted=_seen(self._clock.read()),
        )


def _seen(reading: ClockReading) -> _Counted:
    mono_us = reading.t_mono_ns // NS_PER_US
    return _Counted(
        boot_id=reading.boot_id,
        mono_us=mono_us,
        offset_us=reading.t_utc_ns // NS_PER_US - mono_us,
        utc_error_us=reading.utc_error_ns // NS_PER_US,
        synchronised=reading.synchronised,
    )


def _counted(connection: sqlite3.Connection) -> _Counted | None:
    row = connection.execute(
        "SELECT boot_id, counted_mono_us, offset_us, utc_error_us, synchronised FROM node_clock"
    ).fetchone()
    if row is None:
        return None
    boot_id, mono_us, offset_us, utc_error_us, synchronised = row
    return _Counted(boot_id, mono_us, offset_us, utc_error_us, bool(synchronised))


def _age_us(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM counter WHERE name = ?", (_COUNTER,)).fetchone()
    return int(found[0]) if found else 0


def _since_us(counted: _Counted | None, now: _Counted) -> int:
    """What passed since it was counted; nothing across boots."""
    if counted is None or counted.boot_id != now.boot_id:
        return 0
    return max(0, now.mono_us - counted.mono_us)


def _is_due(counted: _Counted, now: _Counted) -> bool:
    return counted.boot_id != now.boot_id or _since_us(counted, now) >= DURABLE_EVERY_US


def _step_us(counted: _Counted, now: _Counted) -> int:
    """By how much UTC stepped since it was counted; 0: it did not.

    Within what a synchronised clock says it may be off by, it may correct itself. The bound
    of a clock that was never synchronised is a guess and excuses nothing.
    """
    if counted.boot_id != now.boot_id:
        return 0
    stated = [seen.utc_error_us for seen in (counted, now) if seen.synchronised]
    beyond_us = abs(now.offset_us - _followed_us(counted, now))
    is_step = beyond_us > max(_STEP_US, min(stated, default=0))
    return now.offset_us - counted.offset_us if is_step else 0


def _followed_us(counted: _Counted, now: _Counted) -> int:
    """Where UTC may stand by slewing alone: many small steps do not pass for it."""
    slewed_us = _since_us(counted, now) * _SLEW_PPM // _PPM
    moved_us = now.offset_us - counted.offset_us
    return counted.offset_us + max(-slewed_us, min(slewed_us, moved_us))


def _store(connection: sqlite3.Connection, *, grown_us: int, counted: _Counted) -> None:
    connection.execute(
        "INSERT INTO counter (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        (_COUNTER, grown_us),
    )
    connection.execute(
        "INSERT OR REPLACE INTO node_clock"
        " (one, boot_id, counted_mono_us, offset_us, utc_error_us, synchronised)"
        " VALUES (1, ?, ?, ?, ?, ?)",
        (
            counted.boot_id,
            counted.mono_us,
            counted.offset_us,
            counted.utc_error_us,
            int(counted.synchronised),
        ),
    )
