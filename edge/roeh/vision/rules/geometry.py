"""Places on the ground, and how surely a track with its covariance is inside or beyond them.

A position far from the pole is sharp across the line of sight and vague along it. So
being inside is a probability: the normal distribution of the position, integrated over
the area. For a polygon that integral is exact, edge by edge, with Owen's T function
(D. B. Owen, Ann. Math. Statist. 27 (1956) 1075-1090): each edge and the position span a
triangle, and the triangles' signed probabilities add up to the polygon's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import (  # type: ignore[import-untyped]  # scipy ships no types
    owens_t,
)

from roeh.core.config import LineSection, ZoneSection
from roeh.core.types import Covariance, GroundPoint

Array = NDArray[np.float64]

#: Where something is that has no place on the ground: a noise, a camera. How well the pole's own
#: place is known is added where latitude and longitude are told.
FOOT_OF_POLE = GroundPoint(east_m=0.0, north_m=0.0, covariance=Covariance(0.0, 0.0, 0.0))

# Nobody's position is better known than this; it also keeps covariances invertible.
_SIGMA_FLOOR_M = 0.05
# A sector's arc as chords: 8 degrees leave 0.24 % of the range beside the arc.
_CHORD_DEG = 8.0
# So many sigmas from the nearest edge there is nothing to integrate.
_SURE_SIGMAS = 4.0
_DEPTH_GRID = 25


class Area:
    """A piece of ground with straight edges.

    Args:
        corners_m: (east, north) in order round the edge, either way.
    """

    def __init__(self, corners_m: Sequence[tuple[float, float]]) -> None:
        corners = np.asarray(corners_m, dtype=np.float64)
        following = np.roll(corners, -1, axis=0)
        twice_area = float(np.sum(_cross(corners, following)))
        if twice_area < 0:
            corners, following = corners[::-1], np.roll(corners[::-1], -1, axis=0)
        long_enough = np.hypot(*(following - corners).T) > 1e-9
        self._start, self._end = corners[long_enough], following[long_enough]
        self._edge = self._end - self._start
        self._edge_m2 = np.sum(self._edge**2, axis=1)
        self._low_north, self._high_north = np.sort([self._start[:, 1], self._end[:, 1]], axis=0)
        # An edge that runs east-west spans no north and must not divide by its height.
        rise = np.where(self._edge[:, 1] == 0, 1.0, self._edge[:, 1])
        self._east_per_north = self._edge[:, 0] / rise
        self._deepest, self._depth_m = self._deepest_point()

    def probabilities(self, points: Sequence[GroundPoint]) -> Array:
        """Probability (n,) that each position is inside, given its covariance."""
        places, spreads = _places(points), _spreads(points)
        return self._inside(places, spreads, self.depths_m(places))

    def certainties(self, points: Sequence[GroundPoint]) -> Array:
        """Probability (n,) in parts of the greatest that a position of that covariance can have.

        The difference matters where an area is small and far: nobody can be known to be
        in a doorway 30 m away with 70 %, and still somebody is most likely there.
        """
        places, spreads = _places(points), _spreads(points)
        inside = self._inside(places, spreads, self.depths_m(places))
        deepest = np.broadcast_to(self._deepest, places.shape)
        best = self._inside(deepest, spreads, np.full(len(places), self._depth_m))
        certainty: Array = np.clip(inside / np.maximum(best, 1e-12), 0.0, 1.0)
        return certainty

    def depths_m(self, places: Array) -> Array:
        """Distance (n,) of places (n, 2) to the nearest edge, negative outside."""
        gap = places[:, None] - self._start
        part = np.clip(
            (gap[..., 0] * self._edge[:, 0] + gap[..., 1] * self._edge[:, 1]) / self._edge_m2, 0, 1
        )
        east_off = gap[..., 0] - part * self._edge[:, 0]
        north_off = gap[..., 1] - part * self._edge[:, 1]
        nearest = np.sqrt((east_off * east_off + north_off * north_off).min(axis=1))
        north = places[:, 1, None]
        spans = (self._low_north <= north) & (north < self._high_north)
        passes = spans & (gap[..., 0] < gap[..., 1] * self._east_per_north)
        inside = np.count_nonzero(passes, axis=1) % 2 == 1
        depth: Array = np.where(inside, nearest, -nearest)
        return depth

    def _inside(self, places: Array, spreads: Array, depths_m: Array) -> Array:
        inside = (depths_m > 0).astype(np.float64)
        near_edge = np.abs(depths_m) < _SURE_SIGMAS * np.sqrt(_worst_variances(spreads))
        if near_edge.any():
            inside[near_edge] = self._integral(places[near_edge], spreads[near_edge])
        return inside

    def _integral(self, places: Array, spreads: Array) -> Array:
        # Whitened, the position is the origin and its error the unit circle.
        whiten = np.linalg.inv(np.linalg.cholesky(spreads)).transpose(0, 2, 1)
        start = (self._start - places[:, None]) @ whiten
        end = (self._end - places[:, None]) @ whiten
        along = end - start
        along /= np.hypot(along[..., 0], along[..., 1])[..., None]
        height = _cross(start, along)
        far = np.maximum(np.abs(height), 1e-12)
        slope_start = np.sum(start * along, axis=-1) / far
        slope_end = np.sum(end * along, axis=-1) / far
        triangle = (np.arctan(slope_end) - np.arctan(slope_start)) / (2 * math.pi)
        triangle -= owens_t(far, slope_end) - owens_t(far, slope_start)
        total: Array = np.clip(np.sum(np.sign(height) * triangle, axis=-1), 0.0, 1.0)
        return total

    def _deepest_point(self) -> tuple[Array, float]:
        """The point of a grid over the area that is farthest from its edges, and how far."""
        low, high = self._start.min(axis=0), self._start.max(axis=0)
        east, north = (np.linspace(low[axis], high[axis], _DEPTH_GRID + 2)[1:-1] for axis in (0, 1))
        grid = np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)
        depths_m = self.depths_m(grid)
        deepest = int(np.argmax(depths_m))
        return grid[deepest], float(depths_m[deepest])


class Line:
    """A line on the ground; left and right are those of someone walking from → to."""

    def __init__(self, section: LineSection) -> None:
        (self._east_m, self._north_m), (to_east, to_north) = section.from_m, section.to_m
        east, north = to_east - self._east_m, to_north - self._north_m
        self.length_m = math.hypot(east, north)
        self._along_east, self._along_north = east / self.length_m, north / self.length_m

    def left_of_m(self, point: GroundPoint) -> float:
        """Distance from the line, endless both ways: positive on its left."""
        east, north = point.east_m - self._east_m, point.north_m - self._north_m
        return self._along_east * north - self._along_north * east

    def along_m(self, point: GroundPoint) -> float:
        """How far along the line a point is, looked at across it; 0 at its beginning."""
        east, north = point.east_m - self._east_m, point.north_m - self._north_m
        return self._along_east * east + self._along_north * north

    def across_sigma_m(self, point: GroundPoint) -> float:
        """Sigma of `left_of_m`."""
        east, north, c = -self._along_north, self._along_east, point.covariance
        variance = (
            east * east * c.east_east_m2
            + 2 * east * north * c.east_north_m2
            + north * north * c.north_north_m2
        )
        return math.sqrt(max(variance, _SIGMA_FLOOR_M**2))


def area_of(zone: ZoneSection) -> Area:
    """The area that a zone describes."""
    return Area(outline_of(zone))


def outline_of(zone: ZoneSection) -> Sequence[tuple[float, float]]:
    """The corners of a zone, (east, north) in order round its edge."""
    if zone.bearing_from_deg is None or zone.bearing_to_deg is None or zone.range_to_m is None:
        return zone.polygon_m
    turn_deg = (zone.bearing_to_deg - zone.bearing_from_deg) % 360.0 or 360.0
    steps = max(2, math.ceil(turn_deg / _CHORD_DEG))
    bearings = np.radians(zone.bearing_from_deg + turn_deg * np.arange(steps + 1) / steps)
    arc = np.column_stack([np.sin(bearings), np.cos(bearings)])
    # Out along the far arc and back along the near one; all round, the cut between
    # them is passed twice and cancels.
    outline = np.concatenate([zone.range_to_m * arc, zone.range_from_m * arc[::-1]])
    return [(float(east), float(north)) for east, north in outline]


def sigma_m(point: GroundPoint) -> float:
    """One sigma of a position along its worst direction."""
    return math.sqrt(float(_worst_variances(_spreads([point]))[0]))


def apart_m(a: GroundPoint, b: GroundPoint) -> float:
    """Distance between two places."""
    return math.hypot(a.east_m - b.east_m, a.north_m - b.north_m)


def _places(points: Sequence[GroundPoint]) -> Array:
    return np.array([(point.east_m, point.north_m) for point in points]).reshape(-1, 2)


def _spreads(points: Sequence[GroundPoint]) -> Array:
    entries = [
        (c.east_east_m2, c.east_north_m2, c.east_north_m2, c.north_north_m2)
        for c in (point.covariance for point in points)
    ]
    return np.array(entries).reshape(-1, 2, 2) + _SIGMA_FLOOR_M**2 * np.eye(2)


def _worst_variances(spreads: Array) -> Array:
    """Greatest eigenvalue (n,) of covariances (n, 2, 2)."""
    a, b, c = spreads[:, 0, 0], spreads[:, 0, 1], spreads[:, 1, 1]
    worst: Array = (a + c) / 2 + np.hypot((a - c) / 2, b)
    return worst


def _cross(a: Array, b: Array) -> Array:
    """Z of the cross product, rows of the last axis."""
    z: Array = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return z
