"""How each kind of file is read: into entries with the line where they stand."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from check.mistakes import Mistake

#: Lines of config.txt whose value is a name with its parameters: the name is part of the key.
_NAMED = frozenset({"dtparam", "dtoverlay"})
#: Words of extlinux.conf that begin what can be started, and that stand before it.
_GLOBAL_WORDS = frozenset({"TIMEOUT", "DEFAULT", "MENU TITLE"})


class Entry(msgspec.Struct, frozen=True):
    """One setting as a file has it.

    Attributes:
        line: where, from 1.
        section: the brackets or label that it stands under; empty: none.
        key: as the schema names it.
        value: what is written for it.
    """

    line: int
    section: str
    key: str
    value: str


class Unreadable(Exception):
    """A line that the grammar has no place for."""

    def __init__(self, line: int, what: str, remedy: str) -> None:
        super().__init__(what)
        self.line, self.what, self.remedy = line, what, remedy

    def as_mistake(self, path: Path) -> Mistake:
        """The same, for the file that it was found in."""
        return Mistake(path, self.line, "line", self.what, self.remedy)


def _lines(text: str, comments: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and line.strip()[0] not in comments:
            yield number, line


def firmware(text: str) -> tuple[Entry, ...]:
    """config.txt, autoboot.txt and the bootloader's settings: `key=value` under `[conditions]`.

    Raises:
        Unreadable: neither a setting nor a condition; blanks round `=`, which the firmware keeps.
    """
    entries: list[Entry] = []
    section = "all"
    for number, line in _lines(text, "#"):
        stripped = line.strip()
        if stripped.startswith("["):
            section = _bracketed(number, stripped)
            entries.append(Entry(number, section, "[]", section))
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise Unreadable(number, f"{stripped!r} is no setting", "write key=value")
        if key != key.strip() or value != value.strip():
            raise Unreadable(number, "blanks round = become part of it", "remove them")
        if key in _NAMED:
            name, _, value = value.partition("=" if key == "dtparam" else ",")
            key = f"{key}={name}"
        entries.append(Entry(number, section, key, value))
    return tuple(entries)


def kernel_words(text: str, line: int = 1, section: str = "") -> tuple[Entry, ...]:
    """A kernel command line: words on one line.

    Raises:
        Unreadable: more than one line (the firmware takes the first alone), or an open quote.
    """
    if len(text.strip().splitlines()) > 1:
        raise Unreadable(line + 1, "only the first line is read", "write all words on one line")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Unreadable(line, str(error), "close the quotation mark") from None
    split = (word.partition("=") for word in words)
    return tuple(Entry(line, section, key, value) for key, _, value in split)


def extlinux(text: str) -> tuple[Entry, ...]:
    """extlinux.conf: words before, then what can be started, each under its LABEL.

    Words of APPEND are entries of their own, named `APPEND key`.

    Raises:
        Unreadable: a word that belongs under a LABEL and stands before the first.
    """
    entries: list[Entry] = []
    label = ""
    for number, line in _lines(text, "#"):
        word, _, value = line.strip().partition(" ")
        key, value = word.upper(), value.strip()
        if key == "MENU":
            kind, _, value = value.partition(" ")
            key = f"MENU {kind.upper()}"
        if key == "LABEL":
            label = value
        elif not label and key not in _GLOBAL_WORDS:
            raise Unreadable(
                number, f"{key} stands before the first LABEL", "write LABEL NAME first"
            )
        section = "" if key in _GLOBAL_WORDS else label
        entries.append(Entry(number, section, key, value))
        if key == "APPEND":
            entries += (
                Entry(number, section, f"APPEND {entry.key}", entry.value)
                for entry in kernel_words(value, number, section)
            )
    return tuple(entries)


def unit(text: str) -> tuple[Entry, ...]:
    """A configuration file of systemd: `Key=value` under `[Section]`; the key is Section.Key.

    Raises:
        Unreadable: neither, or a setting before the first section.
    """
    entries: list[Entry] = []
    section = ""
    for number, line in _lines(text, "#;"):
        stripped = line.strip()
        if stripped.startswith("["):
            section = _bracketed(number, stripped)
            entries.append(Entry(number, section, "[]", section))
            continue
        key, equals, value = stripped.partition("=")
        if not equals:
            raise Unreadable(number, f"{stripped!r} is no setting", "write Key=value")
        if not section:
            raise Unreadable(number, "a setting before the first section", "write [Section] first")
        entries.append(Entry(number, section, f"{section}.{key.strip()}", value.strip()))
    return tuple(entries)


def sysctl(text: str) -> tuple[Entry, ...]:
    """sysctl.d: `key = value`; a key with `-` before it may fail.

    Raises:
        Unreadable: a line without `=`.
    """
    entries: list[Entry] = []
    for number, line in _lines(text, "#;"):
        key, equals, value = line.strip().partition("=")
        if not equals:
            raise Unreadable(number, f"{line.strip()!r} is no setting", "write key = value")
        entries.append(Entry(number, "", key.strip().removeprefix("-"), value.strip()))
    return tuple(entries)


def crypttab(text: str) -> tuple[Entry, ...]:
    """Encrypted disks (man 5 crypttab): name, device, key, options; each of these an entry.

    Raises:
        Unreadable: fewer than four fields, or more.
    """
    entries: list[Entry] = []
    for number, line in _lines(text, "#"):
        fields = line.split()
        if len(fields) != 4:
            raise Unreadable(number, f"{len(fields)} fields", "write NAME DEVICE KEY OPTIONS")
        name, device, key, options = fields
        entries += (Entry(number, name, "device", device), Entry(number, name, "key", key))
        for option in options.split(","):
            word, _, value = option.partition("=")
            entries.append(Entry(number, name, f"option {word}", value))
    return tuple(entries)


def _bracketed(number: int, stripped: str) -> str:
    if not stripped.endswith("]"):
        raise Unreadable(number, f"{stripped!r} is not closed", "write ] at its end")
    return stripped[1:-1]


GRAMMARS: dict[str, Callable[[str], tuple[Entry, ...]]] = {
    "firmware": firmware,
    "kernel_words": kernel_words,
    "extlinux": extlinux,
    "unit": unit,
    "sysctl": sysctl,
    "crypttab": crypttab,
}
