"""Where people of a scene go: straight from point to point, at given times."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.sources.drawn.paths import STEP_M, Stance

#: How fast one who walks starts and stops.
START_MPS2 = 1.5
_STEP_S = 0.1

Array = NDArray[np.float64]
Place = tuple[float, float]


class Waypoint(msgspec.Struct, frozen=True):
    """To be there at that time since the first frame."""

    t_s: float
    east_m: float
    north_m: float


class Way(msgspec.Struct, frozen=True):
    """A `Path` of the drawn source; before the first and after the last point one stands."""

    points: tuple[Waypoint, ...]
    facing_deg: float = 0.0

    @classmethod
    def walked(
        cls, stops: list[tuple[Place, float]], speed_mps: float, facing_deg: float = 0.0
    ) -> Way:
        """From stop to stop at a speed, staying at each for its seconds.

        Nobody starts or stops at once: speed grows and falls by `START_MPS2`.
        """
        (first, stay_s), *others = stops
        points = [Waypoint(0.0, *first), Waypoint(stay_s, *first)]
        for (place, stay_s), (start, _) in zip(others, stops, strict=False):
            begun_s = points[-1].t_s
            length_m = math.dist(start, place)
            for t_s, gone_m in _from_rest_to_rest(length_m, speed_mps):
                share = gone_m / length_m
                east_m = start[0] + share * (place[0] - start[0])
                north_m = start[1] + share * (place[1] - start[1])
                points.append(Waypoint(begun_s + t_s, east_m, north_m))
            points.append(Waypoint(points[-1].t_s + max(stay_s, 1e-3), *place))
        return cls(tuple(points), facing_deg)

    @classmethod
    def dashed(cls, start: Place, end: Place, speeds: list[tuple[float, float]]) -> Way:
        """Straight on, at a speed that goes evenly from each given one to the next.

        Args:
            speeds: (seconds since the first frame, metres a second); the last one holds
                until the end is reached.
        """
        length_m = math.dist(start, end)
        times_s, speeds_mps = zip(*speeds, strict=True)
        points, gone_m, t_s = [Waypoint(0.0, *start)], 0.0, 0.0
        while gone_m < length_m:
            t_s += _STEP_S
            gone_m += _STEP_S * float(np.interp(t_s - _STEP_S / 2, times_s, speeds_mps))
            share = min(gone_m / length_m, 1.0)
            east_m = start[0] + share * (end[0] - start[0])
            points.append(Waypoint(t_s, east_m, start[1] + share * (end[1] - start[1])))
        return cls(tuple(points))

    @property
    def end_s(self) -> float:
        return self.points[-1].t_s

    def at(self, since_s: float) -> Stance:
        """The stance at a time since the first frame."""
        walked_m, facing_deg = 0.0, self.facing_deg
        for a, b in zip(self.points, self.points[1:], strict=False):
            length_m = math.dist((a.east_m, a.north_m), (b.east_m, b.north_m))
            if length_m > 0:
                facing_deg = math.degrees(math.atan2(b.east_m - a.east_m, b.north_m - a.north_m))
            if since_s < b.t_s:
                share = max(0.0, (since_s - a.t_s) / (b.t_s - a.t_s))
                return self._stance(
                    a.east_m + share * (b.east_m - a.east_m),
                    a.north_m + share * (b.north_m - a.north_m),
                    facing_deg,
                    length_m / (b.t_s - a.t_s),
                    walked_m + share * length_m,
                    since_s,
                )
            walked_m += length_m
        last = self.points[-1]
        return self._stance(last.east_m, last.north_m, facing_deg, 0.0, walked_m, since_s)

    def places(self, times_s: Array) -> Array:
        """Where one is (n, 2) at each time."""
        known_s = [point.t_s for point in self.points]
        return np.column_stack(
            [
                np.interp(times_s, known_s, [point.east_m for point in self.points]),
                np.interp(times_s, known_s, [point.north_m for point in self.points]),
            ]
        )

    def _stance(
        self,
        east_m: float,
        north_m: float,
        heading_deg: float,
        speed_mps: float,
        walked_m: float,
        since_s: float,
    ) -> Stance:
        if speed_mps == 0.0:
            # Nobody stands like a post.
            sway_deg = 12.0 * math.sin(0.9 * since_s + 7.0 * self.points[0].east_m)
            return Stance(east_m, north_m, (heading_deg + sway_deg) % 360.0, 0.0, 0.0)
        stride_rad = math.pi * walked_m / STEP_M
        return Stance(east_m, north_m, heading_deg % 360.0, speed_mps, stride_rad)


def _from_rest_to_rest(length_m: float, speed_mps: float) -> list[tuple[float, float]]:
    """Seconds and metres gone, a tenth of a second apart: speed up, walk, slow down."""
    speed_mps = min(speed_mps, math.sqrt(START_MPS2 * length_m))
    ramp_s = speed_mps / START_MPS2
    ramp_m = speed_mps * ramp_s / 2
    whole_s = 2 * ramp_s + (length_m - 2 * ramp_m) / speed_mps
    found = []
    for t_s in np.arange(_STEP_S, whole_s, _STEP_S).tolist():
        if t_s < ramp_s:
            gone_m = START_MPS2 * t_s**2 / 2
        elif t_s < whole_s - ramp_s:
            gone_m = ramp_m + speed_mps * (t_s - ramp_s)
        else:
            gone_m = length_m - START_MPS2 * (whole_s - t_s) ** 2 / 2
        found.append((t_s, gone_m))
    return [*found, (whole_s, length_m)]
