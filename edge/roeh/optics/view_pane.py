"""Panes of a view for people: one projection, drawn from whichever sensor looks there.

Where two sensors see the same direction, the one whose axis is nearer to it is
responsible; along the seam the two are blended over a few degrees. Sensors that hang apart
see near things in different directions: a person on the seam may show twice or be cut.
No measurement is made in such a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Size
from roeh.optics.ground import GroundPlane
from roeh.optics.polar import Array, in_frame, rows_of
from roeh.optics.projection import Cylindrical, Projection
from roeh.optics.remap import FixedPointMap, pixel_grid
from roeh.optics.rig import Rig, Sensor

#: Across the seam between two sensors' parts.
BLEND_DEG = 2.0
_NOBODY = -1
#: How far outside a pane a point still has a place, in sizes of the pane.
_BEYOND = 1.0


@dataclass(frozen=True, slots=True)
class SensorPicture:
    """The sensor's own picture as a projection, at another size."""

    sensor: Sensor

    @property
    def width_px(self) -> int:
        """Width of the picture."""
        return self.sensor.lens.width_px

    @property
    def height_px(self) -> int:
        """Height of the picture."""
        return self.sensor.lens.height_px

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) to unit directions (n, 3) in the pole frame; NaN where the lens ends."""
        return self.sensor.pole_directions(points)

    def pixels_of(self, pole_directions: Array) -> Array:
        """Directions (n, 3) to points (n, 2); NaN where the lens does not see."""
        return self.sensor.pixels_of(pole_directions)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A rectangle of a pane that one sensor fills, wholly or in part.

    Attributes:
        sensor: its number in the view.
        left_px, top_px: in the pane.
        map: from the sensor's picture; None where the picture itself is shown.
        alone: (height, width), 255 where no other sensor has a share.
        mixed: (k,) numbers of pixels, row by row, that are shared.
        share: (k,) of this sensor in them, 0 to 1.
    """

    sensor: int
    left_px: int
    top_px: int
    map: FixedPointMap | None
    alone: NDArray[np.uint8]
    mixed: NDArray[np.intp]
    share: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """A rectangle of a view, drawn in one projection.

    Attributes:
        rig: all sensors of the pole.
        sensors: those whose pictures are drawn from, at the size that they are drawn from.
        left_px, top_px: in the view.
        projection: its width, height and directions.
        pieces: who draws what.
    """

    rig: Rig
    sensors: tuple[Sensor, ...]
    left_px: int
    top_px: int
    projection: Projection
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> Size:
        """Of the pane."""
        return Size(self.projection.width_px, self.projection.height_px)

    @property
    def period_px(self) -> float | None:
        """After how many pixels across the world comes round again; None: never."""
        if isinstance(self.projection, Cylindrical):
            return self.projection.width_px * 360.0 / self.projection.fov_h_deg
        return None

    def points_of(self, pole_directions: Array) -> Array:
        """Directions (n, 3) to points (n, 2) of the pane, also near by outside it; else NaN."""
        points = self.projection.pixels_of(pole_directions)
        size = np.asarray([self.projection.width_px, self.projection.height_px])
        off: Array = np.abs(points - size / 2) / size
        kept: Array = np.where(off.max(axis=1, keepdims=True) <= 0.5 + _BEYOND, points, np.nan)
        return kept

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Whether points (n, 2) lie within the pane: (n,)."""
        return in_frame(rows_of(points, 2), self.projection.width_px, self.projection.height_px)

    def ground_points(
        self, east_north_m: Array, *, up_m: float | Array = 0.0
    ) -> Iterator[tuple[Sensor, Array]]:
        """Where each sensor's part of the pane shows points (n, 2) of the ground, or above it.

        For each sensor (n, 2), NaN where another sensor is responsible or none sees it:
        sensors that hang apart see the same point in different directions.
        """
        for number, sensor in enumerate(self.sensors):
            sights = GroundPlane(self.rig, sensor).sights_of(east_north_m, up_m=up_m)
            points = self.points_of(sights)
            is_its = responsible(self.sensors, sights) == number
            yield sensor, np.where(is_its[:, None], points, np.nan)


def shares(
    sensors: Sequence[Sensor], pole_directions: Array, blend_deg: float = BLEND_DEG
) -> Array:
    """How much each of s sensors has in each of n directions: (s, n), together 1, or 0 unseen."""
    off = _off_axis_deg(sensors, pole_directions)
    given = np.zeros_like(off)
    for number in range(len(sensors)):
        others = np.delete(off, number, axis=0)
        nearest = others.min(axis=0) if len(others) else np.full(off.shape[1], np.inf)
        with np.errstate(invalid="ignore"):
            lead = np.where(np.isinf(off[number]), -np.inf, nearest - off[number])
        given[number] = np.clip(0.5 + lead / blend_deg, 0.0, 1.0)
    total = given.sum(axis=0)
    portions: Array = given / np.where(total > 0, total, 1.0)
    return portions


def responsible(sensors: Sequence[Sensor], pole_directions: Array) -> NDArray[np.intp]:
    """Number of the sensor that shows each of n directions (n,); -1 where none sees it."""
    off = _off_axis_deg(sensors, pole_directions)
    best: NDArray[np.intp] = np.where(np.isinf(off.min(axis=0)), _NOBODY, off.argmin(axis=0))
    return best


def pieces_of(sensors: Sequence[Sensor], projection: Projection) -> tuple[Piece, ...]:
    """Who draws what of a projection, with the maps (about 1 us for each pixel and sensor)."""
    width_px, height_px = projection.width_px, projection.height_px
    if isinstance(projection, SensorPicture):
        alone = np.full((height_px, width_px), 255, np.uint8)
        nothing = np.zeros(0, np.intp)
        return (Piece(0, 0, 0, None, alone, nothing, nothing.astype(np.float32)),)
    directions = projection.pole_directions(pixel_grid(width_px, height_px))
    portions = shares(sensors, directions).astype(np.float32)
    pieces: list[Piece] = []
    for number, sensor in enumerate(sensors):
        portion = portions[number].reshape(height_px, width_px)
        for left, right in _runs((portion > 0).any(axis=0)):
            rows = np.flatnonzero((portion[:, left:right] > 0).any(axis=1))
            top, bottom = int(rows[0]), int(rows[-1]) + 1
            part = portion[top:bottom, left:right]
            of_part = directions.reshape(height_px, width_px, 3)[top:bottom, left:right]
            source_px = sensor.pixels_of(of_part.reshape(-1, 3))
            mixed = np.flatnonzero((part > 0) & (part < 1))
            pieces.append(
                Piece(
                    sensor=number,
                    left_px=left,
                    top_px=top,
                    map=FixedPointMap.of(source_px, right - left, bottom - top),
                    alone=np.where(part >= 1, np.uint8(255), np.uint8(0)),
                    mixed=mixed,
                    share=part.ravel()[mixed],
                )
            )
    return tuple(pieces)


def _off_axis_deg(sensors: Sequence[Sensor], pole_directions: Array) -> Array:
    """Angle of n directions off each of s sensors' axes: (s, n); infinite where it sees nothing."""
    rows = rows_of(pole_directions, 3)
    with np.errstate(invalid="ignore"):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    angles = []
    for sensor in sensors:
        angle = np.degrees(np.arccos(np.clip(unit @ sensor.pose.to_pole()[:, 2], -1.0, 1.0)))
        is_seen = ~np.isnan(sensor.pixels_of(unit)).any(axis=1)
        angles.append(np.where(is_seen, angle, np.inf))
    return np.stack(angles)


def _runs(columns: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First column and the one past the last of each run of true ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], columns, [False]]).astype(np.int8)))
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        yield int(left), int(right)
