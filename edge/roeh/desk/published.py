"""The published description of every message, generated from the types.

    python -m roeh.desk.published edge/docs/schema

renews the files: a JSON Schema (2020-12) for each JSON body, and two AsyncAPI 3.0 documents,
one seen from a pole and one from the control room. A test holds the files equal to the types.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

import roeh
from roeh.core.orders import Answer, Command
from roeh.core.types import Alert, Tombstone
from roeh.desk.adapters.onvif import PAYLOAD_PREFIX, OnvifEvent
from roeh.desk.witness.alarm import WitnessAlarms, alarm_topic
from roeh.transport.down import Ack
from roeh.transport.messages import (
    ALERT_ID,
    COMMAND_ID,
    SHA256,
    CheckpointMessage,
    HealthMessage,
    StateMessage,
)
from roeh.transport.schema import Json, json_schema, rendered
from roeh.transport.signed import StatementKind
from roeh.transport.topics import JPEG, JSON, PKCS7, ROOT, SIGNED, TOPICS, WEBP, Channel, Direction
from roeh.transport.view_messages import AlarmStep, JointAlert, ParentText
from roeh.transport.view_topics import ONVIF, VIEW_ROOT, VIEW_TOPICS, View

_BINDING_VERSION = "0.2.0"

#: The JSON bodies, by the names of their schema files.
BODIES: dict[str, type[msgspec.Struct]] = {
    "ack": Ack,
    "alert": Alert,
    "checkpoint": CheckpointMessage,
    "cmd": Command,
    "health": HealthMessage,
    "onvif-event": OnvifEvent,
    "rsp": Answer,
    "state": StateMessage,
    "tombstone": Tombstone,
    "view-alarm": AlarmStep,
    "view-joint": JointAlert,
    "view-text": ParentText,
    "witness-alarm": WitnessAlarms,
}
#: Bodies that travel inside a signed statement, and what its first line says.
_STATEMENTS: dict[str, StatementKind] = {
    "ack": StatementKind.ACK,
    "cmd": StatementKind.COMMAND,
    "rsp": StatementKind.ANSWER,
    "witness-alarm": StatementKind.ALARM,
}
_PARAMETERS = {
    "site": "Name of the site, as configured.",
    "node": "Name of the pole; its user name at the broker.",
    "audience": "Name of the audience, as desk.toml has it.",
    "sector": "Name of one of the audience's sectors.",
    "place": "Name of one of the audience's places.",
    "witness": "Name of the witness.",
    "rule_topic": "The ONVIF topic of the rule, without its namespace; three levels.",
    "source": "The values of Source, a level each.",
}


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of topic that is published.

    Attributes:
        key: its name in the documents.
        address: the topic, names in braces.
        from_pole: whether a pole publishes there; None: no pole takes part.
        from_desk: whether the desk publishes there.
        messages: names of bodies, or "picture" or "cosign".
    """

    key: str
    address: str
    from_pole: bool | None
    from_desk: bool
    qos: int
    retained: bool
    carries: str
    messages: tuple[str, ...]


_CHANNEL_MESSAGES: dict[Channel, tuple[str, ...]] = {
    Channel.ALERT: ("alert", "tombstone"),
    Channel.THUMB: ("picture",),
    Channel.HEALTH: ("health",),
    Channel.STATE: ("state",),
    Channel.CHECKPOINT: ("checkpoint",),
    Channel.RSP: ("rsp",),
    Channel.CMD: ("cmd",),
    Channel.ACK: ("ack",),
    Channel.COSIGN: ("cosign",),
    Channel.TRUST: ("trust",),
}
_VIEW_MESSAGES: dict[View, tuple[str, ...]] = {
    View.CONTROL_ALERT: ("alert",),
    View.CONTROL_THUMB: ("picture",),
    View.CONTROL_ALARM: ("view-alarm",),
    View.JOINT_ALERT: ("view-joint",),
    View.JOINT_THUMB: ("picture",),
    View.PARENT_TEXT: ("view-text",),
}

PUBLISHED: tuple[Published, ...] = (
    *(
        Published(
            key=row.channel.value,
            address=f"{ROOT}/{{site}}/{{node}}/{row.direction.value}/{row.channel.value}",
            from_pole=row.direction is Direction.UP,
            from_desk=row.direction is Direction.DOWN,
            qos=row.qos,
            retained=row.retained,
            carries=row.carries,
            messages=_CHANNEL_MESSAGES[row.channel],
        )
        for row in TOPICS.values()
    ),
    Published(
        key="witness-alarm",
        address=alarm_topic("{witness}"),
        from_pole=None,
        from_desk=True,
        qos=1,
        retained=True,
        carries="Everything that a witness is alarmed by now; signed.",
        messages=("witness-alarm",),
    ),
    *(
        Published(
            key=row.view.value,
            address=f"{VIEW_ROOT}/{row.shape}",
            from_pole=None,
            from_desk=True,
            qos=row.qos,
            retained=row.retained,
            carries=row.carries,
            messages=_VIEW_MESSAGES[row.view],
        )
        for row in VIEW_TOPICS.values()
    ),
    Published(
        key="onvif",
        address=f"{VIEW_ROOT}/{ONVIF}/{{site}}/{{node}}/{PAYLOAD_PREFIX}/{{rule_topic}}/&{{source}}",
        from_pole=None,
        from_desk=True,
        qos=1,
        retained=True,
        carries="Alerts as ONVIF events, if adapters.onvif is enabled; LineDetector not retained.",
        messages=("onvif-event",),
    ),
)


def documents() -> dict[str, bytes]:
    """Every generated file by its name."""
    files = {_schema_file(name): rendered(message_schema(name)) for name in BODIES}
    files["asyncapi.json"] = rendered(asyncapi(of_desk=False))
    files["asyncapi-desk.json"] = rendered(asyncapi(of_desk=True))
    return files


def message_schema(name: str) -> Json:
    """The JSON Schema of one body."""
    return json_schema(BODIES[name])


def asyncapi(*, of_desk: bool) -> Json:
    """The AsyncAPI 3.0 document, seen from the control room or from a pole."""
    published = [one for one in PUBLISHED if of_desk or one.from_pole is not None]
    names = sorted({name for one in published for name in one.messages})
    who = "control room" if of_desk else "pole"
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Roeh {who}",
            "version": roeh.__version__,
            "description": f"What a {who} says and is told over MQTT 5.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": {one.key: _channel(one) for one in published},
        "operations": {
            f"{_action(one, of_desk=of_desk)}-{one.key}": _operation(one, of_desk=of_desk)
            for one in published
        },
        "components": {"messages": {name: _message(name) for name in names}},
    }


def _action(one: Published, *, of_desk: bool) -> str:
    publishes = one.from_desk if of_desk else one.from_pole
    return "send" if publishes else "receive"


def _operation(one: Published, *, of_desk: bool) -> Json:
    return {
        "action": _action(one, of_desk=of_desk),
        "channel": {"$ref": f"#/channels/{one.key}"},
        "summary": one.carries,
        "bindings": {
            "mqtt": {"qos": one.qos, "retain": one.retained, "bindingVersion": _BINDING_VERSION}
        },
    }


def _channel(one: Published) -> Json:
    return {
        "address": one.address,
        "description": one.carries,
        "parameters": {
            name: {"description": text}
            for name, text in _PARAMETERS.items()
            if f"{{{name}}}" in one.address
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in one.messages},
    }


def _message(name: str) -> Json:
    if name == "picture":
        return _picture()
    if name == "cosign":
        return {
            "contentType": SIGNED,
            "description": "A C2SP checkpoint with a witness's cosignature (cosignature/v1).",
            "payload": {"type": "string"},
        }
    if name == "trust":
        return {
            "contentType": PKCS7,
            "description": "A trust list: CMS SignedData (DER), under the city's root.",
            "payload": {"type": "string", "format": "binary"},
        }
    if name in _STATEMENTS:
        return {
            "contentType": SIGNED,
            "description": (
                f"A C2SP signed note of three lines: {_STATEMENTS[name].value}, whom it is for or"
                " from, and the body as JSON."
            ),
            "payload": {"type": "string"},
            "x-roeh-body": {"$ref": f"./{_schema_file(name)}"},
        }
    return {
        "contentType": JSON,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{_schema_file(name)}"},
        },
    }


def _picture() -> Json:
    return {
        "contentType": JPEG,
        "description": f"The picture itself, {JPEG} or {WEBP}, at most 8 kB.",
        "headers": {
            "type": "object",
            "description": "MQTT 5 user properties.",
            "properties": {
                ALERT_ID: {"type": "string", "format": "uuid"},
                COMMAND_ID: {"type": "string", "format": "uuid"},
                SHA256: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            "required": [SHA256],
        },
    }


def _schema_file(name: str) -> str:
    return f"{name}.schema.json"


def main(arguments: list[str]) -> int:
    """Write the files into the directory given."""
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (directory / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
