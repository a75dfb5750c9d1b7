"""Which bearings round the pole a rig sees at a range, which sensors share, which nobody sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Rig, wrap_deg

PERSON_M = 1.7
_STEP_DEG = 1.0


@dataclass(frozen=True, slots=True)
class Arc:
    """From a bearing clockwise to another, degrees; all round where the two are the same."""

    from_deg: float
    to_deg: float

    @property
    def width_deg(self) -> float:
        """Of the arc, in (0, 360]."""
        return wrap_deg(self.to_deg - self.from_deg) or 360.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who would see a standing person in each degree of the bearing, at one range.

    Attributes:
        range_m: from the foot of the pole.
        sensors: n names.
        seen: (n, 360), whether each sensor shows the person from foot to head.
    """

    range_m: float
    sensors: tuple[str, ...]
    seen: NDArray[np.bool_]

    @property
    def gaps(self) -> tuple[Arc, ...]:
        """Where nobody sees the person."""
        return arcs_of(np.logical_not(np.logical_or.reduce(self.seen)))

    def of(self, sensor: str) -> tuple[Arc, ...]:
        """Where one sensor sees the person."""
        return arcs_of(self.seen[self.sensors.index(sensor)])

    def shared(self, one: str, other: str) -> float:
        """What part of the lesser of two sensors' views the other sees as well, 0 to 1."""
        views = self.seen[[self.sensors.index(one), self.sensors.index(other)]]
        lesser = int(views.sum(axis=1).min())
        return float(views.all(axis=0).sum()) / lesser if lesser else 0.0


def coverage_at(rig: Rig, range_m: float, *, height_m: float = PERSON_M) -> Coverage:
    """What the rig sees of a person so far from the pole, all round."""
    bearings = np.radians(np.arange(_STEP_DEG / 2, 360.0, _STEP_DEG))
    places = range_m * np.column_stack([np.sin(bearings), np.cos(bearings)])
    seen = []
    for sensor in rig.sensors:
        plane = GroundPlane(rig, sensor)
        ends = plane.pixels_of(places) + plane.pixels_of(places, up_m=height_m)
        seen.append(~np.isnan(ends).any(axis=1))
    names = tuple(sensor.name for sensor in rig.sensors)
    return Coverage(range_m, names, np.asarray(seen, np.bool_))


def arcs_of(marked: NDArray[np.bool_]) -> tuple[Arc, ...]:
    """The arcs of a round of marks (n,), the first from bearing 0 on; one over north is one."""
    if marked.all():
        return (Arc(0.0, 0.0),)
    step_deg = 360.0 / len(marked)
    begins = np.flatnonzero(marked & ~np.roll(marked, 1))
    ends = np.flatnonzero(marked & ~np.roll(marked, -1)) + 1
    if len(begins) and ends[0] <= begins[0]:
        ends = np.roll(ends, -1)
    return tuple(
        Arc(float(first * step_deg), wrap_deg(float(last * step_deg)))
        for first, last in zip(begins, ends, strict=True)
    )
