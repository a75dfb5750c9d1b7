"""`roeh desk keys`: make the keys, and the lines by which poles know them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from roeh.core.config import DeskConfig, load_desk_config
from roeh.core.errors import EXIT_OK
from roeh.desk.commands import Adder
from roeh.desk.keys import keys_dir, make_desk_keys, open_ack_key, open_command_key
from roeh.desk.witness.key import make_witness_keys
from roeh.keys.safe_files import replace_public


def add_actions(add: Adder) -> None:
    """The keys of a desk or of a witness."""
    parser = add("keys", _keys, "Make the keys that are missing; show how poles know them.")
    parser.add_argument(
        "--witness", action="store_true", help="the witness's keys, in witness.state_dir"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the lines there too, for desk.keys_file"
    )


def _keys(chosen: argparse.Namespace) -> int:
    config = load_desk_config(chosen.config)
    lines = witness_key_lines(config) if chosen.witness else desk_key_lines(config)
    text = "".join(f"{line}\n" for line in lines)
    if chosen.out is not None:
        replace_public(chosen.out, text.encode())
    sys.stdout.write(text)
    return EXIT_OK


def desk_key_lines(config: DeskConfig) -> list[str]:
    """The desk's keys as a pole's desk.keys_file has them; made if there are none."""
    make_desk_keys(config)
    return [
        f"# the desk {config.name}; its keys are in {keys_dir(config)}",
        f"ack      {open_ack_key(config).verifier.verifier_key}",
        f"command  {open_command_key(config).verifier.verifier_key}",
    ]


def witness_key_lines(config: DeskConfig) -> list[str]:
    """Likewise the witness's."""
    keys = make_witness_keys(Path(config.witness.state_dir), config.witness.name)
    return [
        f"# the witness {keys.name}; its keys are in {config.witness.state_dir}",
        f"witness  {keys.verifier_key}",
        f"alarm    {keys.alarm.verifier_key}",
    ]
