"""How right the rules are: `make quality`, edge/design/rule-quality.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.quality.report import complaints, shown
from tests.quality.stages import Weather
from tests.quality.suite import SPLITS, run

_POSITIVES = 200
_OUT = Path("build/quality")


def main() -> int:
    """Exit status 0 when every goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument("--split", choices=tuple(SPLITS), default="test", help="of the seeds")
    parser.add_argument("--positives", type=int, default=_POSITIVES, help="a rule and weather")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument(
        "--weather", choices=[one.value for one in Weather], action="append", help="only this one"
    )
    parser.add_argument("--out", type=Path, default=_OUT, help="results go here (%(default)s)")
    parser.add_argument("--go-on", action="store_true", help="keep what an earlier run has found")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    record = chosen.out / f"rules-{chosen.split}.jsonl"
    if not chosen.go_on:
        record.unlink(missing_ok=True)
    weathers = tuple(map(Weather, chosen.weather or [one.value for one in Weather]))
    played = run(
        chosen.split, chosen.positives, record, weathers=weathers, jobs=chosen.jobs, say=_say
    )
    for line in shown(played, weathers):
        _say(line)
    found = complaints(played, weathers)
    for complaint in found:
        _say(f"NOT GOOD: {complaint}")
    _say("quality: " + ("NOT GOOD" if found else "good"))
    return 1 if found else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
