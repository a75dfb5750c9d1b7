"""The table of settings, schema.toml, as types."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One setting of one kind of file: what it may be, and what it has to be on a pole.

    Attributes:
        key: as it is written; of a `dtparam=` or `dtoverlay=` the name is part of it.
        why: why it is on a pole as it is; told with a mistake.
        boards: whose it is; empty: every board's of this kind of file.
        one_of: the values that it may have.
        least, most: the range of a whole number (hexadecimal with 0x).
        unit: of the number.
        pattern: a regular expression for the whole value.
        must: the value that it has to have; it has to be there.
        present: it has to be there, with any value that it may have.
        repeats: it may stand more than once.
        forbidden: it must not be there.
    """

    key: str
    why: str = ""
    boards: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    unit: str = ""
    pattern: str = ""
    must: str | None = None
    present: bool = False
    repeats: bool = False
    forbidden: bool = False


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of file.

    Attributes:
        names: file names of this kind, with `*`; a path is matched from its end.
        grammar: how its lines are read (grammars.py).
        settings: those that are known; no other may stand in the file.
        sections: conditions or sections that may stand in brackets.
        longest_line: in characters; 0: any.
        largest_bytes: 0: any.
    """

    names: tuple[str, ...]
    grammar: str
    settings: tuple[Setting, ...]
    sections: tuple[str, ...] = ()
    longest_line: int = 0
    largest_bytes: int = 0


@functools.cache
def kinds() -> dict[str, Kind]:
    """Every kind of file, by name."""
    table = Path(__file__).with_name("schema.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Kind])
