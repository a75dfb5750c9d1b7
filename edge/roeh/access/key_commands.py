"""`roeh keys`: what roeh/keys has, and the lists of whom a pole believes."""

from __future__ import annotations

import argparse

from roeh.access import trust_list_commands
from roeh.keys import commands
from roeh.keys.commands import run

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All actions of `roeh keys` with their options."""
    trust_list_commands.add_actions(commands.add_arguments(parser))
