"""The direction in which every pixel of a sensor looks, kept small and given quickly."""

from __future__ import annotations

import math
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.optics.polar import Array
from roeh.optics.rig import Rig, Sensor

Floats = NDArray[np.floating[Any]]
"""Figures of a rectangle of pixels: (height, width) or (height, width, n)."""

# Directions are computed on a grid this wide and filled in between: for a fisheye of
# 600 px a radian that is off by less than 0.006 px.
_GRID_PX = 4


class PixelBox(msgspec.Struct, frozen=True):
    """A rectangle of whole pixels, right and bottom open."""

    left_px: int
    top_px: int
    right_px: int
    bottom_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom_px - self.top_px, self.right_px - self.left_px

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.right_px <= self.left_px or self.bottom_px <= self.top_px

    def within(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """This part of a picture, as a view."""
        return picture[self.top_px : self.bottom_px, self.left_px : self.right_px]


class SightField:
    """Unit directions, in the world frame, of all pixels of one sensor.

    Beyond the rim of a fisheye the lens model is continued; `seen` tells where it ends.
    """

    def __init__(self, rig: Rig, sensor: Sensor) -> None:
        self.rig = rig
        self.sensor = sensor
        #: Where the lens is (3,), world frame, metres from the foot of the pole.
        self.eye_m = rig.eye_of(sensor)
        lens = sensor.lens
        self.whole = PixelBox(0, 0, lens.width_px, lens.height_px)
        columns, rows = (math.ceil(side / _GRID_PX) + 2 for side in (lens.width_px, lens.height_px))
        # A node stands in the middle of its pixels; one more on every side.
        x, y = np.meshgrid(
            _GRID_PX * (np.arange(columns) - 0.5) - 0.5, _GRID_PX * (np.arange(rows) - 0.5) - 0.5
        )
        directions = lens.unproject(np.column_stack([x.ravel(), y.ravel()]))
        world = np.nan_to_num(directions) @ rig.camera_to_world(sensor).T
        self._rim_cosine = math.cos(lens.max_angle_rad)
        self._nodes = world.astype(np.float32).reshape(rows, columns, 3)

    def directions(self, box: PixelBox) -> Floats:
        """World directions (height, width, 3) of a rectangle, of length 1 to 1e-5."""
        first_column, first_row = box.left_px // _GRID_PX, box.top_px // _GRID_PX
        last_column = -(-box.right_px // _GRID_PX) + 2
        last_row = -(-box.bottom_px // _GRID_PX) + 2
        nodes = self._nodes[first_row:last_row, first_column:last_column]
        size = (nodes.shape[1] * _GRID_PX, nodes.shape[0] * _GRID_PX)
        full = cv2.resize(nodes, size, interpolation=cv2.INTER_LINEAR)
        left = box.left_px - (first_column - 1) * _GRID_PX
        top = box.top_px - (first_row - 1) * _GRID_PX
        height, width = box.shape
        return np.asarray(full[top : top + height, left : left + width], np.float32)

    def seen(self, box: PixelBox) -> NDArray[np.bool_]:
        """Whether the lens shows anything in each pixel (height, width)."""
        x, y, z = (float(axis) for axis in self.rig.camera_to_world(self.sensor)[:, 2])
        rays = self.directions(box)
        off_axis = rays[..., 0] * x + rays[..., 1] * y + rays[..., 2] * z
        inside: NDArray[np.bool_] = off_axis >= self._rim_cosine
        return inside

    def radians_per_px(self) -> float:
        """The angle that a pixel on the optical axis takes."""
        x, y = self.sensor.lens.axis_px
        on_axis, beside = self.sensor.lens.unproject(np.asarray([[x, y], [x + 1.0, y]]))
        return float(np.linalg.norm(beside - on_axis))

    def pixels_of(self, points_m: Array) -> Array:
        """Pixels (n, 2) of points (n, 3) of the world, continued over the rim; NaN behind."""
        rays = np.asarray(points_m, np.float64) - self.eye_m
        return self.sensor.pixels_of(rays @ self.rig.to_world(), beyond=True)


def bands(whole: PixelBox, rows_px: int = 64) -> list[PixelBox]:
    """A picture cut into strips, so that no computation holds all of it at once."""
    return [
        PixelBox(whole.left_px, top, whole.right_px, min(top + rows_px, whole.bottom_px))
        for top in range(whole.top_px, whole.bottom_px, rows_px)
    ]
