"""Which tiles a sensor is looked at through, and with which model.

How a fisheye is looked at follows from its geometry (`roeh.vision.rings`); the figures were
chosen by measurement: edge/design/detection-quality.md.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from roeh.core.types import Size
from roeh.optics.lens import is_fisheye
from roeh.optics.rig import Sensor
from roeh.optics.tiles import Interpolation, Tile, whole_picture_tile
from roeh.vision.overlap import FROM_ABOVE, FROM_THE_SIDE, Sameness
from roeh.vision.rings import Ring, near_ring, outer_tiles
from roeh.vision.window import PictureWindow, windows_over

#: Models by the shape of what they are shown (models/manifest.json).
SQUARE_MODEL = "nanodet_g_coco_416_int8"
WIDE_MODEL = "nanodet_g_coco_640x384_int8"

#: For single pictures: one ring for who stands near the pole, a finer one for who does not.
_STILL_RINGS = (Ring(8, 76.0, -50.0), Ring(8, 64.0, -36.0))
_NOTHING_NAMED = np.zeros((0, 3))

#: Reduced more than this, a picture is averaged: single pixels would be left out.
_SMOOTH_REDUCTION = 1.25
#: A picture with this many times the pixels across that the model takes is looked at
#: in parts as well, each of this share of its width and height.
_PARTS_REDUCTION = 1.2
_PART_SHARE = 0.6


def default_model(sensor: Sensor) -> str:
    """Name of the model that fits the sensor's tiles."""
    return SQUARE_MODEL if is_fisheye(sensor.lens) else WIDE_MODEL


def sameness_for(sensor: Sensor) -> Sameness:
    """When two detections of the sensor are one object."""
    return FROM_ABOVE if is_fisheye(sensor.lens) else FROM_THE_SIDE


def tiles_for(
    sensor: Sensor, size: Size, named: npt.NDArray[np.float64] = _NOTHING_NAMED
) -> tuple[Tile, ...]:
    """The sensor's tiles, each of the model's input size.

    Args:
        sensor: the camera.
        size: of the model's input.
        named: outlines of the ground that rules name, points (n, 3) from the lens in the
            pole frame, metres.
    """
    if not is_fisheye(sensor.lens):
        return (whole_picture_tile(sensor, size, interpolation=_interpolation(sensor, size)),)
    near = near_ring(size, sensor.pose.height_m)
    return _tiles_of(near, sensor, size) + outer_tiles(sensor, size, near, named)


def still_tiles_for(sensor: Sensor, size: Size) -> tuple[Tile, ...]:
    """The tiles of a single picture, for which there is more time."""
    if is_fisheye(sensor.lens):
        return tuple(tile for ring in _STILL_RINGS for tile in _tiles_of(ring, sensor, size))
    whole = tiles_for(sensor, size)
    if _reduction(sensor, size) < _PARTS_REDUCTION:
        return whole
    return whole + tuple(
        PictureWindow.of(sensor, window, size) for window in windows_over(sensor, _PART_SHARE)
    )


def _tiles_of(ring: Ring, sensor: Sensor, size: Size) -> tuple[Tile, ...]:
    """The tiles whose middles the lens shows: all of one that looks down."""
    tiles = tuple(ring.tile(sensor, size, index) for index in range(ring.count))
    middle = np.asarray([[(size.width_px - 1) / 2, (size.height_px - 1) / 2]])
    shown = [tile for tile in tiles if sensor.lens.inside(tile.to_source_px(middle)).all()]
    return tuple(shown) or tiles


def _interpolation(sensor: Sensor, size: Size) -> Interpolation:
    return "area" if _reduction(sensor, size) > _SMOOTH_REDUCTION else "linear"


def _reduction(sensor: Sensor, size: Size) -> float:
    """Pixels of the sensor to one of its whole picture in a tile."""
    lens = sensor.lens
    return max(lens.width_px / size.width_px, lens.height_px / size.height_px)
