"""Upright objects: where a box's foot and head are, and how tall that makes the object.

Whatever stands on the ground is a piece of a vertical of the world. A box round it
shows the vertical through its middle, wherever that runs in the picture: up and down in
a level camera, towards the nadir in a fisheye. A spider on the lens fills a box that
only an object of many metres could fill where it seems to stand: the cheapest strong
filter there is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from roeh.optics.ground import GroundPlane
from roeh.optics.polar import Array, rows_of
from roeh.optics.rig import Nadir, angles_of, directions_of

PERSON_HEIGHT_M = 1.7
_STEP_PX = 0.25
_STEPS_PX = _STEP_PX * np.asarray([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
_TURN_DEG = 0.05
_STEP_DEG = 0.05
_NEWTON_STEPS = 2
# A step short of straight up and down, where azimuth turns over: 9 mm on the ground at 5 m.
_ZENITH_DEG = 89.9


# Rows turned a little about east, back, about north, back.
_TILTED = np.stack(
    [
        np.eye(3) + sign * math.radians(_TURN_DEG) * np.cross(axis, np.eye(3))
        for axis in np.eye(3)[:2]
        for sign in (1.0, -1.0)
    ]
)


class Shown(Protocol):
    """Any picture on the pole: a sensor's own, a tile, a view."""

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet, if they are straight lines in it."""

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) to unit directions (n, 3) in the pole frame."""

    def pixels_of(self, pole_directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) in the pole frame to points (n, 2)."""


@dataclass(frozen=True, slots=True)
class Heights:
    """Physical heights of n objects, NaN where foot and head fit no upright object.

    Attributes:
        height_m: (n,).
        sigma_m: (n,), from the pixels, the tilt and the camera's height.
    """

    height_m: Array
    sigma_m: Array


@dataclass(frozen=True, slots=True)
class Ends:
    """Lowest and highest point of the vertical through n boxes, in the boxes' picture.

    Attributes:
        foot_px: (n, 2).
        head_px: (n, 2).
    """

    foot_px: Array
    head_px: Array


def upright_heights(plane: GroundPlane, foot_px: Array, head_px: Array) -> Heights:
    """Height of the upright object that stands at each foot and reaches to each head.

    Args:
        plane: the ground of the sensor whose pixels these are.
        foot_px: (n, 2) in the sensor's picture.
        head_px: (n, 2) in the sensor's picture.

    Returns:
        Heights; NaN where the foot is not on the ground or the line of sight to the
        head leads away from above it. Near the nadir the sigma says that one looks down
        on heads.
    """
    rig, lens, sigmas = plane.rig, plane.sensor.lens, plane.sensor.sigmas
    feet, heads = rows_of(foot_px, 2), rows_of(head_px, 2)
    n, height_m = len(feet), plane.sensor.pose.height_m
    rotation = rig.camera_to_world(plane.sensor)
    around = np.stack([feet, heads])[:, None] + _STEPS_PX[None, :, None]
    sights = (lens.unproject(around.reshape(-1, 2)) @ rotation.T).reshape(2, 5, n, 3)
    foot, head = sights[0, 0], sights[1, 0]
    # As they are, each of both stepped aside four ways, and both turned four ways with the
    # camera: all in one go, since calls cost and rows hardly do.
    varied_foot = np.concatenate([sights[0], np.broadcast_to(foot, (4, n, 3)), foot @ _TILTED])
    varied_head = np.concatenate([head[None].repeat(5, axis=0), sights[1, 1:], head @ _TILTED])
    varied = _height(varied_foot.reshape(-1, 3), varied_head.reshape(-1, 3), height_m)
    varied = varied.reshape(13, n)
    height = varied[0]
    slopes = varied[1::2] - varied[2::2]
    pixel = (rig.pixel_sigma_px / (2 * _STEP_PX)) ** 2
    tilt = (sigmas.tilt_deg / (2 * _TURN_DEG)) ** 2
    variance = np.asarray([pixel] * 4 + [tilt] * 2) @ (slopes * slopes)
    # Everything seen grows with the height of the camera.
    variance += (sigmas.height_m * height / height_m) ** 2
    sigma: Array = np.sqrt(variance)
    return Heights(height, np.where(np.isnan(height), np.nan, sigma))


def ends_of(shown: Shown, boxes: Array) -> Ends:
    """Foot and head of whatever fills each box, in the picture the boxes are in.

    From the middle of the box along the world's vertical to the box's edge, down and
    up. A box that holds the nadir has its foot there at the latest.

    Args:
        shown: the picture that the boxes are in.
        boxes: (n, 4), x0 y0 x1 y1.
    """
    corners = rows_of(boxes, 4)
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    nadir = shown.nadir
    if nadir is not None:
        return _straight_ends(nadir, middle, corners)
    azimuth, level = (np.tile(angle, 2) for angle in angles_of(shown.pole_directions(middle)))
    both, down_or_up = np.tile(corners, (2, 1)), np.repeat([-1.0, 1.0], len(corners))
    elevation = level.copy()
    for _ in range(_NEWTON_STEPS):
        ahead = _vertical(shown, azimuth, elevation + down_or_up * _STEP_DEG)
        behind = _vertical(shown, azimuth, elevation - down_or_up * _STEP_DEG)
        step = _way_out((ahead + behind) / 2, (ahead - behind) / (2 * _STEP_DEG), both)
        travelled = np.maximum((elevation + down_or_up * step - level) * down_or_up, 0.0)
        elevation = np.clip(level + down_or_up * travelled, -_ZENITH_DEG, _ZENITH_DEG)
    points = _vertical(shown, azimuth, elevation)
    points = np.where(np.isnan(points), np.tile(middle, (2, 1)), points)
    return Ends(points[: len(corners)], points[len(corners) :])


def agrees(
    heights: Heights, low_m: float | Array, high_m: float | Array, sigmas: float = 2.0
) -> NDArray[np.bool_]:
    """Whether each height may lie in [low_m, high_m], given its sigma: (n,); NaN does not."""
    slack = sigmas * heights.sigma_m
    fits: NDArray[np.bool_] = (heights.height_m + slack >= low_m) & (
        heights.height_m - slack <= high_m
    )
    return fits


def _height(foot: Array, head: Array, height_m: float) -> Array:
    """Height (n,) over the ground at which the sight to the head passes over the foot."""
    down = np.where(foot[:, 2] < 0, foot[:, 2], np.nan)[:, None]
    place = -height_m * foot[:, :2] / down
    reach = head[:, :2]
    square = np.einsum("ni,ni->n", reach, reach)
    along = np.einsum("ni,ni->n", place, reach) / np.where(square > 1e-12, square, np.nan)
    height: Array = np.where(along > 0, height_m + along * head[:, 2], np.nan)
    return height


def _straight_ends(nadir: Nadir, middle: Array, corners: Array) -> Ends:
    """Foot and head where all verticals are straight and meet in one point."""
    down = np.asarray([nadir.x, nadir.y]) - nadir.w * middle
    below, above = _way_out(
        np.concatenate([middle, middle]),
        np.concatenate([down, -down]),
        np.concatenate([corners, corners]),
    ).reshape(2, -1)
    # In so many steps one is straight below, or above, and there the vertical ends.
    if nadir.w > 0:
        below = np.minimum(below, 1 / nadir.w)
    elif nadir.w < 0:
        above = np.minimum(above, -1 / nadir.w)
    return Ends(middle + below[:, None] * down, middle - above[:, None] * down)


def _vertical(shown: Shown, azimuth_deg: Array, elevation_deg: Array) -> Array:
    """Points (n, 2) of the picture, over its edges, on verticals of the world."""
    return shown.pixels_of(directions_of(azimuth_deg, elevation_deg), beyond=True)


def _way_out(points: Array, pace: Array, corners: Array) -> Array:
    """Steps (n,) at a pace (n, 2) from points (n, 2) to the first edge of boxes (n, 4).

    Negative if that edge was passed already.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(pace > 0, corners[:, 2:] - points, corners[:, :2] - points) / pace
    nearest: Array = np.min(np.where(pace != 0, steps, np.inf), axis=1)
    return np.nan_to_num(nearest, nan=0.0, posinf=180.0, neginf=0.0)
