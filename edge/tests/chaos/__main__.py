"""The chaos suite from the command line: `make chaos`, edge/design/chaos.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import plan_runs
from tests.chaos.report import complaints, table
from tests.chaos.suite import run

_SHORT_ALERTS = 500
_LONG_ALERTS = 5000


def main() -> int:
    """Exit status 0 when every accepted alert is at the desk exactly once, else 1."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="two runs of 500 alerts")
    parser.add_argument("--alerts", type=int, help="a run (5000, short 500)")
    parser.add_argument("--seed", type=int, default=1, help="draws everything (%(default)s)")
    parser.add_argument("--run", metavar="NAME", help="only this run")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave what the parts wrote here")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("it makes network namespaces of its own: run it as root")
    alerts = chosen.alerts or (_SHORT_ALERTS if chosen.short else _LONG_ALERTS)
    outcomes = []
    for plan in plan_runs(chosen.seed, alerts, is_short=chosen.short):
        if chosen.run in (None, plan.name):
            sys.stdout.write(f"{plan.name}: {plan.alerts} alerts ...\n")
            sys.stdout.flush()
            with tempfile.TemporaryDirectory(prefix="roeh-chaos-") as place:
                kept = (
                    Path(place)
                    if chosen.keep is None
                    else chosen.keep / plan.name.replace(" ", "-")
                )
                kept.mkdir(parents=True, exist_ok=True)
                outcomes.append(run(plan, kept))
    for line in (*complaints(outcomes), *table(outcomes)):
        sys.stdout.write(f"{line}\n")
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
