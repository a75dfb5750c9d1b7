"""Which tiles a sensor is looked at through, and with which model."""

from __future__ import annotations

from roeh.core.types import Size
from roeh.optics.lens import Pinhole
from roeh.optics.rig import Sensor
from roeh.optics.tiles import Tile, overhead_tiles, whole_picture_tile

#: Models by the shape of what they are shown (models/manifest.json).
SQUARE_MODEL = "nanodet_g_coco_416_int8"
WIDE_MODEL = "nanodet_g_coco_640x384_int8"

_TILE_COUNT = 8


def is_fisheye(sensor: Sensor) -> bool:
    """Whether the picture has to be taken apart: the lens sees too far round for one tile."""
    return not isinstance(sensor.lens, Pinhole)


def default_model(sensor: Sensor) -> str:
    """Name of the model that fits the sensor's tiles."""
    return SQUARE_MODEL if is_fisheye(sensor) else WIDE_MODEL


def tiles_for(sensor: Sensor, size: Size) -> tuple[Tile, ...]:
    """The sensor's tiles, each of the model's input size."""
    if is_fisheye(sensor):
        return overhead_tiles(sensor, _TILE_COUNT, size)
    return (whole_picture_tile(sensor, size),)
