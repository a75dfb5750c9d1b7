"""What the commands of `roeh keys` share: passphrases, options, and saying things."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from roeh.core.errors import KeyRefused, one_line
from roeh.keys.key_files import Passphrase
from roeh.keys.safe_files import read_public

_SHORTEST_PASSPHRASE = 8

Action = Callable[[argparse.Namespace], int]


class Adder(Protocol):
    """How an action is added: its name, what does it (None: its own steps), and its help."""

    def __call__(self, name: str, action: Action | None, text: str) -> argparse.ArgumentParser:
        """The new action's parser, for its own options."""
        ...


def add_new_passphrase(parser: argparse.ArgumentParser) -> None:
    """Options for a key that is about to be made."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line")
    group.add_argument("--plain", action="store_true", help="do not encrypt the new key")


def new_passphrase(chosen: argparse.Namespace, place: Path | None = None) -> bytes | None:
    """The passphrase of a key that is about to be made at a place; None for a plain one."""
    where = chosen.dir if place is None else place
    if chosen.plain:
        return None
    if chosen.passphrase_file is not None:
        return _first_line(chosen.passphrase_file)
    first = _asked(f"Passphrase for the new key in {where}: ")
    if _asked("Once more: ") != first:
        raise KeyRefused(what="the two passphrases differ", which=str(where), remedy="try again")
    return _long_enough(first, str(where))


def passphrase_from(file: Path | None) -> Passphrase:
    """Where the passphrase of a key comes from, when it is encrypted."""

    def passphrase(opened: Path) -> bytes:
        if file is not None:
            return _first_line(file)
        return _asked(f"Passphrase for {opened}: ")

    return passphrase


def positive_days(text: str) -> int:
    """An option's number of days.

    Raises:
        argparse.ArgumentTypeError: not one of a century.
    """
    try:
        days = int(text)
    except ValueError:
        days = 0
    if not 1 <= days <= 36_500:
        raise argparse.ArgumentTypeError("must be from 1 to 36500")
    return days


def positive_hours(text: str) -> int:
    """An option's number of hours.

    Raises:
        argparse.ArgumentTypeError: not one of a month.
    """
    try:
        hours = int(text)
    except ValueError:
        hours = 0
    if not 1 <= hours <= 31 * 24:
        raise argparse.ArgumentTypeError("must be from 1 to 744")
    return hours


def say(line: str) -> None:
    """One line for the person."""
    sys.stdout.write(f"{line}\n")


def _asked(question: str) -> bytes:
    if not sys.stdin.isatty():
        raise KeyRefused(
            what="no passphrase and no terminal to ask for it",
            which=one_line(question.strip(": ")),
            remedy="give it in a file: --passphrase-file (of a root, under which a CA is made, "
            "--root-passphrase-file), or --plain for a new key",
        )
    return getpass.getpass(question).encode()


def _first_line(file: Path) -> bytes:
    lines = read_public(file).splitlines()
    return _long_enough(lines[0] if lines else b"", str(file))


def _long_enough(passphrase: bytes, which: str) -> bytes:
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        raise KeyRefused(
            what=f"a passphrase of less than {_SHORTEST_PASSPHRASE} characters",
            which=which,
            remedy="choose a longer one",
        )
    return passphrase
