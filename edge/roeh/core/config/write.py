"""A configuration as TOML that loads again, every default visible."""

from __future__ import annotations

import msgspec
from msgspec import inspect

from roeh.core.config.desk_schema import DeskConfig
from roeh.core.config.schema import NodeConfig
from roeh.core.config.section import Section


def config_as_toml(config: NodeConfig | DeskConfig) -> str:
    """The configuration with every default written out, as TOML that loads again.

    TOML has no word for nothing: a key that is not set and a list of tables that is
    empty stand there as comments.
    """
    lines: list[str] = []
    _write_table(config, (), lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(section: Section, path: tuple[str, ...], lines: list[str]) -> None:
    """Scalars first, then sub-tables, as TOML requires."""
    info = inspect.type_info(type(section))
    if not isinstance(info, inspect.StructType):  # a Section is one
        raise TypeError(f"{type(section).__name__} is not a table")
    if info.tag_field is not None:
        lines.append(f"{info.tag_field} = {toml_value(info.tag)}")
    tables: list[tuple[str, Section | tuple[Section, ...]]] = []
    for field in info.fields:
        value = getattr(section, field.name)
        if isinstance(value, Section) or _has_tables(field.type):
            tables.append((field.encode_name, value))
        elif value is None:
            lines.append(f"# {field.encode_name} is not set")
        else:
            lines.append(f"{field.encode_name} = {toml_value(value)}")
    for key, value in tables:
        dotted = ".".join((*path, key))
        if isinstance(value, Section):
            lines.extend(("", f"[{dotted}]"))
            _write_table(value, (*path, key), lines)
        elif not value:
            lines.extend(("", f"# there is no [[{dotted}]]"))
        else:
            for item in value:
                lines.extend(("", f"[[{dotted}]]"))
                _write_table(item, (*path, key), lines)


def _has_tables(info: inspect.Type) -> bool:
    """Whether the type is a list of tables, be it empty or not."""
    if isinstance(info, inspect.Metadata):
        return _has_tables(info.type)
    if not isinstance(info, inspect.VarTupleType):
        return False
    item = info.item_type
    members = item.types if isinstance(item, inspect.UnionType) else (item,)
    return all(isinstance(member, inspect.StructType) for member in members)


def toml_value(value: object) -> str:
    """A scalar or a list as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # A JSON string is a valid TOML basic string, but for DEL.
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise TypeError(f"no TOML form for {type(value).__name__}")
