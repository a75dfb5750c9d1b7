"""`roeh release`: on the machine, from the release that is in force (edge/docs/releases.md)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from roeh.core.errors import EXIT_OK
from roeh.release.carried import MachineRole
from roeh.release.install import install
from roeh.release.places import Places

_Action = Callable[[argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions with their options."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(name: str, action: _Action, text: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        added.add_argument("--opt", type=Path, default=Places().opt, help=argparse.SUPPRESS)
        added.add_argument("--etc", type=Path, default=Places().etc, help=argparse.SUPPRESS)
        added.add_argument("--link", type=Path, default=Places().command, help=argparse.SUPPRESS)
        return added

    installing = add("install", _install, "Check a bundle and install its release beside the rest.")
    installing.add_argument("bundle", type=Path, metavar="BUNDLE")
    installing.add_argument("--role", choices=[role.value for role in MachineRole])
    installing.add_argument("--allow-older", action="store_true", help="go back on purpose")


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked; the exit status.

    Raises:
        RoehError: what was refused, or could not be done.
    """
    action: _Action = chosen.action
    return action(chosen)


def _install(chosen: argparse.Namespace) -> int:
    role = MachineRole(chosen.role) if chosen.role else None
    done = install(chosen.bundle.absolute(), _places(chosen), role, allow_older=chosen.allow_older)
    first = ", and in force: the first here" if done.is_first else ""
    word = "changed" if done.is_new or done.is_first else "unchanged"
    _say(f"{word}: release {done.release.version} is installed{first}")
    if done.is_trial:
        _say("signed with a key for TRIALS: proves nothing to a stranger")
    for version in done.removed:
        _say(f"removed to make room: {version}")
    return EXIT_OK


def _places(chosen: argparse.Namespace) -> Places:
    return Places(opt=chosen.opt, etc=chosen.etc, command=chosen.link)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
