"""The published description of every message, generated from the types.

    python -m roeh.transport.schema edge/docs/schema

renews the files: a JSON Schema (2020-12) for each JSON payload and one AsyncAPI 3.0
document. A test holds the files equal to the types.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import roeh
from roeh.core.types import Alert, Tombstone
from roeh.transport.messages import (
    ALERT_ID,
    MAX_INTEGER,
    SHA256,
    HealthMessage,
    StateMessage,
)
from roeh.transport.topics import ROOT, TOPICS, Channel, Direction, TopicRow

# A JSON document: the one place where a dict is the honest type.
Json = dict[str, Any]

_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MESSAGE_TYPES: dict[str, type[msgspec.Struct]] = {
    "alert": Alert,
    "tombstone": Tombstone,
    "state": StateMessage,
    "health": HealthMessage,
}
#: Which messages travel on a channel; a channel without any is reserved.
_CHANNEL_MESSAGES: dict[Channel, tuple[str, ...]] = {
    Channel.ALERT: ("alert", "tombstone"),
    Channel.THUMB: ("thumb",),
    Channel.HEALTH: ("health",),
    Channel.STATE: ("state",),
}


def documents() -> dict[str, bytes]:
    """Every generated file by its name."""
    files = {_schema_file(name): _render(message_schema(name)) for name in sorted(_MESSAGE_TYPES)}
    files["asyncapi.json"] = _render(asyncapi())
    return files


def message_schema(name: str) -> Json:
    """The JSON Schema of one payload: "alert", "tombstone", "state" or "health"."""
    schema = msgspec.json.schema(_MESSAGE_TYPES[name])
    for part in _objects(schema):
        _tighten(part)
    return {"$schema": _SCHEMA_DIALECT, **schema}


def asyncapi() -> Json:
    """The AsyncAPI 3.0 document, seen from the node."""
    live = [row for row in TOPICS.values() if row.channel in _CHANNEL_MESSAGES]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Roeh pole node",
            "version": roeh.__version__,
            "description": "What a pole says to its control room over MQTT 5.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {row.channel.value: _channel(row) for row in TOPICS.values()},
        "operations": {
            f"publish-{row.channel.value}": {
                "action": "send" if row.direction is Direction.UP else "receive",
                "channel": {"$ref": f"#/channels/{row.channel.value}"},
                "summary": row.carries,
                "bindings": {"mqtt": {"qos": row.qos, "retain": row.retained}},
            }
            for row in live
        },
        "components": {
            "messages": {
                name: _message(name) for names in _CHANNEL_MESSAGES.values() for name in names
            }
        },
    }


def _channel(row: TopicRow) -> Json:
    return {
        "address": f"{ROOT}/{{site}}/{{node}}/{row.direction.value}/{row.channel.value}",
        "description": row.carries,
        "parameters": {
            "site": {"description": "Name of the site, as configured."},
            "node": {"description": "Name of the pole; its user name at the broker."},
        },
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for name in _CHANNEL_MESSAGES.get(row.channel, ())
        },
    }


def _message(name: str) -> Json:
    if name == "thumb":
        return {
            "contentType": TOPICS[Channel.THUMB].content_type,
            "description": "The JPEG itself, at most 8 kB.",
            "headers": {
                "type": "object",
                "description": "MQTT 5 user properties.",
                "properties": {
                    ALERT_ID: {"type": "string", "format": "uuid"},
                    SHA256: {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                },
                "required": [ALERT_ID, SHA256],
            },
        }
    return {
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{_schema_file(name)}"},
        },
    }


def _tighten(part: Json) -> None:
    """State what the types cannot: what has no default is sent, no integer is larger than 2^53."""
    if isinstance(part.get("description"), str):
        part["description"] = inspect.cleandoc(part["description"])
    if "properties" in part:
        part["required"] = [
            name for name, field in part["properties"].items() if "default" not in field
        ]
    if part.get("type") == "integer":
        if "minimum" not in part and "exclusiveMinimum" not in part:
            part["minimum"] = -MAX_INTEGER
        if "maximum" not in part and "exclusiveMaximum" not in part:
            part["maximum"] = MAX_INTEGER


def _objects(node: object) -> Iterator[Json]:
    """Every object inside a JSON document."""
    if isinstance(node, dict):
        yield node
        for child in list(node.values()):
            yield from _objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from _objects(child)


def _schema_file(name: str) -> str:
    return f"{name}.schema.json"


def _render(document: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def main(arguments: list[str]) -> int:
    """Write the files into the directory given."""
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (directory / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
