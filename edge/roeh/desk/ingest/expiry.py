"""What is old is deleted, a class at a time and a little at a time; the audit says how much.

What belongs to an alarm that is kept (closed as real, or spoken of in a note) lives longer.
The audit itself, commands, and which numbers had come are never deleted.
"""

from __future__ import annotations

import msgspec

from roeh.core.config import DeskRetention
from roeh.desk.audit.log import AuditAction, AuditLog
from roeh.desk.operators import the_desk
from roeh.desk.store import Transaction

_US_PER_DAY = 86_400_000_000
_EVERY_US = 600_000_000
#: Of a class in one transaction: messages that come meanwhile do not wait for it.
_MOST_AT_ONCE = 500

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
        """Keys of rows to be deleted: parameters are two times and how many at the most."""
        is_old = f"{self.t_utc_us} < ? AND (NOT {self.is_kept} OR {self.t_utc_us} < ?)"
        # Made of the constants below alone.
        chosen = f"SELECT {self.key} FROM {self.table} AS old WHERE {is_old}"  # noqa: S608
        return f"{chosen} {self.and_also} LIMIT ?"


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
        and_also="AND (is_own = 0 OR t_over_utc_us IS NOT NULL OR state = 'closed')",
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

    def delete_due(self, transaction: Transaction, now_utc_us: int) -> int:
        """Delete some of what is too old; how many rows, 0 when it is not time yet."""
        # A clock that was set back must not put this off for as long.
        if self._due_us - _EVERY_US <= now_utc_us < self._due_us:
            return 0
        deleted = [self._delete(transaction, one, now_utc_us) for one in _CLASSES]
        # A full portion: there may be more, so the next second goes on.
        is_more = max(deleted) >= _MOST_AT_ONCE
        self._due_us = now_utc_us if is_more else now_utc_us + _EVERY_US
        return sum(deleted)

    def _delete(self, transaction: Transaction, one: _Class, now_utc_us: int) -> int:
        retention = self._retention
        days = retention.thumbnail_days if one.is_picture else retention.alert_days
        before_us = now_utc_us - round(days * _US_PER_DAY)
        kept_before_us = min(before_us, now_utc_us - round(retention.kept_alarm_days * _US_PER_DAY))
        # Tables and keys are the constants above.
        delete = f"DELETE FROM {one.table} WHERE {one.key} = ?"  # noqa: S608
        keys = transaction.values(one.too_old, (before_us, kept_before_us, _MOST_AT_ONCE))
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
