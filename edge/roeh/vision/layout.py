"""Which tiles a sensor is looked at through, and with which model.

The figures were chosen by measurement: edge/design/detection-quality.md.
"""

from __future__ import annotations

import msgspec
import numpy as np

from roeh.core.types import Size
from roeh.optics.lens import is_fisheye
from roeh.optics.rig import Sensor
from roeh.optics.tiles import Interpolation, Tile, overhead_tiles, whole_picture_tile
from roeh.vision.overlap import FROM_ABOVE, FROM_THE_SIDE, Sameness
from roeh.vision.window import PictureWindow, windows_over

#: Models by the shape of what they are shown (models/manifest.json).
SQUARE_MODEL = "nanodet_g_coco_416_int8"
WIDE_MODEL = "nanodet_g_coco_640x384_int8"

_TILE_COUNT = 8


class Ring(msgspec.Struct, frozen=True):
    """Eight tiles round the nadir: how wide and tall each is, and where its middle lies."""

    fov_h_deg: float
    elevation_deg: float


#: For pictures as they come: from the foot of the pole to 6 degrees below the horizon.
_RING = Ring(fov_h_deg=80.0, elevation_deg=-46.0)
#: For single pictures: one ring for who stands near the pole, a finer one for who does not.
_STILL_RINGS = (
    Ring(fov_h_deg=76.0, elevation_deg=-50.0),
    Ring(fov_h_deg=64.0, elevation_deg=-36.0),
)

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


def tiles_for(sensor: Sensor, size: Size) -> tuple[Tile, ...]:
    """The sensor's tiles, each of the model's input size."""
    if is_fisheye(sensor.lens):
        return _tiles_of(_RING, sensor, size)
    return (whole_picture_tile(sensor, size, interpolation=_interpolation(sensor, size)),)


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
    tiles = overhead_tiles(
        sensor,
        _TILE_COUNT,
        size,
        fov_h_deg=ring.fov_h_deg,
        elevation_deg=ring.elevation_deg,
    )
    middle = np.asarray([[(size.width_px - 1) / 2, (size.height_px - 1) / 2]])
    shown = [tile for tile in tiles if sensor.lens.inside(tile.to_source_px(middle)).all()]
    return tuple(shown) or tiles


def _interpolation(sensor: Sensor, size: Size) -> Interpolation:
    return "area" if _reduction(sensor, size) > _SMOOTH_REDUCTION else "linear"


def _reduction(sensor: Sensor, size: Size) -> float:
    """Pixels of the sensor to one of its whole picture in a tile."""
    lens = sensor.lens
    return max(lens.width_px / size.width_px, lens.height_px / size.height_px)
