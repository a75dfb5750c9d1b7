"""The command lines of `roeh calibrate`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from roeh.calibrate.check import command as check_command
from roeh.calibrate.lens import board_command
from roeh.calibrate.lens import command as lens_command
from roeh.calibrate.pose import command as pose_command
from roeh.calibrate.ring import command as ring_command

_Action = Callable[[argparse.Namespace], int]
_Commands = argparse._SubParsersAction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands under `roeh calibrate` with their options."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    board = _add(commands, "board", board_command.TEXT, board_command.run_board)
    board_command.add_options(board)
    lens = _add(commands, "lens", lens_command.TEXT, lens_command.run_lens)
    lens_command.add_options(lens)
    pose = _add(commands, "pose", pose_command.TEXT, pose_command.run_pose)
    pose_command.add_options(pose)
    ring = _add(commands, "ring", ring_command.TEXT, ring_command.run_ring)
    ring_command.add_options(ring)
    check = _add(commands, "check", check_command.TEXT, check_command.run_check)
    check_command.add_options(check)


def run(chosen: argparse.Namespace) -> int:
    """Do what was chosen; the exit status.

    Raises:
        RoehError: what went wrong.
    """
    action: _Action = chosen.action
    return action(chosen)


def _add(
    commands: _Commands[argparse.ArgumentParser], name: str, text: str, action: _Action
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(action=action)
    return parser
