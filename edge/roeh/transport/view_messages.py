"""What audiences are told: types of their own, so that nothing else can be in them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.types import (
    Alert,
    AlertPhase,
    ClockState,
    Count,
    Priority,
    RuleKind,
    Sha256,
    TimeUs,
    Uuid7,
    Where,
)

#: To what a parent's times are rounded down.
PARENT_TIME_STEP_US = 5 * 60 * 1_000_000


class ViewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message to an audience, as it is handed to a broker.

    Attributes:
        retained: whether the broker keeps the last one for those who come later.
        expiry_s: when the broker forgets it, if nobody read it; None: never.
    """

    topic: str
    payload: bytes
    content_type: str
    retained: bool = False
    expiry_s: int | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    @property
    def qos(self) -> int:
        """Every one is acknowledged."""
        return 1


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in both languages."""

    he: str
    en: str


class JointAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert message as a joint patrol sees it: what to look for, and where.

    Attributes:
        id: of this message; a receiver removes duplicates by it.
        raised_id: ties the messages of one alert together.
        seq: what the order is by, within a pole; numbers are left out here.
        phase: "left": it goes on, but no longer in this sector.
        sector: whose it is, by the desk's configuration.
        pole: "site/node".
        places: what the pole sees, by names that everybody knows.
        where: None once it has left the sector.
    """

    schema: Literal["roeh/view-joint/1"] = "roeh/view-joint/1"
    id: Uuid7
    raised_id: Uuid7
    seq: Count
    phase: Literal["raised", "updated", "cleared", "left"]
    priority: Priority
    rule_kind: RuleKind
    label: str
    count: Count
    sector: str
    pole: str
    places: tuple[str, ...]
    where: Where | None
    t_utc_us: TimeUs
    clock: ClockState
    thumbnail_sha256: Sha256 | None


class ParentText(msgspec.Struct, frozen=True, kw_only=True):
    """What a parent patrol is told: a place and a kind, late, and not for long.

    Attributes:
        id: drawn by lot for this text; a receiver removes duplicates by it. The alert's own
            id would tell its time.
        place: as the desk's configuration names it.
        kind: what kind of rule it was, in plain words.
        t_utc_us: about when, rounded down to five minutes.
        expires_utc_us: forget it then; rounded likewise.
    """

    schema: Literal["roeh/view-text/1"] = "roeh/view-text/1"
    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}(?!\n)$")]
    place: str
    kind: Words
    t_utc_us: TimeUs
    expires_utc_us: TimeUs


class AlarmStep(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with an alarm, for other screens of the control room.

    Attributes:
        alarm_id: of the desk.
        version: of the alarm; a reader ignores one that is not higher than what it knows.
        pole: "site/node"; empty when it is about the desk itself.
        kind: a rule's kind, or what the desk found.
        raised_id: of the alert; None for what the desk found.
        step: "acknowledged", "shelved", "shelving over", "closed", "corrected" or "over".
        operator: who did it; "desk": the desk itself.
        until_utc_us: of a shelving.
        closed_as: "real", "false alarm" or "over".
    """

    schema: Literal["roeh/view-alarm/1"] = "roeh/view-alarm/1"
    alarm_id: str
    version: Count
    pole: str
    kind: str
    raised_id: Uuid7 | None
    step: str
    operator: str
    reason: str
    until_utc_us: TimeUs | None
    closed_as: str | None
    t_utc_us: TimeUs


#: The only words for a rule that leave the desk as text.
KIND_WORDS: dict[RuleKind, Words] = {
    RuleKind.ZONE_ENTRY: Words(he="תנועה באזור מנוטר", en="Movement in a watched area"),
    RuleKind.LINE_CROSSING: Words(he="חציית קו מנוטר", en="A watched line was crossed"),
    RuleKind.LOITERING: Words(he="שהייה ממושכת במקום", en="A long stay at one spot"),
    RuleKind.CROWD: Words(he="התקהלות", en="People gathering"),
    RuleKind.RUNNING: Words(he="ריצה", en="Somebody runs"),
    RuleKind.DISPERSAL: Words(he="התפזרות מהירה", en="People scatter"),
    RuleKind.VEHICLE_STOPPED: Words(he="רכב עומד", en="A vehicle has stopped"),
    RuleKind.OBJECT_LEFT: Words(he="חפץ שהושאר", en="An object was left behind"),
    RuleKind.SCUFFLE: Words(he="ייתכן עימות, לבדיקה", en="Possibly a scuffle, to be looked at"),
    RuleKind.LOUD_NOISE: Words(he="רעש חזק", en="A loud noise"),
    RuleKind.CAMERA_TAMPER: Words(he="פגיעה במצלמה", en="A camera was tampered with"),
    RuleKind.CAMERA_BLIND: Words(he="מצלמה אינה רואה", en="A camera does not see"),
}


def joint_alert(
    alert: Alert, *, sector: str, places: tuple[str, ...], in_sector: bool
) -> JointAlert:
    """An alert message for a sector that it is in, or was in before."""
    phase: Literal["raised", "updated", "cleared", "left"]
    phase = alert.phase.value if in_sector or alert.phase is AlertPhase.CLEARED else "left"
    return JointAlert(
        id=alert.id,
        raised_id=alert.raised_id,
        seq=alert.seq,
        phase=phase,
        priority=alert.priority,
        rule_kind=alert.rule_kind,
        label=alert.label,
        count=alert.count,
        sector=sector,
        pole=f"{alert.site}/{alert.node}",
        places=places,
        where=alert.where if in_sector else None,
        t_utc_us=alert.t_utc_us,
        clock=alert.clock,
        thumbnail_sha256=alert.thumbnail_sha256 if in_sector else None,
    )


def parent_text(
    *, text_id: str, place: str, kind: RuleKind, t_utc_us: int, expires_utc_us: int
) -> ParentText:
    """A text for a parent patrol; times are rounded here."""
    return ParentText(
        id=text_id,
        place=place,
        kind=KIND_WORDS[kind],
        t_utc_us=_rounded(t_utc_us),
        expires_utc_us=_rounded(expires_utc_us),
    )


def _rounded(t_us: int) -> int:
    return max(0, t_us - t_us % PARENT_TIME_STEP_US)
