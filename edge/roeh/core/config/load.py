"""From TOML text to a checked NodeConfig, or one line that names the field and the fix."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from roeh.core.config.check import check_config, check_lens
from roeh.core.config.schema import NodeConfig, Section, StandaloneLens
from roeh.core.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SectionT = TypeVar("_SectionT", bound=Section)

_PLACE = re.compile(r"^(?P<message>.*?)(?: - at `(?P<place>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<key>[^`]*)`")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")

#: Endings that carry a unit, with the words for an error line.
_UNITS = {
    "m": "metres", "cm": "centimetres", "mm": "millimetres", "km": "kilometres", "ft": "feet",
    "deg": "degrees", "rad": "radians", "s": "seconds", "ms": "milliseconds", "min": "minutes",
    "px": "pixels", "bytes": "bytes", "kb": "kilobytes", "mb": "megabytes",
    "fps": "frames per second",
}  # fmt: skip


def load_config(path: Path) -> NodeConfig:
    """The configuration in a file.

    Raises:
        ConfigError: the file is not there, is not TOML, or cannot be meant.
    """
    return parse_config(_read(path), name=str(path))


def parse_config(text: str, *, name: str) -> NodeConfig:
    """The configuration in a text; `name` says in errors whose it is."""
    config = _decode(text, NodeConfig, name)
    check_config(config, name)
    return config


def parse_lens(path: Path) -> StandaloneLens:
    """LENS.toml of `roeh detect`.

    Raises:
        ConfigError: the file is not there, is not TOML, or no lens can be so.
    """
    lens = _decode(_read(path), StandaloneLens, str(path))
    check_lens(lens, place="the lens", name=str(path))
    return lens


def config_as_toml(config: NodeConfig) -> str:
    """The configuration with every default written out, as TOML that loads again."""
    values: dict[str, Any] = msgspec.to_builtins(config)
    lines: list[str] = []
    _write_table(values, (), lines)
    return "\n".join(lines).strip() + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            what="no such file", which=str(path), remedy="name the configuration file that exists"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            what="cannot be read", which=f"{path} ({error})", remedy="give a readable UTF-8 file"
        ) from None


def _decode(text: str, section: type[_SectionT], name: str) -> _SectionT:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            what="not valid TOML", which=f"{name}: {error}", remedy="correct that line"
        ) from None
    try:
        return msgspec.convert(values, section)
    except msgspec.ValidationError as error:
        raise _explain(str(error), values, section, name) from None


def _explain(text: str, values: Any, section: type[Section], name: str) -> ConfigError:
    """The validation error in the words of the file that has it."""
    match = _PLACE.match(text)
    message = match["message"] if match else text
    place = (match["place"] if match else None) or "$"
    table = _toml_place(place)
    unknown, missing = _UNKNOWN.search(message), _MISSING.search(message)
    if unknown:
        key = unknown["key"]
        return ConfigError(
            what="unknown key",
            which=f"{key} in {table or 'the top level'} of {name}",
            remedy=_suggest(key, _known_keys(section, place, values)),
        )
    if missing:
        return ConfigError(
            what="missing key",
            which=f"{missing['key']} in {table or 'the top level'} of {name}",
            remedy=f"add {missing['key']}{_unit_hint(missing['key'])}",
        )
    key = place.rsplit(".", 1)[-1]
    given = _value_at(values, place)
    return ConfigError(
        what=f"{message[0].lower()}{message[1:]}".replace("`", ""),
        which=f"{table} = {given!r} in {name}",
        remedy=f"give {table} a value that fits{_unit_hint(key)}",
    )


def _toml_place(place: str) -> str:
    """`$.sensors[0].lens` as `sensors[0].lens`: as near to the file as TOML allows."""
    return place.lstrip("$").lstrip(".")


def _unit_hint(key: str) -> str:
    stem = key.split("[", maxsplit=1)[0]
    unit = _UNITS.get(stem.rsplit("_", 1)[-1]) if "_" in stem else None
    return f" in {unit}" if unit else ""


def _value_at(values: Any, place: str) -> Any:
    for key, index in _STEP.findall(place):
        try:
            values = values[key] if key else values[int(index)]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _known_keys(section: type[Section], place: str, values: Any) -> list[str]:
    """The keys that the table at `place` may have."""
    info: Any = msgspec.inspect.type_info(section)
    for key, index in _STEP.findall(place):
        values = values[key] if key else values[int(index)]
        info = _field(info, key) if key else _item(info, int(index))
        info = _chosen(info, values)
    return [field.encode_name for field in getattr(info, "fields", ())]


def _field(info: Any, key: str) -> Any:
    return next(field.type for field in info.fields if field.encode_name == key)


def _item(info: Any, index: int) -> Any:
    items = getattr(info, "item_types", None)
    return items[index] if items else info.item_type


def _chosen(info: Any, values: Any) -> Any:
    """The member of a union that the tag in `values` chooses; other types unchanged."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _chosen(info.type, values)
    if not isinstance(info, msgspec.inspect.UnionType):
        return info
    for member in info.types:
        if not isinstance(member, msgspec.inspect.StructType):
            continue
        if member.tag_field is None or values.get(member.tag_field) == member.tag:
            return member
    return info


def _suggest(key: str, known: list[str]) -> str:
    """What was probably meant: the same quantity in our unit, or the nearest spelling."""
    stem, _, unit = key.rpartition("_")
    for candidate in known:
        known_stem, _, known_unit = candidate.rpartition("_")
        same = known_stem == stem and unit in _UNITS and known_unit in _UNITS
        if same or (known_stem == key and known_unit in _UNITS):
            return f"{candidate} is given in {_UNITS[known_unit]}: write {candidate}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known keys: {', '.join(sorted(known))}"


def _write_table(values: dict[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    """Scalars first, then sub-tables, as TOML requires."""
    tables: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict) or _is_table_array(value):
            tables.append((key, value))
        elif value is not None:
            lines.append(f"{key} = {_toml_value(value)}")
    for key, value in tables:
        dotted = ".".join((*path, key))
        for item in [value] if isinstance(value, dict) else value:
            lines.append("")
            lines.append(f"[{dotted}]" if isinstance(value, dict) else f"[[{dotted}]]")
            _write_table(item, (*path, key), lines)


def _is_table_array(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # A JSON string is a valid TOML basic string.
        return msgspec.json.encode(value).decode()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    raise TypeError(f"no TOML form for {type(value).__name__}")
