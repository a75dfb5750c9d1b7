"""All pictures of a pole draped on the ground, seen from above, north up.

Each spot is shown by the sensor that looks at it most nearly along its axis, with hard
seams: where an azimuth is wrong a kerb breaks at the seam, where a tilt or a height is
wrong a straight kerb bends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from roeh.media.frames import UInt8Image
from roeh.media.lettering import Color, trace, write
from roeh.optics.ground import GroundPlane
from roeh.optics.polar import Array
from roeh.optics.remap import FixedPointMap, pixel_grid
from roeh.optics.rig import Rig

PointM = tuple[float, float]
_At = Callable[[npt.ArrayLike], Array]

SIDE_PX = 1000
_NORTH: Color = (80, 110, 255)
_FORWARD: Color = (120, 255, 120)
_RING: Color = (255, 230, 140)
_SEAM: Color = (200, 120, 255)
_ZONE: Color = (90, 190, 255)
_NOWHERE: Color = (34, 28, 24)
_LETTER_PX = 13.0
_COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def draw_birds_eye(
    rig: Rig,
    pictures: Mapping[str, UInt8Image],
    *,
    range_m: float,
    outlines: Sequence[tuple[str, Sequence[PointM]]] = (),
) -> UInt8Image:
    """The ground round the pole, (1000, 1000, 3) BGR.

    Args:
        rig: all sensors.
        pictures: by sensor, each of its lens's size, masks black; a sensor without one
            leaves its ground dark.
        range_m: to the edge of the picture.
        outlines: name and corners, metres east and north, of zones and lines.
    """
    scale = SIDE_PX / 2 / range_m
    middle = (SIDE_PX - 1) / 2
    spots = (pixel_grid(SIDE_PX, SIDE_PX) - middle) / scale * np.asarray([1.0, -1.0])
    canvas = np.full((SIDE_PX, SIDE_PX, 3), _NOWHERE, np.uint8)
    shown = np.full(len(spots), -1, np.intp)
    most_along = np.full(len(spots), -np.inf)
    for number, sensor in enumerate(rig.sensors):
        if sensor.name not in pictures:
            continue
        sights = GroundPlane(rig, sensor).sights_of(spots)
        pixels = sensor.pixels_of(sights)
        along = sights @ sensor.pose.to_pole()[:, 2] / np.linalg.norm(sights, axis=1)
        mine = ~np.isnan(pixels[:, 0]) & (along > most_along)
        shown[mine], most_along[mine] = number, along[mine]
        drawn = FixedPointMap.of(pixels, SIDE_PX, SIDE_PX).render(pictures[sensor.name])
        where = mine.reshape(SIDE_PX, SIDE_PX)
        canvas[where] = drawn[where]
    canvas[_seams(shown.reshape(SIDE_PX, SIDE_PX))] = _SEAM

    def at(place_m: npt.ArrayLike) -> Array:
        """Points of the picture of places (n, 2)."""
        points: Array = middle + np.atleast_2d(np.asarray(place_m)) * scale * [1.0, -1.0]
        return points

    around = np.radians(np.linspace(0, 360, 361))
    circle = np.column_stack([np.sin(around), np.cos(around)])
    for ring_m in _rings(range_m):
        trace(canvas, at(ring_m * circle), _RING, edge="shadow")
        x, y = at([ring_m * math.sin(math.radians(200)), ring_m * math.cos(math.radians(200))])[0]
        write(canvas, f"{ring_m:g} m", (x + 3, y - 3), _LETTER_PX, _RING)
    for name, corners in outlines:
        trace(canvas, at(list(corners)), _ZONE, thick_px=2, closed=len(corners) > 2)
        x, y = at(list(corners)).mean(axis=0)
        write(canvas, name, (x, y), _LETTER_PX, _ZONE)
    _draw_compass(canvas, rig, at, 0.94 * range_m)
    return canvas


def _seams(shown: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Every sixth pixel where one sensor's ground ends at another's: a fine dotted line."""
    edge = np.zeros(shown.shape, np.bool_)
    for before, after in (
        (np.s_[:-1, :], np.s_[1:, :]),
        (np.s_[:, :-1], np.s_[:, 1:]),
    ):
        one, other = shown[before], shown[after]
        edge[after] |= (one != other) & (one >= 0) & (other >= 0)
    rows, columns = np.indices(shown.shape)
    dotted: npt.NDArray[np.bool_] = edge & ((rows + columns) % 12 < 3)
    return dotted


def _draw_compass(canvas: UInt8Image, rig: Rig, at: _At, to_m: float) -> None:
    for number, name in enumerate(_COMPASS):
        bearing = math.radians(45.0 * number)
        towards = np.asarray([math.sin(bearing), math.cos(bearing)])
        if number == 0:
            trace(canvas, at([0.1 * to_m * towards, 0.94 * to_m * towards]), _NORTH, thick_px=2)
        x, y = at(to_m * towards)[0]
        write(canvas, name, (x - 5, y + 6), 1.5 * _LETTER_PX, _NORTH if number == 0 else _RING)
    forward = math.radians(rig.heading_deg)
    towards = np.asarray([math.sin(forward), math.cos(forward)])
    trace(canvas, at([0.04 * to_m * towards, 0.3 * to_m * towards]), _FORWARD, thick_px=3)
    x, y = at(0.32 * to_m * towards)[0]
    write(canvas, "forward mark", (x, y), _LETTER_PX, _FORWARD)


def _rings(range_m: float) -> list[float]:
    step_m = 2.0 if range_m <= 12 else 5.0
    return [step_m * number for number in range(1, int(range_m / step_m) + 1)]
