"""What a field of the configuration takes, in words: for error lines and the documentation."""

# It walks type information of any shape.
# ruff: noqa: ANN401

from __future__ import annotations

from typing import Any

from msgspec import inspect

#: The TOML words for msgspec's.
TYPE_WORDS = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false",
    "array": "a list", "object": "a table", "null": "nothing", "date": "a date",
    "datetime": "a date and time", "time": "a time",
}  # fmt: skip

#: Endings that carry a unit, by the quantity they measure, with the words for an error line.
_QUANTITIES = (
    {"m": "metres", "cm": "centimetres", "mm": "millimetres", "km": "kilometres", "ft": "feet"},
    {"deg": "degrees", "rad": "radians"},
    {"s": "seconds", "ms": "milliseconds", "min": "minutes", "h": "hours", "days": "days"},
    {"bytes": "bytes", "kb": "kilobytes", "mb": "megabytes", "gb": "gigabytes", "tb": "terabytes"},
    {"px": "pixels"},
    {"db": "decibels"},
    {"fps": "frames per second"},
    {"bps": "bits per second", "kbps": "kilobits per second", "mbps": "megabits per second"},
)
UNITS = {ending: words for quantity in _QUANTITIES for ending, words in quantity.items()}


def same_quantity(unit: str, other: str) -> bool:
    """Whether two endings measure the same thing."""
    return any(unit in quantity and other in quantity for quantity in _QUANTITIES)


def wanted(info: Any, key: str) -> str:
    """What fits into a field of this type and name."""
    description = ""
    while isinstance(info, inspect.Metadata):
        description = description or (info.extra_json_schema or {}).get("description", "")
        info = info.type
    if description:
        return str(description)
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return _wanted_number(info, key)
    if isinstance(info, inspect.LiteralType):
        return "one of: " + ", ".join(str(value) for value in info.values)
    if isinstance(info, inspect.BoolType):
        return TYPE_WORDS["bool"]
    return _wanted_composite(info, key)


def known_keys(info: Any) -> list[str]:
    """The keys that a table may have."""
    info = plain_type(info)
    keys = [field.encode_name for field in getattr(info, "fields", ())]
    tag_field = getattr(info, "tag_field", None)
    return [tag_field, *keys] if tag_field else keys


def plain_type(info: Any) -> Any:
    """The type without what is noted beside it."""
    return plain_type(info.type) if isinstance(info, inspect.Metadata) else info


def _wanted_number(info: inspect.IntType | inspect.FloatType, key: str) -> str:
    kind = TYPE_WORDS["int" if isinstance(info, inspect.IntType) else "float"]
    unit = UNITS.get(key.rpartition("_")[2], "") if "_" in key or key == "fps" else ""
    limits = (("≥", info.ge), (">", info.gt), ("≤", info.le), ("<", info.lt))
    bounds = " and ".join(f"{sign} {value:.15g}" for sign, value in limits if value is not None)
    return " ".join(filter(None, (kind, unit and f"of {unit}", bounds)))


def _wanted_composite(info: Any, key: str) -> str:
    if isinstance(info, inspect.UnionType):
        members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
        if len(members) == 1:
            return wanted(members[0], key)
        tags = ", ".join(str(getattr(member, "tag", "")) for member in members)
        is_tag = key == getattr(members[0], "tag_field", None)
        return f"one of: {tags}" if is_tag else f"a table whose kind is one of: {tags}"
    if isinstance(info, inspect.StructType):
        return "a table with the keys " + ", ".join(known_keys(info))
    if isinstance(info, inspect.TupleType):
        return f"a list of {len(info.item_types)}, each {wanted(info.item_types[0], key)}"
    if isinstance(info, inspect.VarTupleType):
        at_least = f" of at least {info.min_length}" if info.min_length else ""
        return f"a list{at_least}, each item {wanted(info.item_type, key)}"
    return TYPE_WORDS["str"]
