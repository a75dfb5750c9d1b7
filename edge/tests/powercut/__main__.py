"""The power-cut suite from the command line: `make powercut`, edge/design/power-cut.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from roeh.core.clock import NS_PER_S, SystemClock
from tests.powercut.disks import DiskKind
from tests.powercut.report import HEADER, cut_lines, sum_lines
from tests.powercut.suite import Run, run
from tests.powercut.unsynced import Unsynced

_CLOCK = SystemClock()


def main() -> int:
    """Exit status 0 when nothing was lost and nothing is wrong, else 1."""
    parser = _parser()
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("it mounts disks of its own: run it as root")
    kinds = tuple(DiskKind) if chosen.kind is None else (DiskKind(chosen.kind),)
    unsynced = None if chosen.unsynced is None else Unsynced(chosen.unsynced)
    began_ns = _CLOCK.mono_ns()
    _say([HEADER])
    outcomes = []
    asked = Run(
        seed=chosen.seed,
        cuts=chosen.cuts,
        kinds=kinds,
        only=chosen.disk,
        unsynced=unsynced,
        jobs=chosen.jobs,
        keep=chosen.keep,
        kills_at_fault=chosen.kill_at_fault,
    )
    for outcome in run(asked):
        outcomes.append(outcome)
        _say(cut_lines(outcome))
    _say(sum_lines(outcomes, (_CLOCK.mono_ns() - began_ns) / NS_PER_S))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make powercut", description=__doc__)
    parser.add_argument("--cuts", type=int, default=300, help="at least so many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws everything (%(default)s)")
    parser.add_argument("--disk", type=int, help="only this disk of the run")
    parser.add_argument(
        "--kind", choices=[kind.value for kind in DiskKind], help="only this kind of disk"
    )
    parser.add_argument(
        "--unsynced",
        choices=[what.value for what in Unsynced],
        help="the writer's system does not sync these: the run has to fail",
    )
    parser.add_argument(
        "--keep", type=Path, help="a directory for the data of disks that were not good"
    )
    parser.add_argument(
        "--kill-at-fault",
        action="store_true",
        help="two failures at once: evidence is killed when a write fails (not promised)",
    )
    parser.add_argument("--jobs", type=int, default=2, help="disks at a time (%(default)s)")
    return parser


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
