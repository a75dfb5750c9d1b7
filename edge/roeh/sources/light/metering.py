"""How bright the ground is in a picture: the sky, lamps against it and the rim do not count."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from roeh.media.planes import Octets1D, PlaneLayout
from roeh.optics.rig import Sensor

#: What counts lies at least as far below the horizon.
BELOW_HORIZON_DEG = 10.0
#: Samples along the longer side: enough for a mean to a hundredth.
_SAMPLES = 64

Pixels = npt.NDArray[np.intp]


class GroundMeter:
    """Measures pictures of one camera.

    Args:
        sensor: lens and pose.
        layout: of its pictures, of the lens's size.
        whole: whether the sky counts too.
    """

    def __init__(self, sensor: Sensor, layout: PlaneLayout, *, whole: bool) -> None:
        columns_rows = metered_pixels(sensor, whole=whole)
        self._where = columns_rows[:, 1] * layout.stride_bytes + columns_rows[:, 0]

    def mean_luma(self, buffer: Octets1D) -> float:
        """Mean luma, 0 to 255, of what counts in a driver's buffer."""
        return float(buffer[self._where].mean())


def metered_pixels(sensor: Sensor, *, whole: bool) -> Pixels:
    """The pixels (n, 2), column and row, that are looked at; all there are for lack of ground."""
    lens = sensor.lens
    step = max(1, max(lens.width_px, lens.height_px) // _SAMPLES)
    grid = np.meshgrid(
        np.arange(step // 2, lens.width_px, step), np.arange(step // 2, lens.height_px, step)
    )
    pixels = np.stack([axis.reshape(-1) for axis in grid], axis=1)
    points = pixels.astype(np.float64)
    seen = lens.inside(points)
    if not whole:
        up = sensor.pole_directions(points)[:, 2]
        ground = seen & (up < -math.sin(math.radians(BELOW_HORIZON_DEG)))
        seen = ground if ground.any() else seen
    chosen: Pixels = pixels[seen] if seen.any() else pixels
    return chosen
