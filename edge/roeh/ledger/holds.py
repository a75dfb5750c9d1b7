"""Holds: what a person keeps, until two persons let it go.

Invariants:
    1. A hold never ends by time or want of room, only by two `release` records of two persons,
       or, if it is an export's own, by the end of that export.
    2. Placing or asking the same thing twice is done once.
    3. Who asked for a release and is not known any more has asked for nothing: nobody could
       tell whether the next is another person.

Persons are pseudonyms here (ledger/names.py).
"""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import Any, Protocol

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.custody import HoldRow, PlaceHold, ReleaseHold, Span
from roeh.core.errors import HoldRefused
from roeh.ledger.database import NodeDatabase
from roeh.ledger.export_states import ENDS
from roeh.ledger.log import Log
from roeh.ledger.records import HoldRecord, HoldSpan, ReleaseRecord

ACTIVE = "active"
RELEASE_ASKED = "release_asked"
RELEASED = "released"

#: Holds of one visitor that were not let go.
MAX_HELD = 100

_COLUMNS = "row, hold_id, person, reason, t_utc_us, state, release_asked_by"


class Identities(Protocol):
    """Who is who among pseudonyms."""

    def is_known(self, pseudonym: str) -> bool:
        """Whether it is still known who this is."""
        ...

    def are_same(self, one: str, other: str) -> bool:
        """Whether two pseudonyms are of one person."""
        ...


class Holds:
    """The holds of a node. Safe to call from several threads.

    Args:
        identities: who is who among those that place and release.
    """

    def __init__(
        self, database: NodeDatabase, log: Log, clock: Clock, identities: Identities
    ) -> None:
        self._database = database
        self._log = log
        self._clock = clock
        self._identities = identities
        self._freed: deque[Span] = deque()

    def place(self, wanted: PlaceHold) -> HoldRow:
        """Keep these spans from now on; durable with its record when it returns.

        Raises:
            HoldRefused: another hold has this id, or a span is empty.
            StorageFull, StorageFailed: nothing is held.
        """
        with self._database.writing() as connection:
            return self.place_within(connection, wanted)

    def place_within(self, connection: sqlite3.Connection, wanted: PlaceHold) -> HoldRow:
        """The same in a transaction of the caller's.

        Raises:
            HoldRefused: another hold has this id, or a span is empty.
        """
        _check_spans(wanted)
        known = _find(connection, wanted.hold_id)
        if known is None:
            self._insert(connection, wanted)
        elif (known.person, known.reason, known.spans) != (
            wanted.person,
            wanted.reason,
            wanted.spans,
        ):
            raise HoldRefused(
                what="another hold has this id",
                which=wanted.hold_id,
                remedy="give every hold an id of its own",
            )
        return _found(connection, wanted.hold_id)

    def release(self, wanted: ReleaseHold) -> HoldRow:
        """One person asks, another confirms; each is a record. Only the second lets go.

        Raises:
            HoldRefused: there is no such hold, or it needs another person.
            StorageFull, StorageFailed: it is held as before.
        """
        with self._database.writing() as connection:
            hold = _found(connection, wanted.hold_id)
            if hold.state == RELEASED:
                raise HoldRefused(
                    what="it was released before",
                    which=wanted.hold_id,
                    remedy="see roeh evidence show",
                )
            _check_no_export(connection, wanted.hold_id)
            asked_by = hold.release_asked_by or ""
            if hold.state == ACTIVE or not self._identities.is_known(asked_by):
                self._note(connection, wanted, "asked")
                connection.execute(
                    "UPDATE hold SET state = ?, release_asked_by = ? WHERE row = ?",
                    (RELEASE_ASKED, wanted.person, hold.row),
                )
            elif self._identities.are_same(asked_by, wanted.person):
                raise HoldRefused(
                    what="who asked for its release cannot confirm it too",
                    which=wanted.hold_id,
                    remedy="another person has to confirm",
                )
            else:
                self._note(connection, wanted, "released")
                _let_go(connection, hold.row)
            after = _found(connection, wanted.hold_id)
        if after.state == RELEASED:
            self._freed.extend(after.spans)
        return after

    def end_within(self, connection: sqlite3.Connection, hold_id: str, reason: str) -> None:
        """Let go of an export's own hold, with its record, in a transaction of the caller's.

        `note_freed` is told after it.
        """
        hold = _find(connection, hold_id)
        if hold is None or hold.state == RELEASED:
            return
        record = ReleaseRecord(hold_id=hold_id, person="", reason=reason, step="ended")
        self._log.append(connection, record)
        _let_go(connection, hold.row)

    def note_freed(self, hold_id: str) -> None:
        """A hold was let go: what it kept may be deleted by rule."""
        with self._database.reading() as connection:
            hold = _find(connection, hold_id)
        if hold is not None and hold.state == RELEASED:
            self._freed.extend(hold.spans)

    def take_freed(self) -> tuple[Span, ...]:
        """What was let go since the last call: it may be kept by others still."""
        freed: list[Span] = []
        while self._freed:
            freed.append(self._freed.popleft())
        return tuple(freed)

    def find(self, hold_id: str) -> HoldRow | None:
        """The hold with this id."""
        with self._database.reading() as connection:
            return _find(connection, hold_id)

    def page(self, *, after: int, limit: int) -> tuple[HoldRow, ...]:
        """Up to `limit` holds after row `after`, in the order in which they were placed."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM hold WHERE row > ? ORDER BY row LIMIT ?",  # noqa: S608 - constants
                (after, limit),
            ).fetchall()
            return tuple(_row(connection, row) for row in rows)

    def _insert(self, connection: sqlite3.Connection, wanted: PlaceHold) -> None:
        record = HoldRecord(
            hold_id=wanted.hold_id,
            person=wanted.person,
            reason=wanted.reason,
            spans=tuple(
                HoldSpan(
                    camera_id=span.camera_id,
                    boot_id=span.boot_id,
                    from_mono_us=span.from_mono_us,
                    to_mono_us=span.to_mono_us,
                )
                for span in wanted.spans
            ),
        )
        self._log.append(connection, record)
        insert_hold(connection, record, t_utc_us=self._clock.read().t_utc_ns // NS_PER_US)

    def _note(self, connection: sqlite3.Connection, wanted: ReleaseHold, step: str) -> None:
        self._log.append(
            connection,
            ReleaseRecord(
                hold_id=wanted.hold_id,
                person=wanted.person,
                reason=wanted.reason,
                step="asked" if step == "asked" else "released",
            ),
        )


def check_few_held(connection: sqlite3.Connection, person: str) -> None:
    """Refuse one more hold of somebody who has many; those of exports are not theirs.

    Raises:
        HoldRefused: ask again when one of them was let go.
    """
    (held,) = connection.execute(
        "SELECT COUNT(*) FROM hold WHERE person = ? AND state <> ? AND NOT EXISTS"
        " (SELECT 1 FROM export WHERE export.hold_id = hold.hold_id)",
        (person, RELEASED),
    ).fetchone()
    if held >= MAX_HELD:
        raise HoldRefused(
            what=f"{held} holds of this person are there",
            which=person,
            remedy="have those let go that are needed no more: two persons do",
        )


def insert_hold(connection: sqlite3.Connection, record: HoldRecord, *, t_utc_us: int) -> None:
    """The rows of a hold as its record says, active."""
    hold_row = connection.execute(
        "INSERT INTO hold (hold_id, person, reason, t_utc_us, state) VALUES (?, ?, ?, ?, ?)",
        (record.hold_id, record.person, record.reason, t_utc_us, ACTIVE),
    ).lastrowid
    connection.executemany(
        "INSERT INTO hold_span (hold_row, number, camera_id, boot_id, from_mono_us, to_mono_us,"
        " is_active) VALUES (?, ?, ?, ?, ?, ?, 1)",
        [
            (hold_row, number, span.camera_id, span.boot_id, span.from_mono_us, span.to_mono_us)
            for number, span in enumerate(record.spans)
        ],
    )


def _let_go(connection: sqlite3.Connection, hold_row: int) -> None:
    connection.execute("UPDATE hold SET state = ? WHERE row = ?", (RELEASED, hold_row))
    connection.execute("UPDATE hold_span SET is_active = 0 WHERE hold_row = ?", (hold_row,))


def _check_no_export(connection: sqlite3.Connection, hold_id: str) -> None:
    """The hold of an export that goes on ends with it: what was asked for stays until then."""
    states = connection.execute("SELECT state FROM export WHERE hold_id = ?", (hold_id,))
    if any(state not in ENDS for (state,) in states):
        raise HoldRefused(
            what="it is the hold of an export that goes on",
            which=hold_id,
            remedy="it ends with the export: see roeh evidence exports",
        )


def _check_spans(wanted: PlaceHold) -> None:
    for span in wanted.spans:
        if span.from_mono_us >= span.to_mono_us:
            raise HoldRefused(
                what="a span ends before it begins",
                which=f"camera {span.camera_id} of hold {wanted.hold_id}",
                remedy="give a beginning before the end",
            )


def _found(connection: sqlite3.Connection, hold_id: str) -> HoldRow:
    hold = _find(connection, hold_id)
    if hold is None:
        raise HoldRefused(
            what="there is no such hold",
            which=hold_id,
            remedy="see roeh evidence list",
        )
    return hold


def _find(connection: sqlite3.Connection, hold_id: str) -> HoldRow | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM hold WHERE hold_id = ?",  # noqa: S608 - constants
        (hold_id,),
    ).fetchone()
    return None if row is None else _row(connection, row)


def _row(connection: sqlite3.Connection, row: tuple[Any, ...]) -> HoldRow:
    spans = connection.execute(
        "SELECT camera_id, boot_id, from_mono_us, to_mono_us FROM hold_span"
        " WHERE hold_row = ? ORDER BY number",
        (row[0],),
    ).fetchall()
    number, hold_id, person, reason, t_utc_us, state, release_asked_by = row
    return HoldRow(
        row=number,
        hold_id=hold_id,
        person=person,
        reason=reason,
        spans=tuple(Span(*span) for span in spans),
        t_utc_us=t_utc_us,
        state=state,
        release_asked_by=release_asked_by,
    )
