"""What a pole takes of its link: `make wire`, edge/design/delivery.md.

Run in a network of its own (`unshare --net`).
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.wire.counters import Carried, carried, count_from_now, prepare_loopback
from tests.wire.footage_alerts import made_alerts
from tests.wire.scene import CLOCK, Detect, Pace, next_beat, running_scene

AT_REST = "at rest"
#: kbit/s both ways, of the issue that this product was built by.
GOALS_KBPS = {AT_REST: 0.2, "one alert a minute": 1.6, "one alert a minute, thrifty": 0.9}

#: So many different ones; then they come again.
_MOST_ALERTS = 25


class Figure(msgspec.Struct, frozen=True):
    """One line of the table, as of a minute of the pole's life."""

    what: str
    up_bytes: float
    down_bytes: float
    packets: float
    kbps: float
    goal_kbps: float

    @property
    def is_good(self) -> bool:
        """Within the goal."""
        return self.kbps <= self.goal_kbps


def main() -> int:
    """Exit status 0 when every goal is kept, else 1."""
    parser = argparse.ArgumentParser(prog="make wire", description=__doc__)
    parser.add_argument("--minutes", type=int, default=10, help="each (%(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast a minute passes")
    parser.add_argument("--only", choices=tuple(GOALS_KBPS), help="this figure")
    parser.add_argument("--json", action="store_true", help="one JSON line a figure")
    chosen = parser.parse_args()
    prepare_loopback()
    figures = []
    with tempfile.TemporaryDirectory(prefix="roeh-wire-") as place:
        for number, what in enumerate([chosen.only] if chosen.only else GOALS_KBPS):
            directory = Path(place) / str(number)
            figures.append(_measure(directory, what, Pace(chosen.speed), chosen.minutes))
    for line in (_json if chosen.json else _table)(figures):
        sys.stdout.write(f"{line}\n")
    return 0 if all(figure.is_good for figure in figures) else 1


def _measure(directory: Path, what: str, pace: Pace, minutes: int) -> Figure:
    profile = "thrifty" if what.endswith("thrifty") else "full"
    directory.mkdir()
    directory.parent.chmod(0o755)
    alerts = [] if what == AT_REST else made_alerts(directory, profile, min(minutes, _MOST_ALERTS))
    city = directory / "city"
    city.mkdir()
    with contextlib.ExitStack() as closing:
        scene = closing.enter_context(running_scene(city, profile, pace))
        count_from_now(scene.broker.poles_port)
        detect = Detect(scene, alerts)
        closing.callback(detect.close)
        return _figure(what, scene, minutes, detect.store if alerts else lambda: None)


def _figure(what, scene, minutes, each_minute) -> Figure:
    next_beat(scene, carried)
    # Between two heartbeats, so that there are as many as minutes although each is a little late.
    CLOCK.wait(scene.pace.minute_s / 2)
    before, began_ns = carried(), CLOCK.mono_ns()
    for number in range(minutes):
        each_minute()
        due_ns = began_ns + int((number + 1) * scene.pace.minute_s * 1e9)
        CLOCK.wait((due_ns - CLOCK.mono_ns()) / 1e9)
    passed: Carried = carried().since(before)
    lasted_minutes = (CLOCK.mono_ns() - began_ns) / 1e9 / scene.pace.minute_s
    return Figure(
        what=what,
        up_bytes=passed.up_bytes / lasted_minutes,
        down_bytes=passed.down_bytes / lasted_minutes,
        packets=(passed.up_packets + passed.down_packets) / lasted_minutes,
        kbps=passed.total_bytes * 8 / 1000 / (lasted_minutes * 60),
        goal_kbps=GOALS_KBPS[what],
    )


def _table(figures):
    yield "a minute of                      up B  down B  packets   kbit/s    goal"
    for figure in figures:
        yield (
            f"{figure.what:30} {figure.up_bytes:6.0f} {figure.down_bytes:7.0f}"
            f" {figure.packets:8.0f} {figure.kbps:8.3f} {figure.goal_kbps:7.1f}"
            f"  {'' if figure.is_good else 'OVER'}"
        )


def _json(figures):
    for figure in figures:
        yield msgspec.json.encode(figure).decode()


if __name__ == "__main__":
    raise SystemExit(main())
