"""From TOML text to a checked NodeConfig, or one line that names the field and the fix."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from roeh.core.config.check import check_config, check_lens
from roeh.core.config.desk_check import check_desk
from roeh.core.config.desk_schema import DeskConfig
from roeh.core.config.explain import explain, shown
from roeh.core.config.schema import NodeConfig
from roeh.core.config.section import Section
from roeh.core.config.sensor_schema import StandaloneLens
from roeh.core.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SectionT = TypeVar("_SectionT", bound=Section)


def load_config(path: Path) -> NodeConfig:
    """The configuration in a file.

    Raises:
        ConfigError: the file is not there, is not TOML, or cannot be meant.
    """
    return parse_config(_read(path), name=str(path))


def parse_config(text: str, *, name: str) -> NodeConfig:
    """The configuration in a text; `name` says in errors whose it is.

    Raises:
        ConfigError: it is not TOML, or cannot be meant.
    """
    config = _decode(text, NodeConfig, name)
    check_config(config, name)
    return config


def load_rules_over(path: Path, config: NodeConfig) -> NodeConfig:
    """A configuration as it would be with the tables of another file in the place of its own.

    Raises:
        ConfigError: the file is not there, is not TOML, or the whole cannot be meant.
    """
    name = str(path)
    whole = msgspec.to_builtins(config) | _values(_read(path), name)
    changed = _converted(whole, NodeConfig, name)
    check_config(changed, name)
    return changed


def load_desk_config(path: Path) -> DeskConfig:
    """The configuration of a control room in a file.

    Raises:
        ConfigError: the file is not there, is not TOML, or cannot be meant.
    """
    return parse_desk_config(_read(path), name=str(path))


def parse_desk_config(text: str, *, name: str) -> DeskConfig:
    """desk.toml in a text; `name` says in errors whose it is.

    Raises:
        ConfigError: it is not TOML, or cannot be meant.
    """
    config = _decode(text, DeskConfig, name)
    check_desk(config, name)
    return config


def parse_lens(path: Path) -> StandaloneLens:
    """LENS.toml of `roeh detect`.

    Raises:
        ConfigError: the file is not there, is not TOML, or no lens can be so.
    """
    lens = _decode(_read(path), StandaloneLens, str(path))
    check_lens(lens, place="the lens", name=str(path))
    return lens


def _read(path: Path) -> str:
    try:
        # Some editors put a byte order mark before the first line.
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            what="no such file", which=str(path), remedy="name the configuration file that exists"
        ) from None
    except OSError as error:
        raise ConfigError(
            what=f"cannot be read ({error.strerror or error})",
            which=str(path),
            remedy="name a file that this user can read",
        ) from None
    except ValueError as error:  # not UTF-8, or no path at all
        raise ConfigError(
            what=f"cannot be read ({error})",
            which=str(path),
            remedy="give a text file in UTF-8",
        ) from None


def _decode(text: str, section: type[_SectionT], name: str) -> _SectionT:
    values = _values(text, name)
    _refuse_other(values, section, name)
    return _converted(values, section, name)


def _values(text: str, name: str) -> dict[str, Any]:
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(
            what="nested too deeply", which=name, remedy="write tables and lists as documented"
        ) from None
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        raise ConfigError(
            what="not valid TOML", which=f"{name}: {error}", remedy="correct that line"
        ) from None
    _refuse_unusable(values, name)
    return values


def _converted(values: dict[str, Any], section: type[_SectionT], name: str) -> _SectionT:
    try:
        return msgspec.convert(values, section)
    except msgspec.ValidationError as error:
        raise explain(str(error), values, section, name) from None


def _refuse_unusable(values: Any, name: str) -> None:
    """Refuse what TOML allows and no field can use: nan, inf, control characters."""
    for place, value in _walk(values, ""):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(
                what="not a finite number",
                which=f"{place} = {value} in {name}",
                remedy=f"give {place} a number",
            )
        if isinstance(value, str) and any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
            raise ConfigError(
                what="a text with a control character",
                which=f"{place} = {shown(value)} in {name}",
                remedy="write it on one line, without tabs",
            )


def _refuse_other(values: dict[str, Any], section: type[Section], name: str) -> None:
    """Tell a file of the other kind as such, rather than by the first of its keys."""
    pole, desk = set(NodeConfig.__struct_fields__), set(DeskConfig.__struct_fields__)
    if section is NodeConfig:
        own, others = pole - desk, sorted((desk - pole) & set(values))
        whose, wanted, command = "a desk's", "the pole's", "roeh desk config check"
    elif section is DeskConfig:
        own, others = desk - pole, sorted((pole - desk) & set(values))
        whose, wanted, command = "a pole's", "the desk's", "roeh config check"
    else:
        return
    if others and not own & set(values):
        raise ConfigError(
            what=f"{whose} configuration",
            which=f"{', '.join(others)} in {name}",
            remedy=f"name {wanted} file, or check this one with {command}",
        )


def _walk(values: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every scalar with its place in the file."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _walk(value, f"{place}.{key}" if place else key)
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from _walk(value, f"{place}[{index}]")
    else:
        yield place, values
