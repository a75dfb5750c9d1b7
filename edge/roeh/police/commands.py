"""The command lines of `roeh police` (edge/docs/police.md)."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from roeh.police import agreeing_commands, asking_commands, opening_commands, pole_commands

Action = Callable[[argparse.Namespace], int]

_GROUPS = (asking_commands, agreeing_commands, pole_commands, opening_commands)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands under `roeh police` with their options."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, action: Action, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        return added

    for group in _GROUPS:
        group.add_actions(add)


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked; the exit status.

    Raises:
        RoehError: what was refused, or could not be done.
    """
    action: Action = chosen.action
    return action(chosen)
