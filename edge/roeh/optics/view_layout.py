"""Layouts of views for people: panorama, double panorama, quad, a virtual camera, the picture.

Pure geometry: where everything of the world is in such a picture, and whose pixels it is
made of. `media/views.py` draws it, `media/overlay.py` draws into it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roeh.core.errors import LensError
from roeh.core.types import Size
from roeh.core.views import Layout, ViewChoice
from roeh.optics.projection import Cylindrical, Perspective, Projection
from roeh.optics.rig import Rig, Sensor, directions_of
from roeh.optics.view_pane import Pane, SensorPicture, pieces_of, responsible

#: Of a panorama's upper edge at the most: enough above the horizon to know a place by its
#: houses. Where the cameras see less, it is lower.
_TOP_DEG, _LEAST_TOP_DEG = 10, -20
_LOWEST_DEG = -89.0
_MIN_SIDE_PX = 32
_QUAD_FOV_DEG = 90.0
#: Of the four cameras' middles.
_QUAD_ELEVATION_DEG = -32.0
#: A picture is made smaller first where a view would leave out pixels.
_FINEST_REDUCTION = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture for people: its panes, and the sensors that it is drawn from.

    Attributes:
        layout: which it is.
        rig: all sensors of the pole.
        sensors: those that are drawn from, at the size that they are drawn from.
        size: of the view.
        panes: from left to right, from top to bottom.
    """

    layout: Layout
    rig: Rig
    sensors: tuple[Sensor, ...]
    size: Size
    panes: tuple[Pane, ...]

    def bearing_of(self, azimuth_deg: float) -> float:
        """True bearing of an azimuth on the pole."""
        return self.rig.bearing_of(azimuth_deg)


def view_of(rig: Rig, sensors: Sequence[Sensor], choice: ViewChoice, size: Size) -> View:
    """The view of that choice; its maps are computed here, keep it for the next picture.

    Args:
        rig: gives heading and places.
        sensors: of the rig, whose pictures are there; "picture" shows the first.
        choice: what is wanted.
        size: of the view; "picture" keeps the sensor's shape and is at most so large.

    Raises:
        LensError: no sensor, or an angle that no such view can have.
    """
    if not sensors:
        raise LensError(what="no sensor", which="view", remedy="name one that gives a picture")
    if size.width_px < _MIN_SIDE_PX or size.height_px < _MIN_SIDE_PX:
        raise LensError(
            what="too small a view",
            which=f"{size.width_px}x{size.height_px}",
            remedy=f"give at least {_MIN_SIDE_PX} pixels each way",
        )
    if choice.layout == "picture":
        shown = _within(sensors[0], size)
        drawn: tuple[Sensor, ...] = (shown,)
        placed: list[tuple[int, int, Projection]] = [(0, 0, SensorPicture(shown))]
        size = Size(shown.lens.width_px, shown.lens.height_px)
    else:
        placed = _placed(rig, sensors, choice, size)
        drawn = tuple(_reduced(sensor, [each for _, _, each in placed]) for sensor in sensors)
    panes = tuple(
        Pane(rig, drawn, left, top, projection, pieces_of(drawn, projection))
        for left, top, projection in placed
    )
    return View(choice.layout, rig, drawn, size, panes)


def sensor_view(rig: Rig, sensor: Sensor) -> View:
    """The sensor's own picture, to be drawn into."""
    size = Size(sensor.lens.width_px, sensor.lens.height_px)
    return view_of(rig, (sensor,), ViewChoice(layout="picture"), size)


class ViewMaker:
    """Keeps the views of one rig that were made last: their maps take longer than a picture."""

    def __init__(self, rig: Rig, at_most: int = 4) -> None:
        self.rig = rig
        self._kept = functools.lru_cache(maxsize=at_most)(self._made)

    def view(self, sensors: Sequence[Sensor], choice: ViewChoice, size: Size) -> View:
        """As `view_of`, remembered."""
        return self._kept(tuple(sensors), choice, size)

    def _made(self, sensors: tuple[Sensor, ...], choice: ViewChoice, size: Size) -> View:
        return view_of(self.rig, sensors, choice, size)


def _placed(
    rig: Rig, sensors: Sequence[Sensor], choice: ViewChoice, size: Size
) -> list[tuple[int, int, Projection]]:
    """Left, top and projection of each pane."""
    width, height = size.width_px, size.height_px
    azimuth = rig.azimuth_of(choice.bearing_deg)
    if choice.layout == "panorama":
        return [(0, 0, _strip(size, azimuth, 360.0, _top_deg(sensors)))]
    if choice.layout == "double_panorama":
        half, top_deg = Size(width, height // 2), _top_deg(sensors)
        return [
            (0, 0, _strip(half, azimuth, 180.0, top_deg)),
            (0, half.height_px, _strip(half, azimuth + 180.0, 180.0, top_deg)),
        ]
    if choice.layout == "quad":
        wide, tall = width // 2, height // 2
        return [
            (
                wide * (quarter % 2),
                tall * (quarter // 2),
                Perspective(
                    wide, tall, (azimuth + 90.0 * quarter) % 360.0, _QUAD_ELEVATION_DEG,
                    _QUAD_FOV_DEG,
                ),
            )
            for quarter in range(4)
        ]  # fmt: skip
    return [(0, 0, Perspective(width, height, azimuth, choice.elevation_deg, choice.fov_deg))]


def _strip(size: Size, azimuth_deg: float, fov_h_deg: float, top_deg: float) -> Cylindrical:
    """Degrees are as long down as across, from the top as far as the height goes."""
    width_px, height_px = size.width_px, size.height_px
    fov_v_deg = min(fov_h_deg * height_px / width_px, top_deg - _LOWEST_DEG)
    return Cylindrical(
        width_px, height_px, azimuth_deg % 360.0, top_deg - fov_v_deg / 2, fov_h_deg, fov_v_deg
    )


def _top_deg(sensors: Sequence[Sensor]) -> float:
    """Up to where the sensors see half as far round the pole as they do at their widest."""
    azimuths = np.arange(0.0, 360.0, 10.0)
    seen: list[int] = []
    for elevation_deg in range(_LEAST_TOP_DEG, _TOP_DEG + 1):
        sights = directions_of(azimuths, np.full_like(azimuths, elevation_deg))
        seen.append(int(np.count_nonzero(responsible(sensors, sights) >= 0)))
    widest = max(seen)
    enough = [step for step, count in enumerate(seen) if 2 * count >= widest > 0]
    return float(_LEAST_TOP_DEG + enough[-1]) if enough else float(_TOP_DEG)


def _within(sensor: Sensor, size: Size) -> Sensor:
    lens = sensor.lens
    scale = min(1.0, size.width_px / lens.width_px, size.height_px / lens.height_px)
    return _scaled(sensor, scale)


def _reduced(sensor: Sensor, projections: Sequence[Projection]) -> Sensor:
    """The sensor at a size of which the finest pane leaves out no pixels."""
    finest = max(
        each.width_px / each.fov_h_deg
        for each in projections
        if isinstance(each, Perspective | Cylindrical)
    )
    has_px_per_deg = _px_per_deg(sensor)
    reduction = has_px_per_deg / finest
    return sensor if reduction < _FINEST_REDUCTION else _scaled(sensor, 1 / reduction)


def _px_per_deg(sensor: Sensor) -> float:
    """Across the middle of the sensor's picture."""
    aside = math.radians(1.0)
    sights = np.asarray([[0.0, 0.0, 1.0], [math.sin(aside), 0.0, math.cos(aside)]])
    first, second = sensor.lens.project(sights)
    return math.dist(first, second)


def _scaled(sensor: Sensor, scale: float) -> Sensor:
    lens = sensor.lens
    if scale >= 1.0:
        return sensor
    width_px = max(_MIN_SIDE_PX, round(lens.width_px * scale))
    return sensor.scaled_to(width_px, max(1, round(lens.height_px * width_px / lens.width_px)))
