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

#: kbit/s both ways, of the issue that this product was built by.
GOALS_KBPS = {"at rest": 0.2, "one alert a minute": 1.6, "one alert a minute, thrifty": 0.9}


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
    parser.add_argument("--profile", choices=("full", "thrifty"), help="only this one")
    parser.add_argument("--json", action="store_true", help="one JSON line a figure")
    chosen = parser.parse_args()
    prepare_loopback()
    figures = []
    with tempfile.TemporaryDirectory(prefix="roeh-wire-") as place:
        for profile in ("full", "thrifty") if chosen.profile is None else (chosen.profile,):
            figures += _measure(Path(place), profile, Pace(chosen.speed), chosen.minutes)
    for line in (_json if chosen.json else _table)(figures):
        sys.stdout.write(f"{line}\n")
    return 0 if all(figure.is_good for figure in figures) else 1


def _measure(place: Path, profile: str, pace: Pace, minutes: int) -> list[Figure]:
    directory = place / f"{profile}-city"
    directory.mkdir()
    place.chmod(0o755)
    alerts = made_alerts(place, profile)
    with contextlib.ExitStack() as closing:
        scene = closing.enter_context(running_scene(directory, profile, pace))
        count_from_now(scene.broker.poles_port)
        detect = Detect(scene, alerts)
        closing.callback(detect.close)
        with_alerts = "one alert a minute" + (", thrifty" if profile == "thrifty" else "")
        figures = []
        if profile == "full":
            figures.append(_figure("at rest", scene, minutes, lambda: None))
        figures.append(_figure(with_alerts, scene, minutes, detect.store))
    return figures


def _figure(what, scene, minutes, each_minute) -> Figure:
    next_beat(scene, carried)
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
