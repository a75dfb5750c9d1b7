"""Panes of a view for people: one projection, drawn from whichever sensor looks there.

Where two sensors see the same direction, the one whose axis is nearer to it is
responsible; along the seam the two are blended over a few degrees. Sensors that hang apart
see near things in different directions: a person on the seam may show twice or be cut.
No measurement is made in such a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Size
from roeh.optics.ground import GroundPlane
from roeh.optics.polar import Array, in_frame, rows_of
from roeh.optics.projection import Cylindrical, Projection
from roeh.optics.remap import FixedPointMap, pixel_grid
from roeh.optics.rig import Nadir, Rig, Sensor

#: Across the seam between two sensors' parts.
BLEND_DEG = 2.0
#: Where a lens ends is the lens's word; what is farther off its axis needs not be asked.
_RIM_TOLERANCE_DEG = 0.01
_NOBODY = -1
_ROWS_AT_ONCE = 64
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

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet, if the lens keeps them straight."""
        return self.sensor.nadir

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


def shares(sensors: Sequence[Sensor], pole_directions: Array) -> Array:
    """How much each of s sensors has in each of n directions: (s, n), together 1, or 0 unseen."""
    return _shares(_looked_at(sensors, pole_directions)[0])


def responsible(sensors: Sequence[Sensor], pole_directions: Array) -> NDArray[np.intp]:
    """Number of the sensor that shows each of n directions (n,); -1 where none sees it."""
    off_deg, _ = _looked_at(sensors, pole_directions)
    best: NDArray[np.intp] = np.where(
        np.isinf(off_deg.min(axis=0)), _NOBODY, off_deg.argmin(axis=0)
    )
    return best


def pieces_of(sensors: Sequence[Sensor], projection: Projection) -> tuple[Piece, ...]:
    """Who draws what of a projection, with the maps (0.5 to 0.7 us a pixel)."""
    width_px, height_px = projection.width_px, projection.height_px
    if isinstance(projection, SensorPicture):
        alone = np.full((height_px, width_px), 255, np.uint8)
        nothing = np.zeros(0, np.intp)
        return (Piece(0, 0, 0, None, alone, nothing, nothing.astype(np.float32)),)
    portions = np.empty((len(sensors), height_px, width_px), np.float32)
    sources_px = np.empty((len(sensors), height_px, width_px, 2), np.float32)
    # Some rows at a time: whole pictures of directions in double precision take memory.
    for first in range(0, height_px, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, height_px - first)
        points = pixel_grid(width_px, rows) + np.asarray([0.0, first])
        off_deg, pixels = _looked_at(sensors, projection.pole_directions(points))
        block = slice(first, first + rows)
        portions[:, block] = _shares(off_deg).reshape(-1, rows, width_px)
        sources_px[:, block] = pixels.reshape(-1, rows, width_px, 2)
    return tuple(
        piece
        for number in range(len(sensors))
        for piece in _pieces_of(number, portions[number], sources_px[number])
    )


def _pieces_of(
    number: int, portion: NDArray[np.float32], source_px: NDArray[np.float32]
) -> Iterator[Piece]:
    """The rectangles that a sensor fills, from its portion (height, width) of each pixel."""
    for left, right in _runs(np.asarray((portion > 0).any(axis=0), np.bool_)):
        rows = np.flatnonzero((portion[:, left:right] > 0).any(axis=1))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        part = portion[top:bottom, left:right]
        pixels = source_px[top:bottom, left:right].reshape(-1, 2).astype(np.float64)
        mixed = np.flatnonzero((part > 0) & (part < 1))
        yield Piece(
            sensor=number,
            left_px=left,
            top_px=top,
            map=FixedPointMap.of(pixels, right - left, bottom - top),
            alone=np.where(part >= 1, np.uint8(255), np.uint8(0)),
            mixed=mixed,
            share=part.ravel()[mixed],
        )


def _looked_at(sensors: Sequence[Sensor], pole_directions: Array) -> tuple[Array, Array]:
    """Of n directions the angle off each of s axes (s, n), infinite unseen; pixels (s, n, 2).

    A sensor that has no share of a direction because another's axis is nearer counts as one
    that does not see it: of most directions the pixels of one sensor alone are computed.
    """
    rows = rows_of(pole_directions, 3)
    with np.errstate(invalid="ignore"):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    axes = np.stack([sensor.pose.to_pole()[:, 2] for sensor in sensors])
    cosines: Array = np.clip(axes @ unit.T, -1.0, 1.0)
    nearest = cosines.argmax(axis=0)
    off_deg = np.full(cosines.shape, np.inf)
    pixels = np.full((*cosines.shape, 2), np.nan)

    def ask(number: int, its: NDArray[np.intp]) -> None:
        pixels[number, its] = found = sensors[number].pixels_of(unit[its])
        angles_deg = np.degrees(np.arccos(cosines[number, its]))
        off_deg[number, its] = np.where(np.isnan(found[:, 0]), np.inf, angles_deg)

    for number in range(len(sensors)):
        ask(number, np.flatnonzero(nearest == number))
    # Infinite where the nearest does not see: then everybody is asked whose lens reaches so far.
    shown_deg = off_deg.min(axis=0)
    for number, sensor in enumerate(sensors):
        rim_deg = math.degrees(sensor.lens.max_angle_rad) + _RIM_TOLERANCE_DEG
        farthest = np.cos(np.radians(np.minimum(np.minimum(shown_deg + BLEND_DEG, rim_deg), 180.0)))
        ask(number, np.flatnonzero((nearest != number) & (cosines[number] >= farthest)))
    return off_deg, pixels


def _shares(off_deg: Array) -> Array:
    """Portions (s, n) from the angles (s, n) off the sensors' axes."""
    given = np.zeros_like(off_deg)
    for number, off in enumerate(off_deg):
        others = np.delete(off_deg, number, axis=0)
        nearest = others.min(axis=0) if len(others) else np.full(len(off), np.inf)
        with np.errstate(invalid="ignore"):
            lead = np.where(np.isinf(off), -np.inf, nearest - off)
        given[number] = np.clip(0.5 + lead / BLEND_DEG, 0.0, 1.0)
    total = given.sum(axis=0)
    portions: Array = given / np.where(total > 0, total, 1.0)
    return portions


def _runs(columns: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First column and the one past the last of each run of true ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], columns, [False]]).astype(np.int8)))
    for left, right in zip(edges[::2], edges[1::2], strict=True):
        yield int(left), int(right)
