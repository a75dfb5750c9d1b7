"""An alarm as the database keeps it, and its history."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from roeh.desk.alarms.states import AlarmState, Standing, Step, StepKind, Verdict
from roeh.desk.store import Transaction, Value

#: How much of an id tables show, and what can be typed for it.
SHORT_ID_CHARS = 8
_Flag = Annotated[int, Meta(ge=0, le=1)]


class AlarmRow(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm; fields are the columns of `alarm`, in this order.

    Attributes:
        row: grows with each alarm that was opened.
        subject: raised_id of an alert; of the desk's own what tells two of one kind apart.
        detail: one line of what it is about.
        phase: of the alert, or raised and cleared of a condition.
        t_first_utc_us, t_last_utc_us: of its messages, by the pole's clock.
        t_opened_utc_us: by the desk's clock, as all that follow.
        t_attended_utc_us: the first thing an operator did with it.
        t_over_utc_us: when a condition was over; None while it holds, and of alerts.
    """

    row: int
    id: str
    site: str
    node: str
    kind: str
    is_own: _Flag
    subject: str
    rule: str
    zone: str
    label: str
    priority: int
    phase: str
    detail: str
    messages: int
    bearing_deg: float | None
    range_m: float | None
    latitude_deg: float | None
    longitude_deg: float | None
    state: AlarmState
    version: int
    changed_by: str
    t_changed_utc_us: int
    shelved_until_utc_us: int | None
    state_unshelved: AlarmState | None
    closed_as: Verdict | None
    is_kept: _Flag
    t_first_utc_us: int
    t_last_utc_us: int
    t_opened_utc_us: int
    attended_by: str | None
    t_attended_utc_us: int | None
    t_over_utc_us: int | None

    @property
    def pole(self) -> str:
        """Which pole; the desk itself has none."""
        return f"{self.site}/{self.node}" if self.site else "the desk"

    @property
    def short_id(self) -> str:
        """What an operator reads and types."""
        return self.id[:SHORT_ID_CHARS]

    @property
    def standing(self) -> Standing:
        """Where it stands, as kept."""
        return Standing(
            state=self.state,
            version=self.version,
            changed_by=self.changed_by,
            changed_utc_us=self.t_changed_utc_us,
            shelved_until_utc_us=self.shelved_until_utc_us,
            state_before=self.state_unshelved,
            verdict=self.closed_as,
        )


class HistoryRow(msgspec.Struct, frozen=True):
    """A step of an alarm's life."""

    version: int
    kind: StepKind
    by: str
    t_utc_us: int
    reason: str
    until_utc_us: int | None
    closed_as: Verdict | None


class NoteRow(msgspec.Struct, frozen=True):
    """A note to an alarm, or to the shift (`alarm_id` None)."""

    row: int
    alarm_id: str | None
    t_utc_us: int
    operator: str
    text: str


_COLUMNS = ", ".join(AlarmRow.__struct_fields__)


def alert_alarm_id(site: str, node: str, raised_id: str) -> str:
    """Id of the alarm of an alert: the same wherever and how often it is taken in.

    A hash, since ids made of a time all begin alike, and operators type the beginning.
    """
    return _hashed("alert", site, node, raised_id)


def own_alarm_id(kind: str, site: str, node: str, subject: str, t_utc_us: int | None) -> str:
    """Id of one of the desk's own; `t_utc_us` tells one time from the next (incidents: None)."""
    return _hashed("own", kind, site, node, subject, "" if t_utc_us is None else str(t_utc_us))


def alarms_where(
    transaction: Transaction, condition: str, parameters: Sequence[Value], limit: int
) -> list[AlarmRow]:
    """Alarms in the order in which they were opened; `condition` is SQL of ours, values bound."""
    query = f"SELECT {_COLUMNS} FROM alarm WHERE {condition} ORDER BY row LIMIT ?"  # noqa: S608 - constants of ours
    return transaction.select(AlarmRow, query, (*parameters, limit))


def newest_alarms(
    transaction: Transaction, condition: str, parameters: Sequence[Value], limit: int
) -> list[AlarmRow]:
    """Likewise, those opened last first."""
    query = f"SELECT {_COLUMNS} FROM alarm WHERE {condition} ORDER BY row DESC LIMIT ?"  # noqa: S608 - constants of ours
    return transaction.select(AlarmRow, query, (*parameters, limit))


def history_of(transaction: Transaction, alarm_id: str) -> list[HistoryRow]:
    """Its steps, oldest first."""
    return transaction.select(
        HistoryRow,
        "SELECT version, kind, operator, t_utc_us, reason, until_utc_us, closed_as"
        " FROM alarm_history WHERE alarm_id = ? ORDER BY row",
        (alarm_id,),
    )


def notes_of(transaction: Transaction, alarm_id: str) -> list[NoteRow]:
    """Its notes, oldest first."""
    return transaction.select(
        NoteRow,
        "SELECT row, alarm_id, t_utc_us, operator, text FROM note WHERE alarm_id = ? ORDER BY row",
        (alarm_id,),
    )


def newest_note(transaction: Transaction) -> NoteRow:
    """The one written last, of which there is one."""
    (note,) = transaction.select(
        NoteRow,
        "SELECT row, alarm_id, t_utc_us, operator, text FROM note ORDER BY row DESC LIMIT 1",
    )
    return note


def add_step(transaction: Transaction, alarm_id: str, step: Step) -> None:
    """Write a step into an alarm's history."""
    transaction.execute(
        "INSERT INTO alarm_history"
        " (alarm_id, version, kind, operator, t_utc_us, reason, until_utc_us, closed_as)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            alarm_id,
            step.version,
            step.kind.value,
            step.by,
            step.t_utc_us,
            step.reason,
            step.until_utc_us,
            None if step.verdict is None else step.verdict.value,
        ),
    )


def keep_standing(transaction: Transaction, alarm: AlarmRow, standing: Standing) -> None:
    """Write where an alarm stands now."""
    values: tuple[Value, ...] = (
        standing.state.value,
        standing.version,
        standing.changed_by,
        standing.changed_utc_us,
        standing.shelved_until_utc_us,
        None if standing.state_before is None else standing.state_before.value,
        None if standing.verdict is None else standing.verdict.value,
        alarm.id,
    )
    transaction.execute(
        "UPDATE alarm SET state = ?, version = ?, changed_by = ?, t_changed_utc_us = ?,"
        " shelved_until_utc_us = ?, state_unshelved = ?, closed_as = ? WHERE id = ?",
        values,
    )


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()[:32]
