"""Ways to look at a small picture: as it is, or an all-round one unrolled by azimuth.

Unrolled, a turn of the pole is a shift to the side, and what is compared are edges: where they
are and not how bright they are. Lamps, clouds and the infrared filter change brightness, and
edges stay.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from roeh.optics.lens import Lens, is_fisheye
from roeh.optics.polar import Array
from roeh.optics.remap import FixedPointMap
from roeh.vision.tamper.looks import WIDTH_PX, Float32Image, small_height_px

_RING_WIDTH_PX, _RING_HEIGHT_PX = 256, 64
#: The ring begins and ends at these shares of the visible angle: the pole itself and the rim
#: of the picture, which turn with the camera, are left out.
_INNER, _OUTER = 0.22, 0.86
#: Edges are found at this size, beside the brightness round them, less what they are on average.
_EDGE_PX, _BRIGHTNESS_PX, _AROUND_PX = 1.0, 8.0, 6.0
#: Fine is what this blur takes away; coarse what is left between it and the next.
_FINE_PX, _COARSE_PX = 1.2, 4.0
#: Where a camera shows large shapes when nothing is sharp any more: between these.
_SHAPE_PX, _SHAPES_PX = 4.0, 16.0


class Plane:
    """One way to look at the small picture.

    Args:
        window: (height, width), how much each pixel counts for a shift; 0: not at all.
        unroll: from the small picture, or None for the picture as it is.

    Attributes:
        is_ring: it is unrolled.
        counted: (height, width), where there is picture.
    """

    def __init__(self, window: Float32Image, unroll: FixedPointMap | None) -> None:
        self._window = window
        self._unroll = unroll
        self.is_ring = unroll is not None
        self.counted = window > 0
        self._count = max(1, int(np.count_nonzero(self.counted)))

    def seen(self, picture: Float32Image) -> Float32Image:
        """The small picture in this plane."""
        if self._unroll is None:
            return picture
        unroll = self._unroll
        seen = cv2.remap(picture, unroll.whole_px, unroll.fraction, cv2.INTER_LINEAR)
        return np.asarray(seen, np.float32)

    def edges(self, seen: Float32Image) -> Float32Image:
        """How much of an edge there is where; mean 0 round each place, spread 1."""
        smooth = self.blurred(seen, _EDGE_PX)
        strength = cv2.magnitude(
            cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        )
        edges = np.sqrt(strength / (self.blurred(seen, _BRIGHTNESS_PX) + _BRIGHTNESS_PX))
        edges = np.asarray(edges * self.counted, np.float32)
        return self._normal(edges - self.blurred(edges, _AROUND_PX))

    def shapes(self, seen: Float32Image) -> Float32Image:
        """Large shapes, which no defocus takes away; mean 0 round each place, spread 1."""
        return self._normal(self.blurred(seen, _SHAPE_PX) - self.blurred(seen, _SHAPES_PX))

    def bands(self, seen: Float32Image) -> tuple[Float32Image, Float32Image]:
        """How much fine and how much coarse detail there is where."""
        smooth = self.blurred(seen, _FINE_PX)
        fine, coarse = np.abs(seen - smooth), np.abs(smooth - self.blurred(seen, _COARSE_PX))
        return np.asarray(fine, np.float32), np.asarray(coarse, np.float32)

    def likeness(self, one: Float32Image, other: Float32Image) -> float:
        """Correlation of two pictures of mean 0 and spread 1: 1 alike, 0 by chance."""
        return float(np.sum(one * other)) / self._count

    def shift(self, before: Float32Image, now: Float32Image) -> tuple[tuple[float, float], float]:
        """Where the edges went, right and down, and how surely, 0 to 1.

        The peak of a phase correlation: Kuglin & Hines, "The phase correlation image alignment
        method", 1975.
        """
        (x_px, y_px), peak = cv2.phaseCorrelate(before * self._window, now * self._window)
        return (float(x_px), float(y_px)), float(peak)

    def blurred(self, picture: Float32Image, sigma_px: float) -> Float32Image:
        """Gaussian blur; round the pole there is no edge: what lies beyond one end is the other."""
        if not self.is_ring:
            return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.float32)
        reach = math.ceil(4 * sigma_px)
        wrapped = np.hstack([picture[:, -reach:], picture, picture[:, :reach]])
        blurred = np.asarray(cv2.GaussianBlur(wrapped, (0, 0), sigma_px), np.float32)
        return blurred[:, reach:-reach]

    def _normal(self, picture: Float32Image) -> Float32Image:
        counted = picture * self.counted
        spread = math.sqrt(float(np.sum(counted**2)) / self._count)
        return np.asarray(counted / (spread + 1e-6), np.float32)


def planes_of(lens: Lens) -> tuple[Plane, ...]:
    """The ways to look at this lens's pictures, the picture as it is first."""
    if not is_fisheye(lens):
        size = (WIDTH_PX, small_height_px(lens))
        window = cv2.createHanningWindow(size, cv2.CV_32F)
        return (Plane(np.asarray(window + 1e-6, np.float32), None),)
    return _disc(lens), _ring(lens)


def _disc(lens: Lens) -> Plane:
    x, y = np.meshgrid(np.arange(WIDTH_PX), np.arange(small_height_px(lens)))
    center_px, radius_px = _circle(lens)
    inside_px = 0.95 * radius_px - np.hypot(x - center_px[0], y - center_px[1])
    return Plane(np.asarray(np.clip(inside_px / 20.0, 0.0, 1.0), np.float32), None)


def _ring(lens: Lens) -> Plane:
    center_px, radius_px = _circle(lens)
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


def _circle(lens: Lens) -> tuple[tuple[float, float], float]:
    """Middle and radius of the image circle in the small picture."""
    scale = WIDTH_PX / lens.width_px
    x_px, y_px = lens.axis_px
    # A hair within the rim: beyond it the model need not go on.
    angle_rad = 0.999 * lens.max_angle_rad
    rim = np.asarray([[math.sin(angle_rad), 0.0, math.cos(angle_rad)]])
    rim_px = lens.project(rim, beyond=True)[0]
    radius_px = float(np.hypot(rim_px[0] - x_px, rim_px[1] - y_px))
    return ((x_px + 0.5) * scale - 0.5, (y_px + 0.5) * scale - 0.5), radius_px * scale
