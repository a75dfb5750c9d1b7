"""A pole's variables in parts that can be wrong by themselves.

`roeh config check` names the first mistake of a file. So that a person mends all of them after one
run, each part is given to it alone, among stand-ins for what it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pole_inventory.node_document import OWN_SECTIONS

#: What a sensor has to have.
STAND_INS: Mapping[str, Mapping[str, Any]] = {
    "source": {"kind": "composed"},
    "lens": {"model": "pinhole", "width_px": 640, "height_px": 384, "fov_deg": 60.0},
}
_NODE_VARIABLES = ("roeh_site", "roeh_place", "roeh_heading")


def parts(variables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Variables of one part each, enough to make a node.toml that is right if the part is."""
    yield {
        "roeh_sensors": _sensors(1),
        **{name: variables[name] for name in _NODE_VARIABLES if name in variables},
    }
    for index, sensor in enumerate(_listed(variables, "roeh_sensors")):
        yield {"roeh_sensors": [*_sensors(index), sensor]}
    named = {
        "roeh_zones": [_zone(name) for name in _names(variables, "roeh_zones")],
        "roeh_lines": [_line(name) for name in _names(variables, "roeh_lines")],
        "roeh_schedules": [_schedule(name) for name in _names(variables, "roeh_schedules")],
    }
    used = {
        **named,
        "roeh_operations": [_operation(name) for name in _names(variables, "roeh_operations")],
        "roeh_outputs": [_output(name) for name in _names(variables, "roeh_outputs")],
    }
    for variable, stand_in in (
        ("roeh_zones", _zone),
        ("roeh_lines", _line),
        ("roeh_schedules", _schedule),
    ):
        for index, item in enumerate(_listed(variables, variable)):
            before = [stand_in(f"stand-in-{number}") for number in range(index)]
            yield {"roeh_sensors": _sensors(1), variable: [*before, item]}
    for variable, stand_in in (("roeh_operations", _operation), ("roeh_outputs", _output)):
        for index, item in enumerate(_listed(variables, variable)):
            before = [stand_in(f"stand-in-{number}") for number in range(index)]
            yield {**named, "roeh_sensors": _sensors(1), variable: [*before, item]}
    for index, rule in enumerate(_listed(variables, "roeh_rules")):
        own = rule.get("name") if isinstance(rule, Mapping) else None
        # Behind it those that it may be instead of.
        others = [_rule(name) for name in _names(variables, "roeh_rules") if name != own]
        rules = [*_rules(index), rule, *others]
        yield {**used, "roeh_sensors": _sensors(1), "roeh_rules": rules}
    settings = variables.get("roeh_settings")
    for section, table in (settings if isinstance(settings, Mapping) else {}).items():
        if section not in OWN_SECTIONS:
            yield {"roeh_sensors": _sensors(1), "roeh_settings": {section: table}}


def _listed(variables: Mapping[str, Any], variable: str) -> list[Any]:
    value = variables.get(variable)
    return value if isinstance(value, list) else []


def _names(variables: Mapping[str, Any], variable: str) -> list[str]:
    """Names that rules may use; a name that is none, or stands twice, is told elsewhere."""
    items = [item for item in _listed(variables, variable) if isinstance(item, Mapping)]
    return list(dict.fromkeys(item["name"] for item in items if isinstance(item.get("name"), str)))


def _sensors(count: int) -> list[dict[str, Any]]:
    return [{"name": f"stand-in-{number}", **STAND_INS} for number in range(count)]


def _rules(count: int) -> list[dict[str, Any]]:
    return [_rule(f"stand-in-{number}") for number in range(count)]


def _rule(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "crowd"}


def _zone(name: str) -> dict[str, Any]:
    return {"name": name, "polygon_m": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]}


def _line(name: str) -> dict[str, Any]:
    return {"name": name, "from_m": [0.0, 0.0], "to_m": [1.0, 0.0]}


def _schedule(name: str) -> dict[str, Any]:
    return {"name": name}


def _operation(name: str) -> dict[str, Any]:
    return {"name": name}


def _output(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "trial", "file": "/dev/null"}
