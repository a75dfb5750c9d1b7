"""`roeh police verify` and `open`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from roeh.core.clock import SystemClock
from roeh.keys.asking import Adder
from roeh.police.opening import opened_bundle, size_of
from roeh.police.screen import bytes_progress, say
from roeh.verify import commands as verify_commands
from roeh.verify.checking import verify
from roeh.verify.wording import write_report


def add_actions(add: Adder) -> None:
    """The two with their options."""
    verify_commands.add_arguments(
        add("verify", verify_commands.run, "Verify a bundle; the same as roeh verify.")
    )
    opened = add("open", _open, "Decrypt and unpack a bundle, and say what it is worth.")
    verify_commands.add_arguments(opened)
    opened.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new directory")


def _open(chosen: argparse.Namespace) -> int:
    bundle, out = chosen.path, chosen.out
    beliefs = verify_commands.beliefs_of(chosen)
    # Decrypted once and unpacked once.
    with (
        bytes_progress("opening", 2 * size_of(bundle), is_quiet=chosen.json) as on_bytes,
        opened_bundle(bundle, beliefs.identities, out, on_bytes) as opened,
    ):
        report = verify(opened.zip_path, beliefs, SystemClock())
    report = msgspec.structs.replace(report, path=str(bundle))
    if chosen.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
        return report.exit_status
    write_report(report, sys.stdout)
    for fault in opened.faults:
        say(f"DAMAGED: {fault}")
    for path in _worth_a_look(out):
        say(f"{path}")
    return report.exit_status


def _worth_a_look(out: Path) -> list[Path]:
    """The report for people and the video, of a bundle that was unpacked."""
    wanted = (
        "*/data/report/report.*",
        "*/data/video*.mp4",
        "*/data/video/*",
        "*/data/redacted/*.mp4",
    )
    return [path for pattern in wanted for path in sorted(out.glob(pattern))]
