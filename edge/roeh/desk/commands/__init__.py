"""The command lines of `roeh desk`: each module here adds the actions that it does.

What an action does stands in the package that it is about; here it is asked for and shown.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

Action = Callable[[argparse.Namespace], int]


class Adder(Protocol):
    """How a module adds an action: its name, what does it, and one sentence of help.

    The parser that comes back has `-c DESK.toml` already (`chosen.config`, a Path).
    """

    def __call__(self, name: str, action: Action, text: str) -> argparse.ArgumentParser:
        """The new action's parser, for its own options."""
        ...


#: Modules with `add_actions(add: Adder) -> None`, in the order in which help shows them.
MODULES = (
    "roeh.desk.commands.config",
    "roeh.desk.commands.broker",
    "roeh.desk.commands.keys",
    "roeh.desk.commands.running",
    "roeh.desk.commands.witness",
    "roeh.desk.commands.alarms",
    "roeh.desk.commands.report",
    "roeh.desk.commands.poles",
    "roeh.desk.commands.orders",
    "roeh.desk.commands.trust",
    "roeh.desk.commands.audit",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of `roeh desk` with their options."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(name: str, action: Action, text: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=text)
        added.add_argument(
            "-c", "--config", type=Path, required=True, metavar="DESK.toml", help="the desk"
        )
        added.set_defaults(action=action)
        return added

    for module in MODULES:
        importlib.import_module(module).add_actions(add)


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked; the exit status.

    Raises:
        RoehError: what was refused, or could not be done.
    """
    action: Action = chosen.action
    return action(chosen)
