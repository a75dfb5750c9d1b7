"""What the next shift has to know, read in one state of the database."""

from __future__ import annotations

import msgspec

from roeh.desk.alarms.choice import OPEN, AlarmChoice
from roeh.desk.alarms.desk_work import effective
from roeh.desk.alarms.rows import AlarmRow, NoteRow, newest_alarms
from roeh.desk.alarms.states import AlarmState
from roeh.desk.store import Transaction

_MAX_ALARMS = 10_000
_MAX_NOTES = 1000


class ClosedCount(msgspec.Struct, frozen=True):
    """How many alarms were closed as what."""

    closed_as: str
    alarms: int


class Handover(msgspec.Struct, frozen=True):
    """A shift's end: what is open, what is out of sight and why, what was written.

    Attributes:
        open: new and acknowledged, those of the desk's own (poles silent or blind, alerts
            missing, ...) among them.
        shelved: out of sight for now.
        shelved_why: reason of each of those, in their order.
        notes: since the shift began.
        closed: in that time.
    """

    since_utc_us: int
    open: tuple[AlarmRow, ...]
    shelved: tuple[AlarmRow, ...]
    shelved_why: tuple[str, ...]
    notes: tuple[NoteRow, ...]
    closed: tuple[ClosedCount, ...]


def read_handover(transaction: Transaction, since_utc_us: int, now_utc_us: int) -> Handover:
    """What is to be handed over now by a shift that began at `since_utc_us`."""
    chosen = AlarmChoice(states=OPEN).condition(now_utc_us)
    alarms = [
        effective(alarm, now_utc_us)
        for alarm in newest_alarms(transaction, chosen.sql, chosen.values, _MAX_ALARMS)
    ]
    shelved = tuple(alarm for alarm in alarms if alarm.state is AlarmState.SHELVED)
    return Handover(
        since_utc_us=since_utc_us,
        open=tuple(alarm for alarm in alarms if alarm.state is not AlarmState.SHELVED),
        shelved=shelved,
        shelved_why=tuple(_why(transaction, alarm) for alarm in shelved),
        notes=tuple(
            transaction.select(
                NoteRow,
                "SELECT row, alarm_id, t_utc_us, operator, text FROM note"
                " WHERE t_utc_us >= ? ORDER BY row LIMIT ?",
                (since_utc_us, _MAX_NOTES),
            )
        ),
        closed=tuple(
            transaction.select(
                ClosedCount,
                "SELECT closed_as, COUNT(*) FROM alarm WHERE state = 'closed'"
                " AND t_changed_utc_us >= ? GROUP BY closed_as ORDER BY closed_as",
                (since_utc_us,),
            )
        ),
    )


def _why(transaction: Transaction, alarm: AlarmRow) -> str:
    found = transaction.values(
        "SELECT reason FROM alarm_history WHERE alarm_id = ? AND version = ?",
        (alarm.id, alarm.version),
    )
    return str(found[0][0]) if found else ""
