"""How the drawn people move: where each of them is at any time, in metres on the ground.

Pure functions of time, so that any frame can be drawn on its own. World frame: east
and north from the foot of the pole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np

WALKING_MPS = 1.3
#: A stride is two steps; one step at walking pace.
STEP_M = 0.7


class Stance(msgspec.Struct, frozen=True):
    """Where somebody is, which way they face, and where in their stride they are.

    `heading_deg` is a true bearing; `stride_rad` grows by pi with every step.
    """

    east_m: float
    north_m: float
    heading_deg: float
    speed_mps: float
    stride_rad: float


class Path(Protocol):
    """Somebody's way through the scene."""

    def at(self, since_s: float) -> Stance:
        """The stance at a time since the first frame."""


class Circle(msgspec.Struct, frozen=True):
    """Round the pole for ever, crossing north once a round.

    A negative `speed_mps` walks anticlockwise seen from above.
    """

    radius_m: float
    start_deg: float
    speed_mps: float = WALKING_MPS

    def at(self, since_s: float) -> Stance:
        """The stance at a time since the first frame."""
        walked_m = self.speed_mps * since_s
        bearing_deg = self.start_deg + math.degrees(walked_m / self.radius_m)
        bearing = math.radians(bearing_deg)
        side_deg = 90.0 if self.speed_mps >= 0 else -90.0
        return Stance(
            east_m=self.radius_m * math.sin(bearing),
            north_m=self.radius_m * math.cos(bearing),
            heading_deg=(bearing_deg + side_deg) % 360.0,
            speed_mps=abs(self.speed_mps),
            stride_rad=math.pi * abs(walked_m) / STEP_M,
        )


class Stop(msgspec.Struct, frozen=True):
    """A place on a route, and how long somebody stays there."""

    east_m: float
    north_m: float
    stay_s: float = 0.0


class Route(msgspec.Struct, frozen=True):
    """From stop to stop, back to the first one, and again; a single stop is stood at."""

    stops: tuple[Stop, ...]
    speed_mps: float = WALKING_MPS
    facing_deg: float = 0.0
    offset_s: float = 0.0

    def at(self, since_s: float) -> Stance:
        """The stance at a time since the first frame."""
        legs = list(zip(self.stops, (*self.stops[1:], self.stops[0]), strict=True))
        lengths_m = [math.hypot(b.east_m - a.east_m, b.north_m - a.north_m) for a, b in legs]
        durations_s = [
            a.stay_s + m / self.speed_mps for (a, _), m in zip(legs, lengths_m, strict=True)
        ]
        round_s = sum(durations_s)
        if round_s == 0 or len(self.stops) == 1:
            return self._standing(self.stops[0], since_s, self.facing_deg)
        left_s = (since_s + self.offset_s) % round_s
        walked_m, heading_deg = 0.0, self.facing_deg
        for (start, end), length_m, duration_s in zip(legs, lengths_m, durations_s, strict=True):
            if left_s < start.stay_s:
                return self._standing(start, since_s, heading_deg)
            if length_m > 0:
                heading_deg = _bearing_deg(start, end)
            if left_s < duration_s:
                walked_m += (left_s - start.stay_s) * self.speed_mps
                share = (left_s - start.stay_s) * self.speed_mps / length_m
                return Stance(
                    east_m=start.east_m + share * (end.east_m - start.east_m),
                    north_m=start.north_m + share * (end.north_m - start.north_m),
                    heading_deg=heading_deg,
                    speed_mps=self.speed_mps,
                    stride_rad=math.pi * walked_m / STEP_M,
                )
            left_s -= duration_s
            walked_m += length_m
        return self._standing(self.stops[0], since_s, heading_deg)

    def _standing(self, stop: Stop, since_s: float, facing_deg: float) -> Stance:
        # Nobody stands like a post: the body turns a little to and fro.
        sway_deg = 12.0 * math.sin(0.9 * since_s + 7.0 * stop.east_m)
        return Stance(stop.east_m, stop.north_m, (facing_deg + sway_deg) % 360.0, 0.0, 0.0)


class Sector(msgspec.Struct, frozen=True):
    """The piece of ground that people walk on; 180 to either side is all round."""

    bearing_deg: float = 0.0
    half_width_deg: float = 180.0
    near_m: float = 3.0
    far_m: float = 13.0

    @property
    def all_round(self) -> bool:
        """Whether one can walk round the pole in it."""
        return self.half_width_deg >= 180.0


def paths_of(seed: int, people: int, sector: Sector) -> tuple[Path, ...]:
    """Ways for so many people, the same for the same seed.

    In turn: round the pole clockwise, to and fro across a line, standing about, round
    the pole the other way, to and fro, and three who meet, stay and part. Where the
    sector is not all round, nobody walks round it.
    """
    rng = np.random.default_rng([seed, 1])
    meeting = _place(rng, sector, spread=0.5)
    paths: list[Path] = []
    for index in range(people):
        role = index % 8
        if role in (0, 3) and sector.all_round:
            radius_m = rng.uniform(sector.near_m + 0.5, min(sector.far_m, 9.0))
            start_deg = rng.uniform(0, 360)
            turn = 1.0 if role == 0 else -1.0
            paths.append(Circle(radius_m, start_deg, turn * rng.uniform(1.1, 1.5)))
        elif role == 2:
            place = _place(rng, sector)
            paths.append(Route((Stop(*place),), facing_deg=rng.uniform(0, 360)))
        elif role >= 5:
            angle = 2 * math.pi * (role - 5) / 3 + rng.uniform(-0.3, 0.3)
            spot = Stop(
                meeting[0] + 0.85 * math.sin(angle),
                meeting[1] + 0.85 * math.cos(angle),
                stay_s=rng.uniform(24, 30),
            )
            away = Stop(*_place(rng, sector))
            paths.append(Route((spot, away), speed_mps=rng.uniform(1.1, 1.4)))
        else:
            paths.append(_shuttle(rng, sector))
    return tuple(paths)


def _shuttle(rng: np.random.Generator, sector: Sector) -> Route:
    """To and fro between two places well apart, seen from the pole on different bearings."""
    ends = [_place(rng, sector), _place(rng, sector)]
    for _ in range(20):
        if (
            math.dist(*ends) > 0.6 * (sector.far_m - sector.near_m)
            and _passes(ends) > sector.near_m
        ):
            break
        ends = [_place(rng, sector), _place(rng, sector)]
    stops = tuple(Stop(east_m, north_m, stay_s=0.5) for east_m, north_m in ends)
    return Route(stops, speed_mps=rng.uniform(1.1, 1.6), offset_s=rng.uniform(0, 20))


def _passes(ends: Sequence[tuple[float, float]]) -> float:
    """How near the line between two places comes to the pole."""
    a, b = (np.asarray(end) for end in ends)
    along = b - a
    share = float(np.clip(-(a @ along) / max(float(along @ along), 1e-9), 0.0, 1.0))
    return float(np.linalg.norm(a + share * along))


def _place(rng: np.random.Generator, sector: Sector, *, spread: float = 1.0) -> tuple[float, float]:
    """A place in the sector, evenly over its bearings and ranges."""
    off_deg = rng.uniform(-1, 1) * sector.half_width_deg * (1.0 if sector.all_round else spread)
    bearing = math.radians(sector.bearing_deg + off_deg)
    middle_m, half_m = (sector.near_m + sector.far_m) / 2, (sector.far_m - sector.near_m) / 2
    range_m = middle_m + rng.uniform(-1, 1) * half_m * spread
    return range_m * math.sin(bearing), range_m * math.cos(bearing)


def _bearing_deg(start: Stop, end: Stop) -> float:
    east_m, north_m = end.east_m - start.east_m, end.north_m - start.north_m
    return math.degrees(math.atan2(east_m, north_m)) % 360.0
