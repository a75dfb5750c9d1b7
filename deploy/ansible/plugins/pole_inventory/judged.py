"""What `roeh config check` says of a pole's variables, in the words of the inventory."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pole_inventory.mistakes import Mistake
from pole_inventory.node_document import (
    FIXED,
    LISTS,
    OWN_SECTIONS,
    PLACE_KEYS,
    SETTINGS,
    node_document,
    toml_of,
)
from pole_inventory.parts import STAND_INS, parts
from roeh.core.config import parse_config
from roeh.core.errors import ConfigError

_FILE = "its node.toml"
#: Mistakes that the types tell; the others come from what keys mean together.
_OF_FORM = ("expected", "invalid value", "unknown key", "missing key")
_TWICE = "the name is used twice"
_NOTHING = object()
#: Steps before a sensor's own keys: sensors, its number.
_DEPTH_IN_SENSOR = 2
#: A place at the beginning of what an error names: sensors[0].lens.fov_deg.
_PLACE = re.compile(r"^[a-z_]+(?:\.[a-z_0-9]+|\[\d+\])*")
_STEP = re.compile(r"([a-z_0-9]+)|\[(\d+)\]")
#: Mistakes of one part that are told; what is removed so often is not repaired by reading on.
_MOST = 20


def judged(host: str, variables: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every mistake that the product finds, each once.

    Args:
        host: the inventory's name of the pole.
        variables: its variables, of the types that the roles say.
    """
    found = list(_empty(host, variables))
    variables = _without_empty(variables)
    found.extend(_misplaced(host, variables))
    found.extend(_fixed(host, variables.get("roeh_settings") or {}))
    for part in parts(variables):
        found.extend(_judge_part(host, part))
    if not found:
        # What only the whole shows: a name or a camera twice.
        settings = variables.get("roeh_settings") or {}
        found.extend(_judge_part(host, {**variables, "roeh_settings": settings}))
    yield from dict.fromkeys(found)


def _judge_part(host: str, variables: Mapping[str, Any]) -> Iterator[Mistake]:
    """The mistakes of a part: what is wrong is told, taken out, and the rest is read again."""
    document = copy.deepcopy(node_document(host, variables))
    removed: set[str] = set()
    for _ in range(_MOST):
        try:
            parse_config(toml_of(document), name=_FILE)
        except ConfigError as error:
            is_of_form = error.what.startswith(_OF_FORM)
            if removed and not is_of_form:
                return  # what is missing by now may be all that is wrong with it
            field = _field(error)
            if field not in removed:
                told = in_words(field)
                if error.what == "unknown key" and "." not in field:
                    told = f"roeh_settings.{field}"
                yield Mistake(host, told, error.what, in_words(error.remedy))
            place = _PLACE.match(field)
            if not is_of_form or place is None or not _take_out(document, place[0]):
                return
            removed.add(place[0])
        else:
            return


def _field(error: ConfigError) -> str:
    """The place that an error names, the same way for every kind of error."""
    field = error.which.removesuffix(f" in {_FILE}").removesuffix(f" of {_FILE}")
    if error.what in ("unknown key", "missing key"):
        key, _, table = field.partition(" in ")
        return key.strip("'") if table == "the top level" else f"{table}.{key.strip(chr(39))}"
    if error.what == _TWICE:
        name, _, table = field.partition(" in ")
        return f"{table} {name}"
    return field


def _take_out(document: dict[str, Any], place: str) -> bool:
    """Removes what stands at a place; False where nothing is left to read on with.

    What a sensor has to have gives way to a stand-in, so that the rest of it can be read.
    """
    steps = [key or int(index) for key, index in _STEP.findall(place)]
    holder: Any = document
    for depth, step in enumerate(steps[:-1]):
        try:
            inner = holder[step]
        except (KeyError, IndexError, TypeError):
            return False
        if depth == _DEPTH_IN_SENSOR and str(step) in STAND_INS and steps[-1] not in inner:
            holder[step] = STAND_INS[str(step)]
            return True
        holder = inner
    last = steps[-1]
    if not isinstance(holder, dict):
        return False
    if str(last) in STAND_INS and len(steps) > _DEPTH_IN_SENSOR:
        holder[last] = STAND_INS[str(last)]
        return True
    return holder.pop(last, _NOTHING) is not _NOTHING


def in_words(text: str) -> str:
    """Places in node.toml as the inventory's variables.

    >>> in_words("give node.heading_deg a number")
    'give roeh_heading.deg a number'
    """
    for (variable, key), field in PLACE_KEYS.items():
        text = re.sub(rf"\bnode\.{field}\b", f"{variable}.{key}", text)
    text = re.sub(r"\bnode\.site\b", "roeh_site", text)
    text = re.sub(r"\bnode\.name\b", "inventory_hostname", text)
    for variable, table in LISTS.items():
        text = re.sub(rf"(?<![\w.]){table}(?=\[|$| '|, a list)", variable, text)
    for section in SETTINGS:
        text = re.sub(rf"(?<![\w.]){section}\.(?=[a-z])", f"roeh_settings.{section}.", text)
    return text


def _misplaced(host: str, variables: Mapping[str, Any]) -> Iterator[Mistake]:
    """Sections in roeh_settings that have variables of their own."""
    for section in sorted((variables.get("roeh_settings") or {}).keys() & OWN_SECTIONS):
        has_variable = section == "node" or section in LISTS.values()
        yield Mistake(
            host,
            f"roeh_settings.{section}",
            "a section that stands elsewhere" if has_variable else "a section that the roles write",
            f"give it in {_variables_of(section)}" if has_variable else "leave it out",
        )


def _fixed(host: str, settings: Mapping[str, Any]) -> Iterator[Mistake]:
    """Keys in roeh_settings that the roles write, since units and users go with them."""
    for section in sorted(FIXED.keys() - OWN_SECTIONS):
        given, table = settings.get(section), FIXED[section]
        if not isinstance(given, Mapping):
            continue
        for key in given.keys() & table.keys():
            for name in _shared_keys(given[key], table[key]):
                yield Mistake(
                    host,
                    ".".join(filter(None, ("roeh_settings", section, key, name))),
                    "a key that the roles write",
                    "leave it out",
                )


def _shared_keys(given: object, own: object) -> Iterable[str]:
    """Keys that both tables have; one empty name where they are no tables."""
    if isinstance(given, Mapping) and isinstance(own, Mapping):
        return sorted(given.keys() & own.keys())
    return ("",)


def _variables_of(section: str) -> str:
    if section == "node":
        return "roeh_site, roeh_place and roeh_heading"
    return next(variable for variable, table in LISTS.items() if table == section)


def _empty(host: str, value: object, field: str = "") -> Iterator[Mistake]:
    """Keys without a value: YAML's null, which TOML has no word for."""
    if value is None:
        yield Mistake(host, field, "it has no value", "give one, or leave the line out")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _empty(host, item, f"{field}.{key}" if field else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _empty(host, item, f"{field}[{index}]")


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - YAML of any form
    if isinstance(value, Mapping):
        return {key: _without_empty(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_empty(item) for item in value if item is not None]
    return value
