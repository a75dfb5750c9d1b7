"""What several calibrations can be told; numbers are refused where they cannot be meant."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path


def between(low: float, high: float) -> Callable[[str], float]:
    """A number from `low` to `high`."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be a number from {low:g} to {high:g}")
        return value

    return number


def add_node(parser: argparse.ArgumentParser) -> None:
    """Which node it is about."""
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="NODE.toml", help="the node"
    )


def add_sigma_px(parser: argparse.ArgumentParser) -> None:
    """How well points are marked."""
    parser.add_argument(
        "--sigma-px",
        type=between(0.05, 100),
        default=1.0,
        metavar="PX",
        help="how well points are marked; default 1",
    )


def add_watching_time(parser: argparse.ArgumentParser, default_s: float) -> None:
    """How long people are watched."""
    parser.add_argument(
        "--seconds",
        type=between(1, 86400),
        default=default_s,
        metavar="N",
        help=f"how long to watch people, default {default_s:g}",
    )


def add_report(parser: argparse.ArgumentParser, what: str = "the report goes") -> None:
    """Where the report goes, and how its result is told."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help=f"{what} here; new or empty"
    )
    parser.add_argument("--json", action="store_true", help="the result as one JSON line")
