"""Canonical JSON (RFC 8785) of what the ledger holds, and no more of it.

Values are objects, arrays, texts, integers, true, false and null. Floats are refused: how
they are written is the hard part of the RFC, and no record needs one. The same value gives
the same bytes in every language, so a hash of them can be checked anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from roeh.core.errors import MessageRefused

#: Integers beyond this are not exact in every reader of JSON (RFC 8785 section 3.2.2.3).
MAX_INTEGER = 2**53 - 1

Value = Mapping[str, "Value"] | Sequence["Value"] | str | int | bool | None

# RFC 8785 section 3.2.2.2: only these are escaped, in the shortest way there is.
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)} | {
    ord(character): escape
    for character, escape in {
        "\b": "\\b",
        "\t": "\\t",
        "\n": "\\n",
        "\f": "\\f",
        "\r": "\\r",
        '"': '\\"',
        "\\": "\\\\",
    }.items()
}


def canonical_json(value: Value) -> bytes:
    """The one way to write `value`, in UTF-8.

    Raises:
        MessageRefused: it holds a float, an integer that is too large, a text that is not
            Unicode, or something that JSON has no form for.
    """
    try:
        return "".join(_written(value)).encode("utf-8")
    except UnicodeEncodeError:
        raise _refused("a text with half a surrogate pair") from None


def canonical_struct(struct: msgspec.Struct) -> bytes:
    """The canonical JSON of a message type.

    Raises:
        MessageRefused: as `canonical_json`.
    """
    value: Value = msgspec.to_builtins(struct)
    return canonical_json(value)


def _written(value: Value) -> Iterator[str]:
    if value is None:
        yield "null"
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise _refused(f"the integer {value}")
        yield str(value)
    elif isinstance(value, str):
        yield _quoted(value)
    elif isinstance(value, Mapping):
        yield from _object(value)
    elif isinstance(value, (list, tuple)):
        yield from _array(value)
    else:
        raise _refused(f"a {type(value).__name__}")


def _object(members: Mapping[str, Value]) -> Iterator[str]:
    for name in members:
        # It may come from outside the type checker's sight.
        if not isinstance(name, str):
            raise _refused("a name that is not a text")
    yield "{"
    # UTF-16 code units compare as their big endian bytes do (RFC 8785 section 3.2.3).
    in_order = sorted(members, key=lambda name: name.encode("utf-16-be"))
    for place, name in enumerate(in_order):
        if place:
            yield ","
        yield _quoted(name)
        yield ":"
        yield from _written(members[name])
    yield "}"


def _array(items: Sequence[Value]) -> Iterator[str]:
    yield "["
    for place, item in enumerate(items):
        if place:
            yield ","
        yield from _written(item)
    yield "]"


def _quoted(text: str) -> str:
    escaped = _ESCAPED.sub(lambda found: _ESCAPES[ord(found.group())], text)
    return f'"{escaped}"'


def _refused(what: str) -> MessageRefused:
    return MessageRefused(
        what=f"canonical JSON has no place for {what}",
        which="a record of the ledger",
        remedy="write integers, texts, booleans, null, and objects and arrays of them",
    )
