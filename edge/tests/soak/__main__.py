"""The soak from the command line: `make soak`, edge/design/soak.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.outcome import judge
from tests.soak.plan import SIXTEEN_HOURS_S, draw
from tests.soak.suite import STALL_S, soak

_EVENTS = 200


def main() -> int:
    """Exit status 0 when nothing grew and every gap is explained, else 1."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=SIXTEEN_HOURS_S / 3600, help="of the stream")
    parser.add_argument("--events", type=int, default=_EVENTS, help="that happen in them")
    parser.add_argument("--speed", type=float, default=60.0, help="hours of the stream an hour")
    parser.add_argument("--seed", type=int, default=1, help="draws everything (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave what was recorded here")
    chosen = parser.parse_args()
    duration_s = chosen.hours * 3600
    plan = draw(
        chosen.seed, duration_s=duration_s, count=chosen.events, stall_s=STALL_S * chosen.speed
    )
    _say(
        f"{chosen.hours:g} h of a camera at {chosen.speed:g} times its pace, {len(plan)} events:"
        f" {duration_s / chosen.speed / 60:.0f} min"
    )
    with tempfile.TemporaryDirectory(prefix="roeh-soak-") as place:
        directory = Path(place) if chosen.keep is None else chosen.keep
        directory.mkdir(parents=True, exist_ok=True)
        soaked = soak(directory, plan, duration_s=duration_s, speed=chosen.speed)
        outcome = judge(soaked)
    for line in outcome.lines:
        _say(line)
    for complaint in outcome.complaints:
        _say(f"NOT GOOD: {complaint}")
    _say("soak: " + ("NOT GOOD" if outcome.complaints else "good"))
    return 1 if outcome.complaints else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
