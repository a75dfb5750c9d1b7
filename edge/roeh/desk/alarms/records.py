"""An alarm as it is handed to other programs: names that stay, in `--json` and in exports."""

from __future__ import annotations

import msgspec

from roeh.desk.alarms.rows import AlarmRow
from roeh.desk.alarms.states import AlarmState


class AlarmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm, fields in the order of the columns of an export (edge/docs/desk.md).

    Times are UTC in microseconds: t_first and t_last by the pole's clock, others by the
    desk's. None: does not apply.
    """

    id: str
    site: str
    node: str
    kind: str
    found_by_desk: bool
    alert_id: str | None
    rule: str
    zone: str
    label: str
    priority: int
    detail: str
    messages: int
    cleared: bool
    bearing_deg: float | None
    range_m: float | None
    latitude_deg: float | None
    longitude_deg: float | None
    state: str
    closed_as: str | None
    version: int
    changed_by: str
    t_changed_utc_us: int
    shelved_until_utc_us: int | None
    t_first_utc_us: int
    t_last_utc_us: int
    t_opened_utc_us: int
    attended_by: str | None
    t_attended_utc_us: int | None
    t_over_utc_us: int | None


def record_of(alarm: AlarmRow) -> AlarmRecord:
    """An alarm as it stands (see `effective`), for others."""
    return AlarmRecord(
        id=alarm.id,
        site=alarm.site,
        node=alarm.node,
        kind=alarm.kind,
        found_by_desk=bool(alarm.is_own),
        alert_id=None if alarm.is_own else alarm.subject,
        rule=alarm.rule,
        zone=alarm.zone,
        label=alarm.label,
        priority=alarm.priority,
        detail=alarm.detail,
        messages=alarm.messages,
        cleared=alarm.phase == "cleared",
        bearing_deg=alarm.bearing_deg,
        range_m=alarm.range_m,
        latitude_deg=alarm.latitude_deg,
        longitude_deg=alarm.longitude_deg,
        state=alarm.state.value,
        closed_as=alarm.closed_as.value
        if alarm.state is AlarmState.CLOSED and alarm.closed_as is not None
        else None,
        version=alarm.version,
        changed_by=alarm.changed_by,
        t_changed_utc_us=alarm.t_changed_utc_us,
        shelved_until_utc_us=alarm.shelved_until_utc_us,
        t_first_utc_us=alarm.t_first_utc_us,
        t_last_utc_us=alarm.t_last_utc_us,
        t_opened_utc_us=alarm.t_opened_utc_us,
        attended_by=alarm.attended_by,
        t_attended_utc_us=alarm.t_attended_utc_us,
        t_over_utc_us=alarm.t_over_utc_us,
    )
