"""Alerts as ONVIF events in JSON over MQTT, for video management systems. Pure.

After the ONVIF Core Specification, "Event Broker": topic structure, JSON event payload, property
events; and the ONVIF Analytics Service Specification, annex "Specified Rules", for topics and
items (onvif/specs on GitHub, doc/Core.xml at 003b65c1, doc/Analytics.xml at 007b89a0).

    TopicPrefix "/onvif-ej/" LocalTopic "/&" Source value *("/" Source value)

Each pole is a device with a topic prefix of its own, and one video source, since an alert is
about ground that several of its sensors see. There is no ONVIF rule for a gathering: it is told
as the number inside an enclosure, which is the nearest.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec

from roeh.core.types import Alert, AlertPhase, RuleKind
from roeh.transport.topics import JSON
from roeh.transport.view_messages import ViewMessage

#: Says in a topic that an ONVIF event in JSON follows.
PAYLOAD_PREFIX = "onvif-ej"
#: The analytics configuration that all rules belong to.
CONFIGURATION = "roeh"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Item = str | int | bool


class OnvifRule(msgspec.Struct, frozen=True):
    """How a rule kind is told.

    Attributes:
        topic: without the namespace tns1, as MQTT wants it; others keep theirs.
        is_property: a state that the broker keeps; else something that happened once.
    """

    topic: str
    is_property: bool


RULES: dict[RuleKind, OnvifRule] = {
    RuleKind.ZONE_ENTRY: OnvifRule("RuleEngine/FieldDetector/ObjectsInside", is_property=True),
    RuleKind.LINE_CROSSING: OnvifRule("RuleEngine/LineDetector/Crossed", is_property=False),
    RuleKind.LOITERING: OnvifRule(
        "RuleEngine/LoiteringDetector/ObjectIsLoitering", is_property=True
    ),
    RuleKind.CROWD: OnvifRule("RuleEngine/CountAggregation/OccupancyCounter", is_property=True),
    # ONVIF has no rules for these: topics of our own, as it asks of whoever adds some.
    RuleKind.RUNNING: OnvifRule("tnsroeh:RuleEngine/Running", is_property=True),
    RuleKind.DISPERSAL: OnvifRule("tnsroeh:RuleEngine/Dispersal", is_property=False),
    RuleKind.VEHICLE_STOPPED: OnvifRule("tnsroeh:RuleEngine/VehicleStopped", is_property=True),
    RuleKind.OBJECT_LEFT: OnvifRule("tnsroeh:RuleEngine/ObjectLeft", is_property=True),
    RuleKind.SCUFFLE: OnvifRule("tnsroeh:RuleEngine/PossibleScuffle", is_property=True),
    RuleKind.LOUD_NOISE: OnvifRule("tnsroeh:RuleEngine/LoudNoise", is_property=True),
    RuleKind.CAMERA_TAMPER: OnvifRule("tnsroeh:RuleEngine/CameraTamper", is_property=True),
    RuleKind.CAMERA_BLIND: OnvifRule("tnsroeh:RuleEngine/CameraBlind", is_property=True),
}

#: tt:ObjectType of each label.
CLASS_TYPES: dict[str, str] = {
    "person": "Human",
    "bicycle": "Bicycle",
    "car": "Vehicle",
    "motorcycle": "Vehicle",
    "bus": "Vehicle",
    "truck": "Vehicle",
    "dog": "Animal",
}


class OnvifEvent(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The payload: when, who and what. PropertyOperation is not sent over MQTT."""

    utc_time: str
    source: dict[str, str]
    data: dict[str, Item]


def onvif_messages(alert: Alert, *, prefix: str, others_open: bool) -> list[ViewMessage]:
    """What this alert message is as an event; nothing where it changes nothing.

    Args:
        alert: the newest message of its alert.
        prefix: before the pole's own part of the topic prefix.
        others_open: another alert of this rule goes on, so the state does not end with this.
    """
    rule = RULES[alert.rule_kind]
    is_over = alert.phase is AlertPhase.CLEARED
    if is_over and others_open:
        return []
    if not rule.is_property and alert.phase is not AlertPhase.RAISED:
        return []
    source = {
        "VideoSource": token(alert.node),
        "AnalyticsConfiguration": CONFIGURATION,
        "Rule": token(alert.rule),
    }
    device = f"{prefix}/{token(alert.site)}/{token(alert.node)}"
    topic = f"{device}/{PAYLOAD_PREFIX}/{rule.topic}/&{'/'.join(source.values())}"
    # A loiterer who is gone is a property that is deleted: an empty payload.
    is_deleted = is_over and alert.rule_kind is RuleKind.LOITERING
    event = OnvifEvent(utc_time=utc_time(alert.t_utc_us), source=source, data=_items(alert))
    return [
        ViewMessage(
            topic=topic,
            payload=b"" if is_deleted else msgspec.json.encode(event),
            content_type=JSON,
            retained=rule.is_property,
        )
    ]


def token(name: str) -> str:
    """A name as a level of a topic: what MQTT gives a meaning is replaced."""
    kept = (sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in name)
    return "".join(kept)[:64] or "-"


def utc_time(t_us: int) -> str:
    """xs:dateTime in UTC, to the millisecond."""
    moment = _EPOCH + timedelta(microseconds=t_us)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _items(alert: Alert) -> dict[str, Item]:
    is_over = alert.phase is AlertPhase.CLEARED
    items: dict[str, Item] = {}
    if alert.rule_kind is RuleKind.ZONE_ENTRY:
        items["IsInside"] = not is_over
    elif alert.rule_kind is RuleKind.CROWD:
        items["Count"] = 0 if is_over else alert.count
    elif alert.rule_kind is RuleKind.LOITERING:
        # A pole may say any number: not before 1970, not after now.
        dwell_us = round(min(max(0.0, alert.dwell_s * 1e6), float(alert.t_utc_us)))
        items["Since"] = utc_time(alert.t_utc_us - dwell_us)
    elif RULES[alert.rule_kind].is_property:
        items["State"] = not is_over
    if not is_over and alert.track_ids:
        class_type = CLASS_TYPES.get(alert.label, "Other")
        items["ObjectId"] = " ".join(str(track) for track in alert.track_ids)
        items["ClassTypes"] = " ".join(class_type for _ in alert.track_ids)
    return items
