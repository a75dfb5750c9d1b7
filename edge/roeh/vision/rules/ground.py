"""Places on the ground and how surely a track is inside or beyond them."""

from __future__ import annotations

import math
from typing import Protocol

from roeh.core.config import LineSection, ZoneSection
from roeh.core.types import GroundPoint

#: Hysteresis: inside from the edge on, outside only beyond it by one sigma and a step.
_STEP_M = 0.2


def sigma_m(point: GroundPoint) -> float:
    """One sigma of the position, averaged over both directions."""
    covariance = point.covariance
    return math.sqrt(max(0.0, covariance.east_east_m2 + covariance.north_north_m2) / 2)


def is_clearly_outside(depth_m: float, point: GroundPoint) -> bool:
    """Whether a track that was inside has left, given its depth (negative outside)."""
    return depth_m < -(sigma_m(point) + _STEP_M)


class Area(Protocol):
    """A piece of ground."""

    def depth_m(self, east_m: float, north_m: float) -> float:
        """Distance to its edge: positive inside, negative outside."""


class Polygon:
    """An area by its corners."""

    def __init__(self, corners_m: tuple[tuple[float, float], ...]) -> None:
        self._edges = tuple(zip(corners_m, (*corners_m[1:], corners_m[0]), strict=True))

    def depth_m(self, east_m: float, north_m: float) -> float:
        """Distance to the nearest edge, by the even-odd rule positive inside."""
        inside = False
        nearest_m = math.inf
        for (ax, ay), (bx, by) in self._edges:
            nearest_m = min(nearest_m, _to_segment_m(east_m, north_m, (ax, ay), (bx, by)))
            if (ay > north_m) != (by > north_m) and (
                east_m < ax + (north_m - ay) / (by - ay) * (bx - ax)
            ):
                inside = not inside
        return nearest_m if inside else -nearest_m


class Sector:
    """An area by bearing and range; bearings may run over north."""

    def __init__(self, from_deg: float, to_deg: float, near_m: float, far_m: float) -> None:
        self._middle_rad = math.radians(from_deg + ((to_deg - from_deg) % 360.0 or 360.0) / 2)
        self._half_rad = math.radians(((to_deg - from_deg) % 360.0 or 360.0) / 2)
        self._near_m, self._far_m = near_m, far_m

    def depth_m(self, east_m: float, north_m: float) -> float:
        """Distance to the nearest side, as far as a sector has a simple one."""
        range_m = math.hypot(east_m, north_m)
        depth_m = self._far_m - range_m
        if self._near_m > 0:
            depth_m = min(depth_m, range_m - self._near_m)
        if self._half_rad < math.pi:
            turn_rad = math.atan2(east_m, north_m) - self._middle_rad
            off_rad = abs(math.remainder(turn_rad, 2 * math.pi))
            beside_rad = self._half_rad - off_rad
            # Across the side's ray; beyond a right angle the pole itself is nearest.
            across_m = range_m * math.sin(max(-math.pi / 2, min(math.pi / 2, beside_rad)))
            depth_m = min(depth_m, across_m)
        return depth_m


class Line:
    """A line on the ground, from one point to another."""

    def __init__(self, section: LineSection) -> None:
        (self._ax, self._ay), (bx, by) = section.from_m, section.to_m
        self._length_m = math.hypot(bx - self._ax, by - self._ay)
        self._ux, self._uy = (bx - self._ax) / self._length_m, (by - self._ay) / self._length_m

    def left_of_m(self, east_m: float, north_m: float) -> float:
        """Distance from the line's whole length: positive to the left of from → to."""
        return self._ux * (north_m - self._ay) - self._uy * (east_m - self._ax)

    def is_beside(self, east_m: float, north_m: float) -> bool:
        """Whether a point lies between the line's ends, looked at across it."""
        along_m = self._ux * (east_m - self._ax) + self._uy * (north_m - self._ay)
        return 0.0 <= along_m <= self._length_m


def area_of(zone: ZoneSection) -> Area:
    """The area that a zone describes."""
    if zone.bearing_from_deg is None or zone.bearing_to_deg is None or zone.range_to_m is None:
        return Polygon(zone.polygon_m)
    return Sector(zone.bearing_from_deg, zone.bearing_to_deg, zone.range_from_m, zone.range_to_m)


def _to_segment_m(x: float, y: float, a: tuple[float, float], b: tuple[float, float]) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    along = 0.0 if square == 0 else ((x - a[0]) * dx + (y - a[1]) * dy) / square
    along = min(1.0, max(0.0, along))
    return math.hypot(x - a[0] - along * dx, y - a[1] - along * dy)
