"""One pane of footage seen through the sensor's lens: a fixed-point map, cut in bands.

Every pixel of the sensor's picture has a direction; the footage, taken as an ideal
pinhole picture turned about the same centre, has a pixel for that direction. Only the
pixels that the pane covers are computed and moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from roeh.core.types import Size
from roeh.media.frames import UInt8Image
from roeh.optics.lens import Pinhole
from roeh.optics.polar import Array
from roeh.optics.remap import FixedPointMap
from roeh.optics.rig import Pose, Sensor
from roeh.sources.drawn.sight import PixelBox, SightField, bands

_OUTLINE_STEPS = 64
_UNIT_HEIGHT_M = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A strip of the sensor's picture and where its pixels come from in the footage."""

    box: PixelBox
    map: FixedPointMap


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """Where one picture of footage lands in the sensor's picture."""

    bands: tuple[Band, ...]

    @classmethod
    def of(
        cls,
        sight: SightField,
        footage: Size,
        *,
        azimuth_deg: float,
        hfov_deg: float,
        tilt_deg: float,
    ) -> Pane:
        """The pane of footage hung at an azimuth from the pole's forward mark.

        Args:
            sight: of the sensor whose picture it is drawn into.
            footage: size of the footage; its pixels are square.
            azimuth_deg: of the middle of the footage, from the forward mark.
            hfov_deg: the angle that the width of the footage takes.
            tilt_deg: of the middle below the horizon.
        """
        camera = Sensor(
            "footage",
            Pinhole.from_hfov(footage.width_px, footage.height_px, hfov_deg),
            Pose(azimuth_deg, tilt_deg, 0.0, _UNIT_HEIGHT_M),
        )
        strips = bands(_bounds(sight.sensor, camera))
        found = (_band(sight, camera, strip) for strip in strips)
        return cls(tuple(band for band in found if band is not None))

    def draw(self, footage: UInt8Image, picture: UInt8Image) -> None:
        """Draw a footage picture (blue green red) over what it covers of the sensor's."""
        for band in self.bands:
            cv2.remap(
                footage,
                band.map.whole_px,
                band.map.fraction,
                cv2.INTER_LINEAR,
                dst=band.box.within(picture),
                borderMode=cv2.BORDER_TRANSPARENT,
            )


def _bounds(sensor: Sensor, camera: Sensor) -> PixelBox:
    """The rectangle of the sensor's picture that the pane lies in."""
    width, height = camera.lens.width_px, camera.lens.height_px
    across = np.linspace(0, width - 1, _OUTLINE_STEPS)
    down = np.linspace(0, height - 1, _OUTLINE_STEPS)
    outline = np.concatenate(
        [
            np.column_stack([across, np.zeros_like(across)]),
            np.column_stack([across, np.full_like(across, height - 1)]),
            np.column_stack([np.zeros_like(down), down]),
            np.column_stack([np.full_like(down, width - 1), down]),
        ]
    )
    landed = sensor.pixels_of(camera.pole_directions(outline), beyond=True)
    # A pinhole sensor does not see what is beside or behind it: then look everywhere.
    if np.isnan(landed).any():
        return PixelBox(0, 0, sensor.lens.width_px, sensor.lens.height_px)
    low, high = np.floor(landed.min(axis=0)) - 1, np.ceil(landed.max(axis=0)) + 2
    return PixelBox(
        max(0, int(low[0])),
        max(0, int(low[1])),
        min(sensor.lens.width_px, int(high[0])),
        min(sensor.lens.height_px, int(high[1])),
    )


def _band(sight: SightField, camera: Sensor, strip: PixelBox) -> Band | None:
    """The part of a strip that shows footage; None if none does."""
    source_px = camera.pixels_of(_pole_directions(sight, strip)).reshape(*strip.shape, 2)
    # Half a pixel of footage lies outside its outermost pixel centres: nothing to blend with.
    last = [camera.lens.width_px - 1, camera.lens.height_px - 1]
    shown = sight.seen(strip) & ((source_px >= 0) & (source_px <= last)).all(axis=2)
    columns = np.flatnonzero(shown.any(axis=0))
    if columns.size == 0:
        return None
    first, end = int(columns[0]), int(columns[-1]) + 1
    kept = np.where(shown[..., None], source_px, np.nan)[:, first:end]
    rows_px = strip.bottom_px - strip.top_px
    fixed = FixedPointMap.of(kept.reshape(-1, 2), end - first, rows_px)
    place = PixelBox(strip.left_px + first, strip.top_px, strip.left_px + end, strip.bottom_px)
    return Band(place, fixed)


def _pole_directions(sight: SightField, box: PixelBox) -> Array:
    rows: Array = sight.directions(box).reshape(-1, 3).astype(np.float64) @ sight.rig.to_world()
    return rows
