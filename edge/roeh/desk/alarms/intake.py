"""Alerts become alarms, in the transaction that takes them in.

An alarm groups the messages of one alert of one pole. It is opened by whichever comes first,
also by an update or the clearing when those overtook; a message of a closed alarm is shown
with it and opens nothing. Called by ingest for messages that are new, never for duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.core.types import Alert, AlertPhase
from roeh.desk.alarms.rows import alert_alarm_id
from roeh.desk.alarms.states import DESK, AlarmState
from roeh.desk.store import Transaction, Value

_ORDER = {AlertPhase.RAISED: 0, AlertPhase.UPDATED: 1, AlertPhase.CLEARED: 2}

_INSERT = (
    "INSERT INTO alarm (id, site, node, kind, is_own, subject, rule, zone, label, priority,"
    " phase, detail, messages, bearing_deg, range_m, latitude_deg, longitude_deg, state, version,"
    " changed_by, t_changed_utc_us, is_kept, t_first_utc_us, t_last_utc_us, t_opened_utc_us)"
    " VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, 0, ?, ?, 0, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)
# A cleared alert stays so, whatever comes late. Where it is seen is told by the newest.
_JOIN = (
    "UPDATE alarm SET messages = messages + ?,"
    " priority = CASE WHEN priority < ? THEN ? ELSE priority END,"
    " phase = CASE WHEN phase = 'cleared' OR ? = 'raised' THEN phase ELSE ? END,"
    " bearing_deg = CASE WHEN t_last_utc_us <= ? THEN ? ELSE bearing_deg END,"
    " range_m = CASE WHEN t_last_utc_us <= ? THEN ? ELSE range_m END,"
    " latitude_deg = CASE WHEN t_last_utc_us <= ? THEN ? ELSE latitude_deg END,"
    " longitude_deg = CASE WHEN t_last_utc_us <= ? THEN ? ELSE longitude_deg END,"
    " t_first_utc_us = CASE WHEN t_first_utc_us > ? THEN ? ELSE t_first_utc_us END,"
    " t_last_utc_us = CASE WHEN t_last_utc_us < ? THEN ? ELSE t_last_utc_us END"
    " WHERE id = ?"
)


def take_alerts(transaction: Transaction, alerts: Sequence[Alert], now_utc_us: int) -> list[str]:
    """Open or continue the alarm of each alert; the ids of those opened.

    Args:
        transaction: writes.
        alerts: new to the database, in any order.
        now_utc_us: the desk's clock.
    """
    together: dict[str, list[Alert]] = {}
    for alert in alerts:
        alarm_id = alert_alarm_id(alert.site, alert.node, alert.raised_id)
        together.setdefault(alarm_id, []).append(alert)
    joined = [(alarm_id, _joined(messages)) for alarm_id, messages in together.items()]
    rows = (_row(alarm_id, one, now_utc_us) for alarm_id, one in joined)
    are_new = transaction.insert_new(_INSERT, rows)
    opened: list[str] = []
    for (alarm_id, one), is_new in zip(joined, are_new, strict=True):
        if is_new:
            opened.append(alarm_id)
        else:
            transaction.execute(_JOIN, _continued(alarm_id, one))
    return opened


class _Joined(msgspec.Struct, frozen=True):
    """Messages of one alert in one go: the newest, and what they say together."""

    newest: Alert
    messages: int
    priority: int
    phase: AlertPhase
    t_first_utc_us: int


def _joined(messages: list[Alert]) -> _Joined:
    return _Joined(
        newest=max(messages, key=lambda alert: alert.seq),
        messages=len(messages),
        priority=max(alert.priority for alert in messages),
        phase=max((alert.phase for alert in messages), key=_ORDER.__getitem__),
        t_first_utc_us=min(alert.t_utc_us for alert in messages),
    )


def _row(alarm_id: str, one: _Joined, now_utc_us: int) -> tuple[Value, ...]:
    alert, where = one.newest, one.newest.where
    return (
        alarm_id,
        alert.site,
        alert.node,
        alert.rule_kind.value,
        alert.raised_id,
        alert.rule,
        alert.zone or "",
        alert.label,
        one.priority,
        one.phase.value,
        one.messages,
        where.bearing_deg,
        where.range_m,
        where.latitude_deg,
        where.longitude_deg,
        AlarmState.NEW.value,
        DESK,
        now_utc_us,
        one.t_first_utc_us,
        alert.t_utc_us,
        now_utc_us,
    )


def _continued(alarm_id: str, one: _Joined) -> tuple[Value, ...]:
    alert, where = one.newest, one.newest.where
    t_us = alert.t_utc_us
    return (
        one.messages,
        one.priority,
        one.priority,
        one.phase.value,
        one.phase.value,
        t_us,
        where.bearing_deg,
        t_us,
        where.range_m,
        t_us,
        where.latitude_deg,
        t_us,
        where.longitude_deg,
        one.t_first_utc_us,
        one.t_first_utc_us,
        t_us,
        t_us,
        alarm_id,
    )
