"""What is old is deleted, a class at a time and a little at a time; the audit says how much.

What belongs to an alarm that is kept (closed as real, or spoken of in a note) lives longer.
The audit itself, commands, and which numbers had come are never deleted, nor an alarm that
holds, or happened and nobody closed. A clock that was set deletes nothing (expiry_time.py), and
what came while it was behind is as old as what came before.
"""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.config import DeskRetention
from roeh.desk.audit.log import AuditAction, AuditLog
from roeh.desk.ingest.expiry_time import Doubt, Looked, look
from roeh.desk.operators import the_desk
from roeh.desk.store import Transaction

_US_PER_DAY = 86_400_000_000
_EVERY_US = 600_000_000
#: Of a class in one transaction: messages that come meanwhile do not wait for it.
_MOST_AT_ONCE = 500
#: Larger than the number of any row.
_NO_ROW = 2**62
#: Cursors that hold times: when the clock was last believed, and the doubt of it.
_LOOKED = "expiry/looked"
_DOUBTED = "expiry/doubted"
_SEEN = "expiry/seen"

_OF_KEPT = """
    EXISTS (SELECT 1 FROM alert AS own JOIN alarm ON alarm.subject = own.raised_id
        AND alarm.site = own.site AND alarm.node = own.node
        WHERE own.site = old.site AND own.node = old.node AND own.id = old.id
            AND alarm.is_kept = 1)
"""
_KEPT = """
    EXISTS (SELECT 1 FROM alarm WHERE alarm.subject = old.raised_id
        AND alarm.site = old.site AND alarm.node = old.node AND alarm.is_kept = 1)
"""


class _Class(msgspec.Struct, frozen=True):
    """One class of data: a table, when a row came, and whether it is kept longer."""

    name: str
    table: str
    key: str
    t_utc_us: str
    is_kept: str
    is_picture: bool = False
    and_also: str = ""

    @property
    def too_old(self) -> str:
        """Keys of rows to be deleted.

        Parameters are two times, before which row, and how many at the most.
        """
        is_old = f"{self.t_utc_us} < ? AND (NOT {self.is_kept} OR {self.t_utc_us} < ?)"
        # Made of the constants below alone.
        chosen = f"SELECT {self.key} FROM {self.table} AS old WHERE {is_old}"  # noqa: S608 - constants of ours
        in_order = "AND row < ?" if self.key == "row" else "AND ? > 0"
        return f"{chosen} {self.and_also} {in_order} LIMIT ?"

    @property
    def first_young(self) -> str:
        """The first row of those that are young: parameters are from when, and until when.

        The sum keeps databases from the index of times: rows are old at their beginning.
        """
        age = f"{self.t_utc_us} + 0"
        # Likewise.
        chosen = f"SELECT row FROM {self.table} WHERE {age} >= ? AND {age} <= ?"  # noqa: S608 - constants of ours
        return f"{chosen} ORDER BY row LIMIT 1"


# Pictures before their alerts, alerts before their alarms: by these it is seen what is kept.
_CLASSES = (
    _Class("thumbnails", "thumbnail", "row", "t_received_utc_us", _OF_KEPT, is_picture=True),
    _Class(
        *("pictures of commands", "command_picture", "command_id", "t_received_utc_us", "(1 = 0)"),
        is_picture=True,
    ),
    _Class("alerts", "alert", "row", "t_received_utc_us", _KEPT),
    _Class("tombstones", "tombstone", "row", "t_received_utc_us", "(1 = 0)"),
    _Class(
        *("alarms", "alarm", "id", "t_changed_utc_us", "(is_kept = 1)"),
        and_also="AND (is_own = 0 OR (t_over_utc_us IS NOT NULL AND state = 'closed'))",
    ),
    _Class("notes", "note", "row", "t_utc_us", "(1 = 0)", and_also="AND alarm_id IS NULL"),
)
_WITH_ALARM = (
    "DELETE FROM alarm_history WHERE alarm_id = ?",
    "DELETE FROM note WHERE alarm_id = ?",
)


class Expiry:
    """Deletes what is too old, when it is time.

    Args:
        retention: how many days each class lives.
        audit: is told what was deleted.
    """

    def __init__(self, retention: DeskRetention, audit: AuditLog) -> None:
        self._retention = retention
        self._audit = audit
        self._due_us = 0

    def delete_due(self, transaction: Transaction, now: ClockReading) -> int:
        """Delete some of what is too old; how many rows, 0 when it is not time yet."""
        now_utc_us = now.t_utc_ns // NS_PER_US
        # A clock that was set back must not put this off for as long.
        if self._due_us - _EVERY_US <= now_utc_us < self._due_us:
            return 0
        self._due_us = now_utc_us + _EVERY_US
        looked, is_believed = look(_looked(transaction), now)
        _keep_looked(transaction, looked)
        if not is_believed:
            return 0
        deleted = [self._delete(transaction, one, now_utc_us) for one in _CLASSES]
        # A full portion: there may be more, so the next second goes on.
        if max(deleted) >= _MOST_AT_ONCE:
            self._due_us = now_utc_us
        return sum(deleted)

    def _delete(self, transaction: Transaction, one: _Class, now_utc_us: int) -> int:
        retention = self._retention
        days = retention.thumbnail_days if one.is_picture else retention.alert_days
        before_us = now_utc_us - round(days * _US_PER_DAY)
        kept_before_us = min(before_us, now_utc_us - round(retention.kept_alarm_days * _US_PER_DAY))
        # Tables and keys are the constants above.
        delete = f"DELETE FROM {one.table} WHERE {one.key} = ?"  # noqa: S608 - constants of ours
        before_row = _NO_ROW
        if one.key == "row":
            young = transaction.values(one.first_young, (before_us, now_utc_us + _US_PER_DAY))
            before_row = int(str(young[0][0])) if young else _NO_ROW
        keys = transaction.values(
            one.too_old, (before_us, kept_before_us, before_row, _MOST_AT_ONCE)
        )
        for (key,) in keys:
            if one.table == "alarm":
                for delete_of_alarm in _WITH_ALARM:
                    transaction.execute(delete_of_alarm, (key,))
            transaction.execute(delete, (key,))
        if keys:
            self._audit.append(
                transaction,
                the_desk(),
                AuditAction.EXPIRED,
                one.name,
                count=len(keys),
                detail=f"older than {days:g} days",
            )
        return len(keys)


def doubted(transaction: Transaction) -> Doubt | None:
    """The leap of the clock because of which nothing is deleted now."""
    return _looked(transaction).doubt


def _looked(transaction: Transaction) -> Looked:
    rows = transaction.values(
        "SELECT name, row FROM cursor WHERE name IN (?, ?, ?)", (_LOOKED, _DOUBTED, _SEEN)
    )
    times = {str(name): int(str(row)) for name, row in rows}
    doubt = None
    if _DOUBTED in times and _SEEN in times:
        doubt = Doubt(times[_DOUBTED], times[_SEEN])
    return Looked(times.get(_LOOKED), doubt)


def _keep_looked(transaction: Transaction, looked: Looked) -> None:
    doubt = looked.doubt
    times = {
        _LOOKED: looked.utc_us,
        _DOUBTED: None if doubt is None else doubt.since_utc_us,
        _SEEN: None if doubt is None else doubt.seen_utc_us,
    }
    for name, t_utc_us in times.items():
        transaction.execute("DELETE FROM cursor WHERE name = ?", (name,))
        if t_utc_us is not None:
            transaction.execute("INSERT INTO cursor (name, row) VALUES (?, ?)", (name, t_utc_us))
