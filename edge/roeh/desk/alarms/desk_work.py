"""What operators do with alarms: each act and its audit entry in one transaction."""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import AlarmRefused
from roeh.desk.alarms.rows import (
    AlarmRow,
    NoteRow,
    add_step,
    alarms_where,
    keep_standing,
    newest_note,
)
from roeh.desk.alarms.states import (
    DESK,
    Action,
    AlarmState,
    Step,
    StepKind,
    Verdict,
    as_of,
    standing_text,
    take,
)
from roeh.desk.audit.log import AuditAction, AuditLog
from roeh.desk.operators import Who, the_desk
from roeh.desk.store import DeskStore, Transaction

MAX_NOTE_CHARS = 1000
_MIN_PREFIX_CHARS = 4

_AUDITED: dict[StepKind, AuditAction] = {
    StepKind.ACKNOWLEDGED: AuditAction.ALARM_ACKNOWLEDGED,
    StepKind.SHELVED: AuditAction.ALARM_SHELVED,
    StepKind.SHELVING_OVER: AuditAction.ALARM_SHELVING_OVER,
    StepKind.CLOSED: AuditAction.ALARM_CLOSED,
    StepKind.CORRECTED: AuditAction.ALARM_CORRECTED,
    StepKind.OVER: AuditAction.ALARM_OVER,
}


class Done(msgspec.Struct, frozen=True):
    """An act that was done: the alarm as it is now, and as it was found, in words."""

    alarm: AlarmRow
    before: str


class DeskWork:
    """Acts on alarms, each durable with its history and its audit entry, or not done."""

    def __init__(self, store: DeskStore, audit: AuditLog, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    def act(self, prefix: str, action: Action, who: Who, seen_version: int | None = None) -> Done:
        """Acknowledge, shelve or close an alarm.

        Args:
            prefix: of its id.
            action: what to do.
            who: does it.
            seen_version: refuse if it changed since.

        Raises:
            AlarmRefused: no such alarm, or it cannot become that.
            DeskFailed: the database; nothing was done.
        """
        with self._store.writing() as transaction:
            alarm = find_alarm(transaction, prefix)
            now_us = self._now_us()
            before = as_of(alarm.standing, now_us).standing
            taken = take(
                alarm.standing,
                action,
                by=who.operator,
                now_utc_us=now_us,
                which=f"alarm {alarm.short_id} of {alarm.pole}",
                seen_version=seen_version,
            )
            keep_standing(transaction, alarm, taken.standing)
            if alarm.t_attended_utc_us is None:
                transaction.execute(
                    "UPDATE alarm SET attended_by = ?, t_attended_utc_us = ? WHERE id = ?",
                    (who.operator, now_us, alarm.id),
                )
            # A false alarm is nothing to be kept for long; what a person worked on is.
            is_kept = taken.standing.verdict is not Verdict.FALSE_ALARM
            transaction.execute(
                "UPDATE alarm SET is_kept = ? WHERE id = ?", (int(is_kept), alarm.id)
            )
            for step in taken.steps:
                record_step(transaction, self._audit, alarm, step, who)
            return Done(find_alarm(transaction, alarm.id), standing_text(before))

    def add_note(self, prefix: str | None, text: str, who: Who) -> NoteRow:
        """A note to an alarm, or to the shift.

        Raises:
            AlarmRefused: no such alarm, or not a note.
            DeskFailed: the database; nothing was done.
        """
        text = text.strip()
        if not text or len(text) > MAX_NOTE_CHARS:
            raise AlarmRefused(
                what="not a note",
                which=f"{len(text)} signs",
                remedy=f"write 1 to {MAX_NOTE_CHARS} signs",
            )
        with self._store.writing() as transaction:
            alarm = None if prefix is None else find_alarm(transaction, prefix)
            alarm_id = None if alarm is None else alarm.id
            now_us = self._now_us()
            transaction.execute(
                "INSERT INTO note (alarm_id, t_utc_us, operator, text) VALUES (?, ?, ?, ?)",
                (alarm_id, now_us, who.operator, text),
            )
            if alarm is not None:
                transaction.execute("UPDATE alarm SET is_kept = 1 WHERE id = ?", (alarm.id,))
            self._audit.append(
                transaction, who, AuditAction.NOTE_ADDED, alarm_id or "shift", detail=text
            )
            return newest_note(transaction)

    def _now_us(self) -> int:
        return self._clock.read().t_utc_ns // NS_PER_US


def record_step(
    transaction: Transaction, audit: AuditLog, alarm: AlarmRow, step: Step, who: Who
) -> None:
    """A step into the alarm's history and into the audit, in the caller's transaction."""
    add_step(transaction, alarm.id, step)
    audit.append(
        transaction,
        the_desk() if step.by == DESK else who,
        _AUDITED[step.kind],
        alarm.id,
        detail=_step_detail(alarm, step),
    )


def find_alarm(transaction: Transaction, prefix: str) -> AlarmRow:
    """The alarm whose id, or whose alert's id, begins so.

    Raises:
        AlarmRefused: none does, or several do.
    """
    text = prefix.strip().lower()
    if len(text) < _MIN_PREFIX_CHARS or any(sign not in "0123456789abcdef-" for sign in text):
        raise AlarmRefused(
            what="not an alarm's id",
            which=prefix[:64],
            remedy=f"give {_MIN_PREFIX_CHARS} signs of it or more, as roeh desk alarms shows it",
        )
    # Beginnings as a range, which an index serves in both databases.
    found = alarms_where(transaction, "id >= ? AND id < ?", (text, text + "g"), 3)
    if not found:
        found = alarms_where(transaction, "subject = ? AND is_own = 0", (text,), 3)
    if not found:
        raise AlarmRefused(
            what="no such alarm",
            which=prefix[:64],
            remedy="see roeh desk alarms; an old one may have expired",
        )
    if len(found) > 1:
        raise AlarmRefused(
            what="several alarms begin so",
            which=prefix[:64],
            remedy=f"give more of it: {', '.join(alarm.id[: len(text) + 4] for alarm in found)}",
        )
    return found[0]


def effective(alarm: AlarmRow, now_utc_us: int) -> AlarmRow:
    """The alarm as it stands now, though its shelving's end is not written down yet."""
    now = as_of(alarm.standing, now_utc_us).standing
    return msgspec.structs.replace(
        alarm,
        state=now.state,
        version=now.version,
        changed_by=now.changed_by,
        t_changed_utc_us=now.changed_utc_us,
        shelved_until_utc_us=now.shelved_until_utc_us,
        state_unshelved=now.state_before,
    )


def is_open(alarm: AlarmRow) -> bool:
    """Whether somebody still has to do something about it."""
    return alarm.state is not AlarmState.CLOSED


def _step_detail(alarm: AlarmRow, step: Step) -> str:
    parts = [f"{alarm.pole} {alarm.rule or alarm.kind}", f"version {step.version}"]
    if step.verdict is not None:
        parts.append(f"as {step.verdict.value}")
    if step.until_utc_us is not None:
        parts.append(f"until {step.until_utc_us} us")
    if step.reason:
        parts.append(step.reason)
    return "; ".join(parts)
