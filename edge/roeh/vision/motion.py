"""What moves: the cheap look at every picture that decides where the network looks.

Per pixel a running mean and variance of the luma at about 256 px across. Noise raises
the threshold by itself, so that night is not all motion; brightness of the whole
picture is taken out, so that flickering lamps are not. A fixed threshold found 30 % of
people at night, an adaptive one 75 %: neither is safe without the scheduler's sweep.
"""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike

from roeh.core.clock import NS_PER_S
from roeh.media.frames import UInt8Image

Float32Image = npt.NDArray[np.float32]

#: Luma pictures are about this wide.
LUMA_WIDTH_PX = 256

_SIGMAS = 4.0
_FLOOR_LEVELS = 10.0
_FIRST_VARIANCE = 16.0
#: How fast background and noise follow, seconds; slower where something moves, so that
#: who stands still for a minute becomes background and their ghost goes when they leave.
_FOLLOW_S = 3.0
_FOLLOW_MOVING_S = 30.0
#: The picture changed as a whole: an exposure step, the IR filter, the lamps.
_STEP_SHARE = 0.5
_STEP_LEVELS = 30.0
_SETTLE_S = 2.5
_MIN_REGION_PX = 6


class MovingRegion(msgspec.Struct, frozen=True):
    """A connected piece of moving picture, in luma pixels."""

    center_x_px: float
    center_y_px: float
    area_px: int


class Motion(msgspec.Struct, frozen=True):
    """What moves in one picture.

    Attributes:
        regions: connected moving pieces; none while the picture settles.
        settling: the picture changed as a whole a moment ago; rules had better wait.
    """

    regions: tuple[MovingRegion, ...]
    settling: bool


_NOTHING = Motion(regions=(), settling=False)
_SETTLING = Motion(regions=(), settling=True)


class MotionDetector:
    """Follows one camera's background."""

    def __init__(self) -> None:
        self._mean: Float32Image | None = None
        self._variance: Float32Image | None = None
        self._t_mono_ns = 0
        self._settled_ns = 0
        self._kernel = np.ones((2, 2), np.uint8)

    def update(self, luma: UInt8Image, t_mono_ns: int) -> Motion:
        """What moves in a picture (height, width) compared with those before."""
        picture = cv2.blur(luma, (3, 3))
        if self._mean is None or self._mean.shape != picture.shape:
            self._restart(picture, t_mono_ns)
            return _NOTHING
        assert self._variance is not None
        elapsed_s = max(0.0, (t_mono_ns - self._t_mono_ns) / NS_PER_S)
        self._t_mono_ns = t_mono_ns
        difference = np.asarray(cv2.subtract(picture, self._mean, dtype=cv2.CV_32F), np.float32)
        shift = float(np.median(difference[::4, ::4]))
        difference -= shift
        squared = cv2.multiply(difference, difference)
        threshold = np.maximum(self._variance * _SIGMAS**2, np.float32(_FLOOR_LEVELS**2))
        moving = cv2.compare(squared, threshold, cv2.CMP_GT)
        if abs(shift) > _STEP_LEVELS or cv2.countNonZero(moving) > _STEP_SHARE * moving.size:
            self._restart(picture, t_mono_ns)
            self._settled_ns = t_mono_ns + int(_SETTLE_S * NS_PER_S)
            return _SETTLING
        moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, self._kernel)
        still = cv2.bitwise_not(moving)
        self._follow(picture, squared, still, elapsed_s)
        if t_mono_ns < self._settled_ns:
            return _SETTLING
        if cv2.countNonZero(moving) == 0:
            return _NOTHING
        return Motion(regions=_regions(np.asarray(moving, np.uint8)), settling=False)

    def _restart(self, picture: MatLike, t_mono_ns: int) -> None:
        self._mean = picture.astype(np.float32)
        self._variance = np.full(picture.shape, _FIRST_VARIANCE, np.float32)
        self._t_mono_ns = t_mono_ns

    def _follow(
        self,
        picture: MatLike,
        squared: MatLike,
        still: MatLike,
        elapsed_s: float,
    ) -> None:
        share = 1 - math.exp(-elapsed_s / _FOLLOW_S)
        slow_share = 1 - math.exp(-elapsed_s / _FOLLOW_MOVING_S)
        assert self._mean is not None
        assert self._variance is not None
        cv2.accumulateWeighted(picture, self._mean, slow_share, mask=cv2.bitwise_not(still))
        cv2.accumulateWeighted(picture, self._mean, share, mask=still)
        cv2.accumulateWeighted(squared, self._variance, share, mask=still)


def _regions(moving: UInt8Image) -> tuple[MovingRegion, ...]:
    joined = cv2.dilate(moving, np.ones((5, 5), np.uint8))
    count, _, stats, centroids = cv2.connectedComponentsWithStats(joined)
    return tuple(
        MovingRegion(float(centroids[i, 0]), float(centroids[i, 1]), int(stats[i, 4]))
        for i in range(1, count)
        if stats[i, 4] >= _MIN_REGION_PX
    )
