"""Where a piece of the picture would stand on the ground, and how big it would be there."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.types import GroundPoint
from roeh.optics.ground import GroundPlane
from roeh.optics.remap import pixel_grid
from roeh.optics.rig import Rig, Sensor

Array = npt.NDArray[np.float64]

#: Nothing is looked for farther away: a bag is a pixel or two there.
MAX_RANGE_M = 30.0
#: Of a piece's pixels, so many nearest to the camera are where it touches the ground.
_FOOT_SHARE = 0.12
#: A foot is where the picture changes, to about a pixel of the small luma.
_FOOT_SIGMA_LUMA_PX = 0.7
#: A thing is about as deep as wide, as far as this; how deep nobody sees.
_DEEPEST_M = 0.4
_FOOT_SIGMA_M = 0.1


class Stand(msgspec.Struct, frozen=True):
    """How something would stand on the ground.

    Attributes:
        foot_px: where it stands, in the sensor's picture.
        width_m: across the line of sight, at its foot.
        rise_m: how tall it is if it stands upright and has no depth; nothing is taller.
        pixel_m: how much a pixel of the luma spans there.
    """

    foot_px: tuple[float, float]
    width_m: float
    rise_m: float
    pixel_m: float


class Footing:
    """The ground as one sensor's small luma shows it.

    Args:
        rig: whose sensor it is.
        sensor: one of the rig's.
        step_px: pixels of the sensor in one of the luma.
        size: rows and columns of the luma.
    """

    def __init__(self, rig: Rig, sensor: Sensor, step_px: int, size: tuple[int, int]) -> None:
        self._plane = GroundPlane(rig, sensor, max_range_m=MAX_RANGE_M)
        self._step_px = step_px
        self._eye_m = rig.eye_of(sensor)
        height, width = size
        pixels = self.sensor_px(pixel_grid(width, height))
        sights = sensor.lens.unproject(pixels) @ rig.camera_to_world(sensor).T
        down = np.where(sights[:, 2] < 0, -sights[:, 2], np.nan)
        flat = sights[:, :2] * (self._eye_m[2] / down)[:, None]
        away_m = np.hypot(flat[:, 0], flat[:, 1])
        shows = sensor.lens.inside(pixels) & (away_m <= MAX_RANGE_M)
        self._flat_m = flat.reshape(height, width, 2)
        self._away_m = np.where(shows, away_m, np.inf).reshape(height, width)
        #: Where the luma shows ground that is near enough, (height, width).
        self.ground: npt.NDArray[np.bool_] = shows.reshape(height, width)

    def sensor_px(self, luma_px: Array) -> Array:
        """Points (n, 2) of the luma as points of the sensor's picture."""
        pixels: Array = (np.asarray(luma_px, np.float64) + 0.5) * self._step_px - 0.5
        return pixels

    def stand(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Stand | None:
        """How the pixels of a piece would stand; None where its foot is on no ground.

        Args:
            rows: of its pixels (n,).
            columns: likewise.
        """
        away_m = self._away_m[rows, columns]
        nearest = np.argsort(away_m)
        foot = nearest[: max(1, round(_FOOT_SHARE * len(nearest)))]
        foot_m = float(np.median(away_m[foot]))
        if not np.isfinite(foot_m) or foot_m <= 0:
            return None
        flat_m = self._flat_m[rows, columns]
        middle = np.median(flat_m[away_m < np.inf], axis=0)
        along = middle / max(float(np.hypot(*middle)), 1e-6)
        across = np.asarray([-along[1], along[0]])
        # What is farther off along the sight is so by the thing's own height: as an angle.
        sideways_m = flat_m @ across * foot_m / np.maximum(flat_m @ along, foot_m)
        low_m, high_m = np.nanquantile(sideways_m, (0.03, 0.97))
        pixel_m, pixel_deep_m = self._pixel_m(int(rows[foot[0]]), int(columns[foot[0]]))
        # Smoothed, a piece is a pixel bigger on each side than what it is of.
        width_m = max(pixel_m, float(high_m - low_m) - pixel_m)
        far_m = max(foot_m, float(np.quantile(away_m, 0.97)) - 2 * pixel_deep_m)
        rise_m = float(self._eye_m[2]) * (1 - min(1.0, foot_m / max(far_m, 1e-6)))
        # It is touched first in front; its middle lies half its depth behind.
        middle_m = foot_m + min(width_m, _DEEPEST_M) / 2
        place_m = self._eye_m[:2] + along * middle_m + across * (low_m + high_m) / 2
        (pixel,) = self._plane.pixels_of(np.asarray([place_m]))
        if not np.isfinite(pixel).all():
            return None
        return Stand(
            foot_px=(float(pixel[0]), float(pixel[1])),
            width_m=width_m,
            rise_m=rise_m,
            pixel_m=pixel_m,
        )

    def position(self, stand: Stand) -> GroundPoint | None:
        """Where it stands, and how surely; None where that is on no ground."""
        return self._plane.point(
            stand.foot_px,
            foot_sigma_px=_FOOT_SIGMA_LUMA_PX * self._step_px,
            foot_sigma_m=_FOOT_SIGMA_M,
        )

    def _pixel_m(self, row: int, column: int) -> tuple[float, float]:
        """What a pixel spans on the ground: the least and the most to its neighbours."""
        height, width = self._away_m.shape
        here = self._flat_m[row, column]
        spans = [
            float(np.hypot(*(self._flat_m[y, x] - here)))
            for y, x in ((row, min(column + 1, width - 1)), (min(row + 1, height - 1), column))
            if (y, x) != (row, column) and np.isfinite(self._away_m[y, x])
        ]
        return min(spans, default=0.0), max(spans, default=0.0)
