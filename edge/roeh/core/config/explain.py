"""A mistake in the words of the file that has it: which field, and what to write."""

# It walks values and type information of any shape.
# ruff: noqa: ANN401

from __future__ import annotations

import difflib
import re
import reprlib
from typing import Any

import msgspec
from msgspec import inspect

from roeh.core.config.wanted import TYPE_WORDS, UNITS, known_keys, plain_type, same_quantity, wanted
from roeh.core.errors import ConfigError

_PLACE = re.compile(r"^(?P<message>.*?)(?: - at `(?P<place>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<key>.*)`", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<key>[^`]*)`")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_QUOTED_TYPE = re.compile(r"`([^`]*)`")


def shown(value: Any) -> str:
    """A value as an error line shows it: on one line, and not for ever."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = 60
    return brief.repr(value)


def explain(text: str, values: Any, section: type[msgspec.Struct], name: str) -> ConfigError:
    """The error for a validation message of msgspec's.

    Args:
        text: the message.
        values: what the file holds.
        section: the type it was to become.
        name: of the file.
    """
    match = _PLACE.match(text)
    message = match["message"] if match else text
    place = (match["place"] if match else None) or "$"
    table = place.lstrip("$").lstrip(".")
    where = f"{table or 'the top level'} of {name}"
    unknown, missing = _UNKNOWN.search(message), _MISSING.search(message)
    if unknown:
        key = unknown["key"]
        info = _type_at(section, place, values)
        return ConfigError(
            what="unknown key", which=f"{shown(key)} in {where}", remedy=_suggest(key, info)
        )
    if missing:
        key = missing["key"]
        info = _type_at(section, place, values)
        return ConfigError(
            what="missing key",
            which=f"{key} in {where}",
            remedy=f"add {key}{_wanted_of_missing(info, key)}",
        )
    key = table.rpartition(".")[2].partition("[")[0]
    info = _type_at(section, place, values)
    return ConfigError(
        what=_in_words(message),
        which=f"{table or 'the file'} = {shown(_value_at(values, place))} in {name}",
        remedy=f"give {table or 'the file'} {wanted(info, key)}",
    )


def _in_words(message: str) -> str:
    def words(match: re.Match[str]) -> str:
        kinds = [kind.strip() for kind in match[1].split("|")]
        return " or ".join(TYPE_WORDS.get(kind, kind) for kind in kinds if kind != "null")

    start, pattern, _ = _QUOTED_TYPE.sub(words, message).partition(" matching regex ")
    plain = f"{start} of another form" if pattern else start
    plain = plain.replace("nvalid enum value", "nvalid value")
    return f"{plain[0].lower()}{plain[1:]}"


def _value_at(values: Any, place: str) -> Any:
    for key, index in _STEP.findall(place):
        try:
            values = values[key] if key else values[int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _type_at(section: type[msgspec.Struct], place: str, values: Any) -> Any:
    """The type information of the field at `place`; of the field itself for a union's tag."""
    info: Any = inspect.type_info(section)
    for key, index in _STEP.findall(place):
        try:
            values = values[key] if key else values[int(index)]
        except (KeyError, IndexError, TypeError):
            values = None
        if key:
            found = [
                field.type for field in getattr(info, "fields", ()) if field.encode_name == key
            ]
            if not found:
                return info  # the tag of a union
            info = found[0]
        else:
            info = _item(plain_type(info), int(index))
        info = _chosen(info, values)
    return info


def _item(info: Any, index: int) -> Any:
    items = getattr(info, "item_types", None)
    return items[index] if items else info.item_type


def _chosen(info: Any, values: Any) -> Any:
    """The member of a union that the tag in `values` chooses; the only one beside nothing."""
    plain = plain_type(info)
    if not isinstance(plain, inspect.UnionType):
        return info
    members = [member for member in plain.types if not isinstance(member, inspect.NoneType)]
    if len(members) == 1:
        return members[0]
    if isinstance(values, dict):
        for member in members:
            if (
                isinstance(member, inspect.StructType)
                and member.tag_field is not None
                and values.get(member.tag_field) == member.tag
            ):
                return member
    return info


def _wanted_of_missing(info: Any, key: str) -> str:
    info = plain_type(info)
    if isinstance(info, inspect.UnionType):  # the tag that says which member it is
        return f", {wanted(info, key)}"
    for field in getattr(info, "fields", ()):
        if field.encode_name == key:
            return f", {wanted(field.type, key)}"
    return ""


def _suggest(key: str, info: Any) -> str:
    """What was probably meant: our unit, a table further in, or the nearest spelling."""
    known = known_keys(info)
    stem, _, unit = key.rpartition("_")
    for candidate in known:
        known_stem, _, known_unit = candidate.rpartition("_")
        converted = known_stem == stem and same_quantity(unit, known_unit)
        if converted or (known_stem == key and known_unit in UNITS):
            return f"{candidate} is given in {UNITS[known_unit]}: write {candidate}"
    for table in getattr(plain_type(info), "fields", ()):
        if key in known_keys(table.type):
            return f"did you mean {table.encode_name}.{key}?"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known keys: {', '.join(sorted(known))}"
