"""Virtual cameras on the pole: the projections that tiles and views are drawn in.

Both keep the world's up upwards in the picture. Directions are in the pole frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from roeh.core.errors import LensError
from roeh.optics.polar import Array, rows_of
from roeh.optics.rig import Nadir, Pose, angles_of, directions_of

RowSpacing = Literal["angle", "tangent"]
_UNIT_HEIGHT_M = 1.0
_MAX_PERSPECTIVE_DEG = 150.0


class Projection(Protocol):
    """A way to spread directions over a picture of given size."""

    @property
    def width_px(self) -> int:
        """Width of the picture."""

    @property
    def height_px(self) -> int:
        """Height of the picture."""

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet, if they are straight lines in it."""

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) of the picture to unit directions (n, 3) in the pole frame."""

    def pixels_of(self, pole_directions: Array) -> Array:
        """Directions (n, 3) to points (n, 2), also outside the picture; NaN where none is."""


@dataclass(frozen=True, slots=True)
class Perspective:
    """Gnomonic picture, straight lines stay straight.

    Args:
        width_px: width of the picture.
        height_px: height of the picture.
        azimuth_deg: of the middle of the picture, from the pole's forward mark.
        elevation_deg: of the middle; 0 horizon, -90 straight down.
        fov_h_deg: angle across the middle row.
        fov_v_deg: angle down the middle column; default that of square pixels.

    Raises:
        LensError: an angle no perspective picture can have.
    """

    width_px: int
    height_px: int
    azimuth_deg: float
    elevation_deg: float
    fov_h_deg: float
    fov_v_deg: float | None = None
    _focal: Array = field(init=False, repr=False, compare=False)
    _middle: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_angle("elevation_deg", self.elevation_deg, -90.0, 90.0)
        _check_angle("fov_h_deg", self.fov_h_deg, 1.0, _MAX_PERSPECTIVE_DEG)
        if self.fov_v_deg is not None:
            _check_angle("fov_v_deg", self.fov_v_deg, 1.0, _MAX_PERSPECTIVE_DEG)
        object.__setattr__(self, "_focal", np.asarray(self.focal_px))
        middle = np.asarray([(self.width_px - 1) / 2, (self.height_px - 1) / 2])
        object.__setattr__(self, "_middle", middle)

    @property
    def focal_px(self) -> tuple[float, float]:
        """(fx, fy)."""
        fx = self.width_px / 2 / math.tan(math.radians(self.fov_h_deg / 2))
        if self.fov_v_deg is None:
            return fx, fx
        return fx, self.height_px / 2 / math.tan(math.radians(self.fov_v_deg / 2))

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet."""
        return Nadir.of(self._to_pole(), self.focal_px, self._middle)

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) to unit directions (n, 3) in the pole frame."""
        rows = rows_of(points, 2)
        sight = np.ones((len(rows), 3))
        np.divide(rows - self._middle, self._focal, out=sight[:, :2])
        sight /= np.sqrt(np.einsum("ni,ni->n", sight, sight))[:, None]
        unit: Array = sight @ self._to_pole().T
        return unit

    def pixels_of(self, pole_directions: Array) -> Array:
        """Directions (n, 3) to points (n, 2); NaN behind the virtual camera."""
        sight = rows_of(pole_directions, 3) @ self._to_pole()
        depth = np.where(sight[:, 2] > 1e-9, sight[:, 2], np.nan)[:, None]
        points: Array = self._middle + self._focal * sight[:, :2] / depth
        return points

    def _to_pole(self) -> Array:
        return Pose(self.azimuth_deg, -self.elevation_deg, 0.0, _UNIT_HEIGHT_M).to_pole()


@dataclass(frozen=True, slots=True)
class Cylindrical:
    """Azimuth across, elevation down: every vertical of the world is a column.

    Args:
        width_px: width of the picture.
        height_px: height of the picture.
        azimuth_deg: of the middle column, from the pole's forward mark.
        elevation_deg: halfway between the angles of the upper and the lower edge.
        fov_h_deg: azimuth from edge to edge, up to 360.
        fov_v_deg: elevation from edge to edge.
        rows: spaced evenly in "angle", or in its "tangent" as on an upright cylinder.

    Raises:
        LensError: an angle that no such picture can have.
    """

    width_px: int
    height_px: int
    azimuth_deg: float
    elevation_deg: float
    fov_h_deg: float
    fov_v_deg: float
    rows: RowSpacing = "angle"

    def __post_init__(self) -> None:
        limit = 90.0 if self.rows == "angle" else 85.0
        _check_angle("fov_h_deg", self.fov_h_deg, 1.0, 360.0)
        _check_angle("fov_v_deg", self.fov_v_deg, 1.0, 2 * limit)
        half = self.fov_v_deg / 2
        _check_angle("elevation_deg", self.elevation_deg, -limit + half, limit - half)

    @property
    def nadir(self) -> Nadir | None:
        """None: its verticals are columns, which end at no point."""
        return None

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) to unit directions (n, 3) in the pole frame."""
        x, y = rows_of(points, 2).T
        azimuth = self.azimuth_deg + (x - (self.width_px - 1) / 2) * self.fov_h_deg / self.width_px
        top, step = self._rows()
        row = top - (y + 0.5) * step
        elevation = row if self.rows == "angle" else np.degrees(np.arctan(row))
        # Past straight up or down there is nothing: a box over the edge ends there.
        return directions_of(azimuth, np.clip(elevation, -90.0, 90.0))

    def pixels_of(self, pole_directions: Array) -> Array:
        """Directions (n, 3) to points (n, 2), azimuth taken within 180 of the middle."""
        azimuth, elevation = angles_of(pole_directions)
        off = (azimuth - self.azimuth_deg + 180.0) % 360.0 - 180.0
        top, step = self._rows()
        row = elevation if self.rows == "angle" else np.tan(np.radians(elevation))
        x = off * self.width_px / self.fov_h_deg + (self.width_px - 1) / 2
        return np.column_stack([x, (top - row) / step - 0.5])

    def _rows(self) -> tuple[float, float]:
        """What the upper edge stands at, and how much less each row is."""
        high, low = (self.elevation_deg + side * self.fov_v_deg / 2 for side in (1, -1))
        if self.rows == "tangent":
            high, low = (math.tan(math.radians(angle)) for angle in (high, low))
        return high, (high - low) / self.height_px


def _check_angle(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise LensError(
            what="impossible tile",
            which=f"{name} = {value:g}",
            remedy=f"give a value from {low:g} to {high:g}",
        )
