"""`roeh desk config`: desk.toml with every default, or whether it can be meant."""

from __future__ import annotations

import argparse
import sys

from roeh.core.config import config_as_toml, load_desk_config
from roeh.core.errors import EXIT_OK
from roeh.desk.commands import Adder


def add_actions(add: Adder) -> None:
    """The configuration of a desk."""
    parser = add(
        "config", _config, "Show the desk's configuration with every default, or check it."
    )
    parser.add_argument("what", choices=("show", "check"), help="all of it; or can it be meant")


def _config(chosen: argparse.Namespace) -> int:
    config = load_desk_config(chosen.config)
    if chosen.what == "show":
        sys.stdout.write(config_as_toml(config))
    else:
        sys.stdout.write(f"{chosen.config}: valid; desk {config.name}\n")
    return EXIT_OK
