"""Ways to look at a small picture: as it is, or an all-round one unrolled by azimuth.

Unrolled, a turn of the pole is a shift to the side. An all-round picture is looked at unrolled
first; as it is, at half the size, where a camera that was tilted shows its scene shifted.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from roeh.optics.lens import Lens, is_fisheye
from roeh.optics.polar import Array
from roeh.optics.remap import FixedPointMap
from roeh.vision.tamper.looks import WIDTH_PX, Float32Image, small_height_px

_RING_WIDTH_PX, _RING_HEIGHT_PX = 256, 64
#: The ring begins and ends at these shares of the visible angle: the pole itself and the rim
#: of the picture, which turn with the camera, are left out.
_INNER, _OUTER = 0.22, 0.86
#: Of the disc's rim so much is left out, and fades over so much, in shares of its radius.
_RIM, _FADE = 0.05, 0.16
_DISC_SHRINK = 2


class Plane:
    """One way to look at the small picture.

    Args:
        window: (height, width), how much each pixel counts for a shift; 0: there is no picture.
        unroll: from the small picture, or None for the picture as it is.

    Attributes:
        window: as given.
        counted: (height, width), where there is picture.
        count: of those pixels.
        is_ring: it is unrolled: beyond one end is the other.
    """

    def __init__(self, window: Float32Image, unroll: FixedPointMap | None = None) -> None:
        self.window = window
        self.counted: npt.NDArray[np.bool_] = window > 0
        self.count = max(1, int(np.count_nonzero(self.counted)))
        self.is_ring = unroll is not None
        self._unroll = unroll

    def seen(self, picture: Float32Image) -> Float32Image:
        """The small picture in this plane, the size of the window."""
        if self._unroll is not None:
            unroll = self._unroll
            ring = cv2.remap(picture, unroll.whole_px, unroll.fraction, cv2.INTER_LINEAR)
            return np.asarray(ring, np.float32)
        if picture.shape == self.window.shape:
            return picture
        size = self.window.shape[1::-1]
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)

    def blurred(self, picture: Float32Image, sigma_px: float) -> Float32Image:
        """A Gaussian's blur; of a large one a box of the same spread, which costs the same."""
        is_large = sigma_px > 2.0
        side = 2 * round(math.sqrt(12 * sigma_px**2 + 1) / 2 - 0.5) + 1
        reach = side // 2 if is_large else math.ceil(4 * sigma_px)
        if self.is_ring:
            picture = np.asarray(
                cv2.copyMakeBorder(picture, 0, 0, reach, reach, cv2.BORDER_WRAP), np.float32
            )
        blurred = (
            cv2.blur(picture, (side, side))
            if is_large
            else cv2.GaussianBlur(picture, (0, 0), sigma_px)
        )
        inner = slice(reach, -reach) if self.is_ring else slice(None)
        return np.asarray(blurred[:, inner], np.float32)


def planes_of(lens: Lens) -> tuple[Plane, ...]:
    """The ways to look at this lens's pictures, the one to begin with first."""
    if is_fisheye(lens):
        return _ring(lens), _disc(lens)
    window = cv2.createHanningWindow((WIDTH_PX, small_height_px(lens)), cv2.CV_32F)
    return (Plane(np.asarray(window + 1e-6, np.float32)),)


def _disc(lens: Lens) -> Plane:
    width, height = WIDTH_PX // _DISC_SHRINK, small_height_px(lens) // _DISC_SHRINK
    center_px, radius_px = _circle(lens, width)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    inside = (1 - _RIM) - np.hypot(x - center_px[0], y - center_px[1]) / radius_px
    return Plane(np.asarray(np.clip(inside / _FADE, 0.0, 1.0), np.float32))


def _ring(lens: Lens) -> Plane:
    center_px, radius_px = _circle(lens, WIDTH_PX)
    azimuth = (np.arange(_RING_WIDTH_PX) + 0.5) / _RING_WIDTH_PX * 2 * np.pi
    radius = np.linspace(_OUTER, _INNER, _RING_HEIGHT_PX) * radius_px
    around, out = np.meshgrid(azimuth, radius)
    source: Array = np.column_stack(
        [
            (center_px[0] + out * np.sin(around)).ravel(),
            (center_px[1] - out * np.cos(around)).ravel(),
        ]
    )
    rows = cv2.createHanningWindow((_RING_HEIGHT_PX, _RING_HEIGHT_PX), cv2.CV_32F)
    column = np.asarray(rows, np.float32)[:, _RING_HEIGHT_PX // 2, None]
    window = np.tile(np.sqrt(column) + 1e-6, (1, _RING_WIDTH_PX))
    unroll = FixedPointMap.of(source, _RING_WIDTH_PX, _RING_HEIGHT_PX)
    return Plane(np.asarray(window, np.float32), unroll)


def _circle(lens: Lens, width_px: int) -> tuple[tuple[float, float], float]:
    """Middle and radius of the image circle in a picture of that width."""
    scale = width_px / lens.width_px
    x_px, y_px = lens.axis_px
    # A hair within the rim: beyond it the model need not go on.
    angle_rad = 0.999 * lens.max_angle_rad
    rim = np.asarray([[math.sin(angle_rad), 0.0, math.cos(angle_rad)]])
    rim_px = lens.project(rim, beyond=True)[0]
    radius_px = float(np.hypot(rim_px[0] - x_px, rim_px[1] - y_px))
    return ((x_px + 0.5) * scale - 0.5, (y_px + 0.5) * scale - 0.5), radius_px * scale
