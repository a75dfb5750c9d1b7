"""Upright views: small perspective pictures of one spot, for thumbnails.

Whatever way the camera hangs, the world's up is up; looking straight down, away from
the pole is up. A view is a tile made for one picture, so it renders, masks and maps
like any other.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from roeh.core.types import Box, Size
from roeh.optics.polar import Array, rows_of
from roeh.optics.projection import Perspective
from roeh.optics.remap import FixedPointMap, pixel_grid
from roeh.optics.rig import Rig, Sensor, angles_of
from roeh.optics.tiles import Tile, VirtualCamera

DEFAULT_MARGIN = 0.35
MIN_VIEW_FOV_DEG = 2.0
MAX_VIEW_FOV_DEG = 110.0
_NODE_STEP_PX = 4
_CENTRING_STEPS = 3


def view_towards(
    rig: Rig,
    sensor: Sensor,
    *,
    bearing_deg: float,
    elevation_deg: float,
    fov_h_deg: float,
    size: Size,
) -> VirtualCamera:
    """The upright view in a direction of the world.

    Args:
        rig: gives the heading.
        sensor: whose picture it is drawn from.
        bearing_deg: of the middle, from true north.
        elevation_deg: of the middle, 0 horizon, -90 straight down.
        fov_h_deg: angle across the middle row.
        size: of the view.

    Raises:
        LensError: an angle that no perspective picture can have.
    """
    projection = Perspective(
        size.width_px, size.height_px, rig.azimuth_of(bearing_deg), elevation_deg, fov_h_deg
    )
    return _quick_view(sensor, projection)


def view_around(
    sensor: Sensor, outline_px: Array, size: Size, *, margin: float = DEFAULT_MARGIN
) -> VirtualCamera:
    """The upright view that holds an outline in its middle, with some margin round it.

    Args:
        sensor: whose picture it is drawn from.
        outline_px: points (n, 2) of the sensor's picture, see `outline_of`.
        size: of the view.
        margin: added on each side, as a part of the outline's size there.

    Raises:
        ValueError: no point of the outline has a direction.
    """
    sights = sensor.pole_directions(outline_px)
    sights = sights[~np.isnan(sights).any(axis=1)]
    if not len(sights):
        raise ValueError("the outline lies wholly outside the lens")
    middle = sights.mean(axis=0, keepdims=True)
    fov_h_deg = MAX_VIEW_FOV_DEG
    for _ in range(_CENTRING_STEPS):
        azimuth, elevation = angles_of(middle)
        projection = Perspective(
            size.width_px, size.height_px, float(azimuth[0]), float(elevation[0]), fov_h_deg
        )
        low_high = _extent(projection.pixels_of(sights))
        middle = projection.pole_directions(low_high.mean(axis=0, keepdims=True))
        across = (1 + 2 * margin) * (low_high[1] - low_high[0])
        # The wider need of the two decides, in pixels of the middle row.
        needed_px = max(float(across[0]), float(across[1]) * size.width_px / size.height_px)
        fov_h_deg = 2 * math.degrees(math.atan(needed_px / 2 / projection.focal_px[0]))
        fov_h_deg = min(max(fov_h_deg, MIN_VIEW_FOV_DEG), MAX_VIEW_FOV_DEG)
    azimuth, elevation = angles_of(middle)
    return _quick_view(
        sensor,
        Perspective(
            size.width_px, size.height_px, float(azimuth[0]), float(elevation[0]), fov_h_deg
        ),
    )


def outline_of(tile: Tile, box: Box, points_per_edge: int = 8) -> Array:
    """A box of a tile as points (4 * points_per_edge, 2) of the sensor's picture, clockwise.

    Straight edges of a tile are curved in a fisheye, hence more points than corners.
    """
    part = np.linspace(0.0, 1.0, points_per_edge, endpoint=False)
    x = box.x0_px + (box.x1_px - box.x0_px) * part
    y = box.y0_px + (box.y1_px - box.y0_px) * part
    points = np.concatenate(
        [
            np.column_stack([x, np.full(points_per_edge, box.y0_px)]),
            np.column_stack([np.full(points_per_edge, box.x1_px), y]),
            np.column_stack([box.x0_px + box.x1_px - x, np.full(points_per_edge, box.y1_px)]),
            np.column_stack([np.full(points_per_edge, box.x0_px), box.y0_px + box.y1_px - y]),
        ]
    )
    return tile.to_source_px(points)


def box_around(points_px: Array) -> Box | None:
    """The upright box round points (n, 2), NaN ones left out; None if there are no others."""
    points = rows_of(points_px, 2)
    points = points[~np.isnan(points).any(axis=1)]
    if not len(points):
        return None
    (x0, y0), (x1, y1) = _extent(points)
    return Box(x0_px=float(x0), y0_px=float(y0), x1_px=float(x1), y1_px=float(y1))


def _extent(points: Array) -> Array:
    """Lowest and highest (x, y) of points (n, 2), NaN left out: (2, 2)."""
    return np.stack([np.nanmin(points, axis=0), np.nanmax(points, axis=0)])


def _quick_view(sensor: Sensor, projection: Perspective) -> VirtualCamera:
    """The view with a map that is exact at every fourth pixel and filled in between.

    That is good to 0.1 px for a view up to 60 degrees wide (0.3 px at 100) and takes a
    tenth of the time. Where the view reaches over the lens's rim there is nothing to
    fill in between, and it is computed in full.
    """
    width_px, height_px = projection.width_px, projection.height_px
    step = _NODE_STEP_PX
    across, down = (-(-length // step) + 2 for length in (width_px, height_px))
    # Nodes lie where cv2.resize takes its source pixels' centres to be, one row of
    # them outside each edge.
    nodes = (pixel_grid(across, down) - 1 + 0.5) * step - 0.5
    source_px = sensor.pixels_of(projection.pole_directions(nodes))
    name = f"{sensor.name}/view"
    if np.isnan(source_px).any():
        return VirtualCamera.of(name, sensor, projection)
    coarse = source_px.reshape(down, across, 2).astype(np.float32)
    filled = cv2.resize(coarse, (across * step, down * step), interpolation=cv2.INTER_LINEAR)
    dense = np.asarray(filled[step : step + height_px, step : step + width_px], np.float64)
    fixed = FixedPointMap.of(dense.reshape(-1, 2), width_px, height_px)
    return VirtualCamera(name, sensor, projection, fixed)
