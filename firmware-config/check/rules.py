"""A file against the table of settings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from check.grammars import GRAMMARS, Entry, Unreadable
from check.mistakes import Mistake
from check.schema import Kind, Setting, kinds

BOARDS = ("pi4", "pi5", "orin")


def check_file(path: Path, *, as_kind: str = "", board: str = "") -> tuple[Mistake, ...]:
    """Every mistake in a file, in the order of its lines.

    Args:
        path: the file.
        as_kind: its kind; empty: as its name tells.
        board: whose it is; empty: the folder that it lies in tells, or no board's.
    """
    kind_name = as_kind or kind_of(path)
    kind = kinds().get(kind_name)
    if kind is None:
        known = ", ".join(sorted(kinds()))
        return (Mistake(path, 0, "kind", "no such kind of file", f"say --as with one of: {known}"),)
    board = board or next((part for part in reversed(path.parts) if part in BOARDS), "")
    content = path.read_bytes()
    try:
        text = content.decode("ascii" if kind.grammar == "firmware" else "utf-8")
        entries = GRAMMARS[kind.grammar](text)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return (Mistake(path, line, "line", "a character that is not read", "write plain ASCII"),)
    except Unreadable as unreadable:
        return (unreadable.as_mistake(path),)
    return tuple(sorted(_mistakes(path, kind, board, text, entries)))


def kind_of(path: Path) -> str:
    """The kind of file that a path's name tells; empty: none."""
    for name, kind in kinds().items():
        if any(path.match(pattern) for pattern in kind.names):
            return name
    return ""


def _mistakes(
    path: Path, kind: Kind, board: str, text: str, entries: tuple[Entry, ...]
) -> Iterator[Mistake]:
    if kind.largest_bytes and len(text) > kind.largest_bytes:
        what = f"{len(text)} bytes, and only {kind.largest_bytes} are read"
        yield Mistake(path, 0, "size", what, "shorten it")
    for number, line in enumerate(text.splitlines(), 1):
        if kind.longest_line and len(line) > kind.longest_line:
            what = f"{len(line)} characters, and only {kind.longest_line} are read"
            yield Mistake(path, number, "line", what, "shorten it")
    settings = {
        setting.key: setting
        for setting in kind.settings
        if not setting.boards or not board or board in setting.boards
    }
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        yield from _of_entry(path, kind, settings, entry, seen)
    yield from _missing(path, kind, settings, entries)
    if kind.grammar == "extlinux":
        yield from _of_labels(path, entries)


def _of_entry(
    path: Path,
    kind: Kind,
    settings: dict[str, Setting],
    entry: Entry,
    seen: dict[tuple[str, str], int],
) -> Iterator[Mistake]:
    if entry.key == "[]":
        if entry.value not in kind.sections:
            what, known = f"[{entry.value}] is not known here", ", ".join(kind.sections)
            yield Mistake(path, entry.line, "section", what, f"write one of {known}")
        return
    setting = settings.get(entry.key)
    if setting is None:
        yield Mistake(path, entry.line, entry.key, "not known", _nearest(entry.key, settings))
        return
    first = seen.setdefault((entry.section, entry.key), entry.line)
    if first != entry.line and not setting.repeats:
        yield Mistake(path, entry.line, entry.key, f"stands in line {first} too", "remove one")
    if setting.forbidden:
        yield Mistake(path, entry.line, entry.key, "not on a pole", f"remove it ({setting.why})")
        return
    fault = _fault(setting, entry.value)
    if fault:
        yield Mistake(path, entry.line, entry.key, f"{entry.value!r} is not allowed", fault)


def _fault(setting: Setting, value: str) -> str:
    """What to write instead of this value; empty: nothing."""
    why = f" ({setting.why})" if setting.why else ""
    if setting.must is not None and value != setting.must:
        return f"write {setting.must or 'it without a value'}{why}"
    if setting.one_of and value not in setting.one_of:
        return f"write one of {', '.join(setting.one_of)}{why}"
    if setting.pattern and not re.fullmatch(setting.pattern, value):
        return f"write what matches {setting.pattern}{why}"
    if setting.least is not None and setting.most is not None:
        try:
            number = int(value, 0)
        except ValueError:
            number = setting.least - 1
        if not setting.least <= number <= setting.most:
            unit = f" {setting.unit}" if setting.unit else ""
            return f"write a whole number from {setting.least} to {setting.most}{unit}{why}"
    return ""


def _missing(
    path: Path, kind: Kind, settings: dict[str, Setting], entries: tuple[Entry, ...]
) -> Iterator[Mistake]:
    # What the firmware is told under a condition is not there at other starts.
    everywhere = kind.grammar != "firmware"
    there = {entry.key for entry in entries if everywhere or entry.section == "all"}
    for setting in settings.values():
        if (setting.must is not None or setting.present) and setting.key not in there:
            value = f"={setting.must}" if setting.must else ""
            remedy = f"write {setting.key}{value} ({setting.why})"
            yield Mistake(path, 0, setting.key, "missing", remedy)


def _of_labels(path: Path, entries: tuple[Entry, ...]) -> Iterator[Mistake]:
    """Each label can be started, and the default is one of them."""
    labels = {entry.section: entry.line for entry in entries if entry.key == "LABEL"}
    for entry in entries:
        if entry.key == "DEFAULT" and entry.value not in labels:
            known = ", ".join(labels) or "a LABEL"
            yield Mistake(path, entry.line, "DEFAULT", "no such label", f"write one of {known}")
    for label, line in labels.items():
        has = {entry.key for entry in entries if entry.section == label}
        for word in ("LINUX", "INITRD", "APPEND"):
            if word not in has:
                yield Mistake(path, line, word, f"missing under LABEL {label}", f"write {word}")


def _nearest(key: str, settings: dict[str, Setting]) -> str:
    near = difflib.get_close_matches(key, settings, n=1)
    if near:
        return f"write {near[0]}, or give it a row in schema.toml"
    return "remove it, or give it a row in schema.toml"
