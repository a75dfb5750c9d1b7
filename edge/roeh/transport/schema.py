"""A JSON Schema (2020-12) of a type, as it is published: what its encoding keeps.

edge/docs/schema is written from these by roeh.desk.published.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as type_inspect

from roeh.transport.messages import MAX_INTEGER

# A JSON document: the one place where a dict is the honest type.
Json = dict[str, Any]

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(message_type: type[msgspec.Struct]) -> Json:
    """The schema of what `msgspec.json.encode` makes of this type."""
    schema = msgspec.json.schema(message_type)
    sparing = {struct.__name__ for struct in _structs(message_type) if _omits_defaults(struct)}
    for part in _objects(schema):
        _tighten(part, sparing)
    return {"$schema": SCHEMA_DIALECT, **schema}


def rendered(document: Json) -> bytes:
    """A document as its file."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _tighten(part: Json, sparing: set[str]) -> None:
    """State what the types cannot: which fields are always sent; no integer above 2^53."""
    if isinstance(part.get("description"), str):
        part["description"] = inspect.cleandoc(part["description"])
    if "properties" in part:
        part["required"] = [
            name
            for name, field in part["properties"].items()
            if part.get("title") not in sparing or "default" not in field
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


def _omits_defaults(struct: type[msgspec.Struct]) -> bool:
    return struct.__struct_config__.omit_defaults


def _structs(message_type: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """The type and every struct inside it."""
    found: set[type[msgspec.Struct]] = set()
    pending: list[object] = [type_inspect.type_info(message_type)]
    while pending:
        info = pending.pop()
        if isinstance(info, type_inspect.StructType):
            if info.cls in found:
                continue
            found.add(info.cls)
            pending += [field.type for field in info.fields]
        elif isinstance(info, type_inspect.Metadata):
            pending.append(info.type)
        elif isinstance(info, type_inspect.UnionType):
            pending += info.types
        elif isinstance(info, type_inspect.VarTupleType):
            pending.append(info.item_type)
    return found
