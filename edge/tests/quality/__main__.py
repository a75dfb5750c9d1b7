"""How right rules and tamper are: `make quality`, edge/design/rule-quality.md."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.quality.report import complaints, empty_complaints, shown, shown_empty, write_summary
from tests.quality.stages import Weather
from tests.quality.suite import SPLITS, run, run_empty

_POSITIVES, _EMPTY_H = 200, 2.0
_OUT = Path("build/quality")
_PARTS = ("rules", "empty", "tamper")


def main() -> int:
    """Exit status 0 when every goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument("--only", choices=_PARTS, action="append", help="nothing but this part")
    parser.add_argument("--split", choices=tuple(SPLITS), default="test", help="of the seeds")
    parser.add_argument("--positives", type=int, default=_POSITIVES, help="a rule and weather")
    parser.add_argument("--empty-hours", type=float, default=_EMPTY_H, help="of empty streets")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument(
        "--weather", choices=[one.value for one in Weather], action="append", help="only this one"
    )
    parser.add_argument("--out", type=Path, default=_OUT, help="results go here (%(default)s)")
    parser.add_argument("--go-on", action="store_true", help="keep what an earlier run has found")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts = chosen.only or _PARTS
    found: list[str] = []
    if "rules" in parts:
        found += _rules(chosen)
    if "empty" in parts:
        found += _empty(chosen)
    if "tamper" in parts:
        # Its own table and goals; it says what it misses by itself.
        status = subprocess.run([sys.executable, "-m", "tests.quality.tamper"], check=False)
        found += ["tamper"] * (status.returncode != 0)
    for complaint in found:
        _say(f"NOT GOOD: {complaint}")
    _say("quality: " + ("NOT GOOD" if found else "good"))
    return 1 if found else 0


def _rules(chosen: argparse.Namespace) -> list[str]:
    weathers = tuple(map(Weather, chosen.weather or [one.value for one in Weather]))
    played = run(
        chosen.split,
        chosen.positives,
        _record(chosen, "rules"),
        weathers=weathers,
        jobs=chosen.jobs,
        say=_say,
    )
    for line in shown(played, weathers):
        _say(line)
    write_summary(played, weathers, chosen.out / f"rules-{chosen.split}.json")
    return complaints(played, weathers)


def _empty(chosen: argparse.Namespace) -> list[str]:
    record = _record(chosen, "empty")
    quiet = run_empty(chosen.split, chosen.empty_hours, record, jobs=chosen.jobs, say=_say)
    for line in shown_empty(quiet):
        _say(line)
    return empty_complaints(quiet)


def _record(chosen: argparse.Namespace, part: str) -> Path:
    record: Path = chosen.out / f"{part}-{chosen.split}.jsonl"
    if not chosen.go_on:
        record.unlink(missing_ok=True)
    return record


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
