"""What operators did with alarms, as the database has it, for other screens."""

from __future__ import annotations

import msgspec

from roeh.desk.republish.feed import last_row
from roeh.desk.store import Transaction
from roeh.transport.topics import JSON
from roeh.transport.view_messages import AlarmStep, ViewMessage
from roeh.transport.view_topics import View, ViewTopic

#: What is about the desk itself is told as of this site, which no site may be called.
_DESK_SITE = "desk"


class StepRow(msgspec.Struct, frozen=True):
    """One step of an alarm's history that is committed, and what the alarm is about."""

    row: int
    alarm_id: str
    version: int
    step: str
    operator: str
    t_utc_us: int
    reason: str
    until_utc_us: int | None
    closed_as: str | None
    site: str
    node: str
    kind: str
    is_own: int
    subject: str


def steps_before(transaction: Transaction, since_utc_us: int) -> int:
    """The last row of a step that was done before this time; 0 without one."""
    return last_row(
        transaction,
        "SELECT row FROM alarm_history WHERE t_utc_us < ? ORDER BY row DESC LIMIT 1",
        since_utc_us,
    )


def steps_after(transaction: Transaction, row: int, limit: int) -> list[StepRow]:
    """The steps that were committed after this row, oldest first."""
    return transaction.select(
        StepRow,
        "SELECT step.row, step.alarm_id, step.version, step.kind, step.operator, step.t_utc_us,"
        " step.reason, step.until_utc_us, step.closed_as, alarm.site, alarm.node, alarm.kind,"
        " alarm.is_own, alarm.subject"
        " FROM alarm_history AS step JOIN alarm ON alarm.id = step.alarm_id"
        " WHERE step.row > ? ORDER BY step.row LIMIT ?",
        (row, limit),
    )


def step_view(step: StepRow, desk: str) -> ViewMessage:
    """A step as it is told to the control room."""
    is_desk = not step.site
    body = AlarmStep(
        alarm_id=step.alarm_id,
        version=step.version,
        pole="" if is_desk else f"{step.site}/{step.node}",
        kind=step.kind,
        raised_id=None if step.is_own else step.subject,
        step=step.step,
        operator=step.operator,
        reason=step.reason,
        until_utc_us=step.until_utc_us,
        closed_as=step.closed_as,
        t_utc_us=step.t_utc_us,
    )
    names = (_DESK_SITE, desk) if is_desk else (step.site, step.node)
    return ViewMessage(
        topic=str(ViewTopic(View.CONTROL_ALARM, names)),
        payload=msgspec.json.encode(body),
        content_type=JSON,
    )
