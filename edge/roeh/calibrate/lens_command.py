"""`roeh calibrate lens`: a lens from views of a board."""

from __future__ import annotations

import argparse
from pathlib import Path

TEXT = "A lens from views of a chessboard or a grid of circles: pictures, or a running camera."


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the report goes here"
    )


def run_lens(chosen: argparse.Namespace) -> int:
    """Find the lens and write the report; the exit status."""
    raise NotImplementedError
