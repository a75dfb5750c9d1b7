"""The command line of `roeh evidence check`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TextIO

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import load_config
from roeh.core.errors import EXIT_OK, ChecksFailed, one_line
from roeh.core.paths import keys_dir
from roeh.custody.check import CheckReport, Level, check
from roeh.custody.link import EvidenceLink
from roeh.verify.checking import Beliefs
from roeh.verify.commands import read_anchors
from roeh.verify.report import Weight

TEXT = "Hold index, files, ledger and signatures against each other."


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `roeh evidence check`, without the configuration."""
    parser.add_argument(
        "--level",
        choices=[level.value for level in Level],
        default=Level.HASHES.value,
        help="how deep: index (seconds), hashes (reads all video), signatures",
    )
    parser.add_argument(
        "--trust",
        action="append",
        type=Path,
        default=[],
        metavar="ROOT.pem",
        help="a root certificate; default: what is installed with the node's keys",
    )
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")


def run_check(chosen: argparse.Namespace, link: EvidenceLink, clock: Clock) -> int:
    """Check and print; the exit status.

    Raises:
        RoehError: the check could not be made.
    """
    config = load_config(chosen.config)
    roots = chosen.trust or sorted(keys_dir(config).glob("set-*/anchors.pem"))[-1:]
    beliefs = Beliefs(anchors=read_anchors(roots, []))
    on_progress = _show if sys.stderr.isatty() else _show_nothing
    report = check(
        link, config, Level(chosen.level), beliefs=beliefs, clock=clock, on_progress=on_progress
    )
    if chosen.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        _write(report, sys.stdout)
    return ChecksFailed.exit_status if report.has_failed else EXIT_OK


def _write(report: CheckReport, out: TextIO) -> None:
    lines = [
        f"{finding.weight.value.upper():12} {finding.place or 'the whole'}: {finding.detail}"
        f" [{finding.what}]"
        for finding in sorted(report.findings, key=lambda f: list(Weight).index(f.weight))
    ]
    read = f", {report.files_read} files read ({report.video_bytes_read / 1e6:.0f} MB)"
    lines.append(
        f"level {report.level}: {report.records} records, {report.segments} segments"
        f"{read if report.files_read else ''}: {'WRONG' if report.has_failed else 'no objection'}"
    )
    out.write("".join(f"{one_line(line)}\n" for line in lines))


def _show(what: str, done: int, of: int) -> None:
    """Progress on one line of a terminal."""
    sys.stderr.write(f"\rchecked {done} of {of} {what}" + ("\n" if done >= of else ""))
    sys.stderr.flush()


def _show_nothing(_what: str, _done: int, _of: int) -> None:
    """Nobody is watching."""
