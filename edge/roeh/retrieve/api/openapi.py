"""The OpenAPI 3.1 document of the table of routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.inspect import StructType, type_info

import roeh
from roeh.access.roles import ALLOWED
from roeh.retrieve.api.routes import API, JSON, Route
from roeh.retrieve.door.problems import Problem

#: Part of a JSON document; its shape is the standard's, not ours.
Document = dict[str, Any]

_REF = "#/components/schemas/{name}"
_PROBLEMS = {
    400: "The request cannot be meant",
    403: "This person may not, or is not believed",
    404: "There is none",
    408: "The body took too long to arrive",
    409: "Not as things are",
    413: "The body is too long",
    415: "The body has another type",
    422: "The video cannot be decoded",
    429: "Too many requests a minute",
    431: "The head is too long",
    502: "Evidence did not understand: another version",
    503: "Busy, or evidence does not answer: ask again",
    507: "No room",
}


def openapi_document(routes: Iterable[Route]) -> Document:
    """The document, for msgspec.json.encode."""
    routes = tuple(routes)
    types = {Problem: None} | {kind: None for route in routes for kind in _json_types(route)}
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    paths: dict[str, Document] = {}
    for route in routes:
        paths.setdefault(API + route.path, {})[route.method.lower()] = _operation(route, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retrieval of evidence from a pole",
            "version": roeh.__version__,
            "summary": "TLS 1.3 with a client certificate of the police or staff CA.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: _readable(schema) for name, schema in components.items()},
            "securitySchemes": {"certificate": {"type": "mutualTLS"}},
        },
        "security": [{"certificate": []}],
    }


def _json_types(route: Route) -> Iterable[type[msgspec.Struct]]:
    if route.answer is not None:
        yield route.answer
    yield route.path_type
    yield route.query_type
    for body_type in route.bodies.values():
        if issubclass(body_type, msgspec.Struct):
            yield body_type


def _operation(route: Route, components: dict[str, Document]) -> Document:
    roles = sorted(role.value for role in ALLOWED[route.action])
    operation: Document = {
        "operationId": route.name,
        "summary": (route.endpoint.__doc__ or "").strip().removesuffix("."),
        "description": f"Action `{route.action.value}`: {', '.join(roles)}.",
        "parameters": [
            *_parameters(route.path_type, "path", components),
            *_parameters(route.query_type, "query", components),
        ],
        "responses": {str(route.success): _success(route)}
        | {str(status): _problem(what) for status, what in _PROBLEMS.items()},
    }
    if route.bodies:
        operation["requestBody"] = {
            "required": True,
            "content": {
                media_type: {"schema": _body_schema(body_type)}
                for media_type, body_type in route.bodies.items()
            },
        }
    return operation


def _success(route: Route) -> Document:
    if route.answer is not None:
        schema = {"$ref": _REF.format(name=route.answer.__name__)}
        return {"description": "As asked", "content": {JSON: {"schema": schema}}}
    content: Document = {media_type: {} for media_type in route.media_types}
    return {"description": "As asked", "content": content}


def _problem(what: str) -> Document:
    schema = {"$ref": _REF.format(name=Problem.__name__)}
    return {"description": what, "content": {JSON: {"schema": schema}}}


def _body_schema(body_type: type[msgspec.Struct] | type[bytes]) -> Document:
    if issubclass(body_type, msgspec.Struct):
        return {"$ref": _REF.format(name=body_type.__name__)}
    return {"type": "string", "format": "binary"}


def _parameters(
    question: type[msgspec.Struct], place: str, components: dict[str, Document]
) -> list[Document]:
    info = type_info(question)
    assert isinstance(info, StructType)
    properties = components[question.__name__].get("properties", {})
    return [
        {
            "name": field.encode_name,
            "in": place,
            "required": field.required,
            "schema": _readable(_without_none(properties[field.encode_name])),
        }
        for field in info.fields
    ]


def _without_none(schema: Document) -> Document:
    """A parameter is there or not; it is never null."""
    choices = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return choices[0] if len(choices) == 1 else schema


def _readable(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    r"""Patterns as ECMA-262 and every JSON Schema library read them.

    `(?!\n)$` guards Python's `$`, which lets a last line feed pass; ECMA's does not.
    """
    if isinstance(schema, dict):
        return {
            key: value.replace("(?!\\n)$", "$") if key == "pattern" else _readable(value)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_readable(part) for part in schema]
    return schema
