"""What a calibration tells whoever waits for it: how it goes, and at the end its report."""

from __future__ import annotations

import argparse
import sys

import msgspec

from roeh.calibrate.report import Report, write_report
from roeh.core.errors import one_line


def tell(line: str) -> None:
    """A line on standard error, at once."""
    sys.stderr.write(f"roeh calibrate: {one_line(line)}\n")
    sys.stderr.flush()


def give_report(chosen: argparse.Namespace, report: Report) -> None:
    """Write the report and say where it is and what it says.

    Raises:
        OutputRefused: it cannot be written.
    """
    page = write_report(chosen.out, report)
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(report.result).decode() + "\n")
        return
    for line in report.summary:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"\n{report.toml}\nreport: {one_line(str(page))}\n")
