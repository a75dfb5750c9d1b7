"""Alerts as CAP 1.2 messages (OASIS Standard CAP-V1.2, 1 July 2010). Pure.

An alert's first message is an Alert, what follows an Update and what clears it a Cancel, each
naming those before it. Everything is computed from the stored messages, so the same message
written twice is the same file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Literal
from xml.etree import ElementTree as ET

from roeh.core.config import CapAdapter
from roeh.core.types import Alert, AlertPhase, Where
from roeh.transport.view_messages import KIND_WORDS

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
#: A circle of two sigmas holds the position 86 times of 100 (two dimensions).
_CIRCLE_SIGMAS = 2.0
_MIN_RADIUS_KM = 0.005
#: Half round the earth: what is further is nowhere.
_MAX_RADIUS_KM = 20_000.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_RESTRICTION = "For the control room and whom it names."
#: Severity by priority, 1 (lowest) to 9.
_SEVERITIES = (
    *("Minor", "Minor", "Minor"),
    *("Moderate", "Moderate", "Moderate"),
    *("Severe", "Severe", "Extreme"),
)
_AREA = {"he": "סביבת עמוד", "en": "Around pole"}
_OVER = {"he": "הסתיים", "en": "over"}
_LANGUAGES: tuple[tuple[Literal["he", "en"], str], ...] = (("he", "he-IL"), ("en", "en-US"))


def cap_message(
    alert: Alert,
    earlier: Sequence[Alert],
    *,
    section: CapAdapter,
    sender_name: str,
    places: tuple[str, ...],
) -> bytes | None:
    """The message as XML in UTF-8; None when it is below the priority that is passed on.

    Args:
        alert: one message of an alert.
        earlier: those before it, oldest first.
        section: adapters.cap.
        sender_name: for a person.
        places: what the pole sees, by names that everybody knows.
    """
    told = [message for message in earlier if message.priority >= section.min_priority]
    is_over = alert.phase is AlertPhase.CLEARED
    if alert.priority < section.min_priority and not told:
        return None
    if is_over and not told:
        return None
    root = ET.Element("alert", xmlns=NAMESPACE)
    _add(root, "identifier", alert.id)
    _add(root, "sender", section.sender)
    _add(root, "sent", cap_time(alert.t_utc_us))
    _add(root, "status", section.status)
    _add(root, "msgType", _message_type(is_over=is_over, is_first=not told))
    _add(root, "scope", "Restricted")
    _add(root, "restriction", _RESTRICTION)
    if told:
        _add(root, "references", " ".join(_reference(message, section) for message in told))
    _add(root, "incidents", alert.raised_id)
    for language, tag in _LANGUAGES:
        _add_info(root, alert, section, sender_name, places, language=language, tag=tag)
    body: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode()


def cap_time(t_us: int) -> str:
    """xs:dateTime as CAP wants it: to the second, with an offset and never a Z."""
    return f"{_EPOCH + timedelta(microseconds=t_us):%Y-%m-%dT%H:%M:%S}-00:00"


def _message_type(*, is_over: bool, is_first: bool) -> str:
    if is_over:
        return "Cancel"
    return "Alert" if is_first else "Update"


def _reference(message: Alert, section: CapAdapter) -> str:
    return f"{section.sender},{message.id},{cap_time(message.t_utc_us)}"


def _add_info(
    root: ET.Element,
    alert: Alert,
    section: CapAdapter,
    sender_name: str,
    places: tuple[str, ...],
    *,
    language: Literal["he", "en"],
    tag: str,
) -> None:
    is_over = alert.phase is AlertPhase.CLEARED
    words = KIND_WORDS[alert.rule_kind]
    event = words.he if language == "he" else words.en
    info = ET.SubElement(root, "info")
    _add(info, "language", tag)
    _add(info, "category", "Security")
    _add(info, "event", event)
    _add(info, "responseType", "AllClear" if is_over else "Assess")
    _add(info, "urgency", "Past" if is_over else "Immediate")
    _add(info, "severity", _SEVERITIES[alert.priority - 1])
    _add(info, "certainty", _certainty(alert))
    _add(info, "expires", cap_time(alert.t_utc_us + round(section.expire_s * 1_000_000)))
    _add(info, "senderName", sender_name)
    _add(info, "headline", f"{event} ({_OVER[language]})" if is_over else event)
    _add_parameter(info, "roeh:rule", alert.rule)
    _add_parameter(info, "roeh:pole", f"{alert.site}/{alert.node}")
    _add_parameter(info, "roeh:seq", str(alert.seq))
    _add_parameter(info, "roeh:clock-synchronised", str(alert.clock.synchronised).lower())
    area = ET.SubElement(info, "area")
    here = f"{_AREA[language]} {alert.site}/{alert.node}"
    _add(area, "areaDesc", "; ".join(places) if places else here)
    where = alert.where
    if _is_on_earth(where):
        radius_km = max(_MIN_RADIUS_KM, _CIRCLE_SIGMAS * where.position_sigma_m / 1000)
        radius_km = min(radius_km, _MAX_RADIUS_KM)
        # Rounded up: a circle that is too small would be a false statement.
        radius = f"{math.ceil(radius_km * 1000) / 1000:.3f}"
        _add(area, "circle", f"{where.latitude_deg:.6f},{where.longitude_deg:.6f} {radius}")


def _certainty(alert: Alert) -> str:
    """CAP 1.2, 3.2.2: likely is more probable than not; an advisory rule never says so."""
    return "Likely" if alert.confidence >= 0.5 and not alert.advisory else "Possible"


def _is_on_earth(where: Where) -> bool:
    """Whether it names a place: a pole may say any number."""
    if where.latitude_deg is None or where.longitude_deg is None:
        return False
    return abs(where.latitude_deg) <= 90 and abs(where.longitude_deg) <= 180


def _add_parameter(info: ET.Element, name: str, value: str) -> None:
    parameter = ET.SubElement(info, "parameter")
    _add(parameter, "valueName", name)
    _add(parameter, "value", value)


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = "".join(_allowed(sign) for sign in text)


def _allowed(sign: str) -> str:
    """XML 1.0 has no control characters, not even escaped."""
    return sign if sign.isprintable() else " "
