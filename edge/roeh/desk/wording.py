"""Notices in words for a person, and as lines for a machine.

Names come from the network, so everything goes through `one_line`: no pole can move
the cursor of a control room's terminal.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from roeh.core.errors import one_line
from roeh.core.types import Alert, RuleKind
from roeh.desk.watch.notices import (
    AlertArrived,
    AlertEvicted,
    AlertsMissing,
    Notice,
    PoleCondition,
    PoleOffline,
    PoleOnline,
    PoleSilent,
    ThumbnailArrived,
)
from roeh.transport.messages import HealthMessage

_COMPASS = (
    "N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE",
    "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW",
)  # fmt: skip
_US_PER_S = 1_000_000


#: Labels whose plural is more than an s.
_SEVERAL = {"person": "people", "bus": "buses"}
#: Said of what comes from a rule that has no accuracy to promise.
ADVISORY = "advisory: look before anybody acts"
_CAMERA_KINDS = frozenset({RuleKind.CAMERA_TAMPER, RuleKind.CAMERA_BLIND})


def compass(bearing_deg: float) -> str:
    """The nearest of the sixteen points of the compass."""
    return _COMPASS[round(bearing_deg / 22.5) % 16]


def clock_time(t_utc_us: int) -> str:
    """Time of day where the reader is, to a tenth of a second."""
    moment = datetime.fromtimestamp(t_utc_us / _US_PER_S, tz=timezone.utc).astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 100_000}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number and what it is of; `many` where the plural is more than an s."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def size_text(size_bytes: int) -> str:
    """A size, short."""
    return f"{size_bytes} B" if size_bytes < 1000 else f"{size_bytes / 1000:.1f} kB"


def duration_text(duration_us: int) -> str:
    """A duration, short; negative where two clocks disagree."""
    duration_s = duration_us / _US_PER_S
    if abs(duration_s) < 10:
        return f"{duration_s:.2f} s"
    if abs(duration_s) < 120:
        return f"{duration_s:.0f} s"
    if abs(duration_s) < 7200:
        return f"{duration_s / 60:.0f} min"
    return f"{duration_s / 3600:.1f} h"


def alert_line(notice: AlertArrived) -> str:
    """An alert as one line: when, where from, what, where, how late."""
    alert = notice.alert
    zone = f" in {alert.zone}" if alert.zone else ""
    picture = "no picture" if notice.thumbnail is None else size_text(len(notice.thumbnail))
    doubt = "" if alert.clock.synchronised else "~"
    return one_line(
        f"{doubt}{clock_time(alert.t_utc_us)}  {notice.pole}  P{alert.priority}  "
        f"{alert.rule_kind.value} {alert.rule}{zone} {alert.phase.value}  "
        f"{seen(alert)}  {where_text(alert)}  {picture}  "
        f"after {duration_text(notice.delay_us)}  #{alert.seq}"
    )


def seen(alert: Alert) -> str:
    """How many of what an alert is about, and what else an operator has to know of it."""
    words = [_subject(alert)]
    if alert.advisory:
        words.append(ADVISORY)
    if alert.chatter:
        words.append(f"{alert.chatter} before it were held back")
    return ", ".join(words)


def _subject(alert: Alert) -> str:
    if alert.rule_kind in _CAMERA_KINDS:
        return f"camera {alert.evidence.camera_id} {alert.label}"
    if alert.level_db is not None:
        return f"{alert.label} {alert.level_db:.0f} dB"
    return counted(alert.count, alert.label, _SEVERAL.get(alert.label, ""))


def where_text(alert: Alert) -> str:
    """Bearing and range with their sigmas."""
    where = alert.where
    bearing = f"{compass(where.bearing_deg):>3} {round(where.bearing_deg) % 360:03d}°"
    return (
        f"{bearing} ±{where.bearing_sigma_deg:.1f}°"
        f"  {where.range_m:.1f} ±{where.range_sigma_m:.1f} m"
    )


def notice_line(notice: Notice) -> str:
    """Any notice as one line."""
    if isinstance(notice, AlertArrived):
        return alert_line(notice)
    return one_line(f"{notice.pole}  {_notice_text(notice)}")


def _notice_text(notice: Notice) -> str:
    if isinstance(notice, ThumbnailArrived):
        return f"picture of {notice.alert_id}  {size_text(len(notice.thumbnail))}"
    if isinstance(notice, AlertEvicted):
        return f"alert #{notice.tombstone.evicted_seq} was evicted before it could be sent"
    if isinstance(notice, AlertsMissing):
        return f"missing: {', '.join(f'#{gap}' for gap in notice.ranges)}"
    return _pole_text(notice)


def _pole_text(notice: Notice) -> str:
    if isinstance(notice, PoleOnline):
        return f"online, connection {notice.state.connection_number}"
    if isinstance(notice, PoleOffline):
        return f"offline, connection {notice.state.connection_number}"
    if isinstance(notice, PoleSilent):
        return f"silent for {duration_text(notice.age_us)}"
    if isinstance(notice, PoleCondition):
        return f"{notice.health.condition}{_complaints(notice.health)}"
    raise TypeError(type(notice))


def _complaints(health: HealthMessage) -> str:
    told = [
        f"{process} {health.processes.get(process, '')}: {detail}"
        for process, detail in health.details.items()
    ]
    return f" ({'; '.join(told)})" if told else ""


def json_line(notice: Notice, t_received_utc_us: int) -> str:
    """A notice as one line of JSON; pictures by their size, their bytes are in --save."""
    line: dict[str, Any] = {
        "kind": notice.__struct_config__.tag,
        "site": notice.pole.site,
        "node": notice.pole.node,
        "t_received_utc_us": t_received_utc_us,
    }
    fields = msgspec.structs.asdict(notice)
    del fields["pole"]
    if "thumbnail" in fields:
        thumbnail = fields.pop("thumbnail")
        line["thumbnail_bytes"] = None if thumbnail is None else len(thumbnail)
    return msgspec.json.encode(line | fields).decode()
