"""What moves: the cheap look at every picture that decides where the network looks.

Per pixel a background and its noise, both running means, on the luma at about 256 px
across. Noise raises the threshold by itself, so that night is not all motion; the
brightness of the whole picture is divided out, so that flickering lamps are not. What
differs from the background but has stood still for half a second is no motion: the gap
that a car left, or somebody who waits and whom a track knows. A fixed threshold found
30 % of people at night, an adaptive one 75 %: neither is safe without the scheduler's
sweep.

Integer arithmetic on bytes wherever it serves: 0.11 ms for a quiet 256 x 256, 0.33 ms
with a dozen people in it (edge/design/tracking.md says how it was measured).
"""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.clock import NS_PER_S
from roeh.core.types import Light
from roeh.media.frames import UInt8Image
from roeh.vision.light import LightFollower, LightStep

Float32Image = npt.NDArray[np.float32]

#: Luma pictures are about this wide.
LUMA_WIDTH_PX = 256

#: How far from the background is motion: so many sigmas, and at least so many levels.
_SIGMAS = 4.0
_FLOOR_LEVELS = 9.0
#: The mean of |x| of a normal distribution is this much less than its sigma.
_SIGMA_PER_MEAN_DEVIATION = 1.25
_FIRST_DEVIATION = 3.0
#: How fast background and noise follow, seconds; slower where something moves, so that
#: a passer-by leaves no trail.
_FOLLOW_S = 3.0
_FOLLOW_MOVING_S = 20.0
#: What is there now is compared with a picture at least this old.
_STILL_S = 0.4
#: A cell of so many pixels square moves if this many of its pixels do.
_CELL_PX = 4
_CELL_MIN_MOVING_PX = 4
#: A region that spans more is told piece by piece: one tile may not hold it.
_PIECE_PX = 32
#: More regions than this are rain or leaves: where they are roughly is enough.
_MANY_REGIONS = 64
#: The picture changed as a whole (the IR filter, the lamps, an exposure step): so much
#: of it differs, or its brightness does by this factor.
_STEP_SHARE = 0.4
_STEP_GAIN = 2.5
_SETTLE_S = 2.5
#: Strobes and downpours must not keep a pole quiet: having begun to settle, a picture
#: does not begin again before so long, and meanwhile its noise is learnt.
_SETTLE_AGAIN_S = 10.0
_GRID = slice(None, None, 8)


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
        share: of the picture that differs from the background, moving or not.
    """

    regions: tuple[MovingRegion, ...]
    settling: bool
    share: float


class _Sight(msgspec.Struct, frozen=True):
    """A picture and how bright it is beside the background."""

    picture: UInt8Image
    gain: float
    t_mono_ns: int


class MotionDetector:
    """Follows one camera's background."""

    def __init__(self) -> None:
        self._background: Float32Image | None = None
        self._deviation: Float32Image = np.zeros((0, 0), np.float32)
        self._last_ns = 0
        self._settled_ns: int | None = None
        self._recent: _Sight | None = None
        self._older: _Sight | None = None
        self._light = LightFollower()

    def update(self, luma: UInt8Image, t_mono_ns: int, light: Light | None = None) -> Motion:
        """What moves in a picture (height, width) compared with those before.

        Args:
            luma: the picture.
            t_mono_ns: when it was taken.
            light: how it was exposed, where the camera tells.
        """
        step = self._light.step_to(light)
        picture = np.asarray(cv2.blur(luma, (3, 3)), np.uint8)
        background = self._background
        if background is None or background.shape != picture.shape:
            self._restart(picture, t_mono_ns)
            return Motion(regions=(), settling=False, share=0.0)
        if self._must_settle(step, t_mono_ns):
            self._restart(picture, t_mono_ns)
            return Motion(regions=(), settling=True, share=0.0)
        elapsed_s = max(0.0, (t_mono_ns - self._last_ns) / NS_PER_S)
        self._last_ns = t_mono_ns
        gain = relative_brightness(picture, background)
        difference = _difference(picture, background, gain)
        threshold = cv2.convertScaleAbs(self._deviation, alpha=_SIGMAS * _SIGMA_PER_MEAN_DEVIATION)
        threshold = cv2.max(threshold, _FLOOR_LEVELS)  # type: ignore[call-overload]  # a number is fine, the stubs want an array
        differs = np.asarray(cv2.compare(difference, threshold, cv2.CMP_GT), np.uint8)
        count = cv2.countNonZero(differs)
        share = count / differs.size
        stepped = share > _STEP_SHARE or not 1 / _STEP_GAIN < gain < _STEP_GAIN
        if stepped and self._may_settle(t_mono_ns):
            self._restart(picture, t_mono_ns)
            return Motion(regions=(), settling=True, share=share)
        self._follow(background, picture, difference, differs, elapsed_s)
        before = self._remember(_Sight(picture, gain, t_mono_ns))
        if self._is_settling(t_mono_ns):
            return Motion(regions=(), settling=True, share=share)
        if count < _CELL_MIN_MOVING_PX or before is None:
            return Motion(regions=(), settling=False, share=share)
        since = _difference(picture, before.picture, gain / before.gain)
        moves = cv2.bitwise_and(cv2.compare(since, threshold, cv2.CMP_GT), differs)
        regions = _regions(differs, np.asarray(moves, np.uint8))
        return Motion(regions=regions, settling=False, share=share)

    def _restart(self, picture: UInt8Image, t_mono_ns: int) -> None:
        self._background = picture.astype(np.float32)
        self._deviation = np.full(picture.shape, _FIRST_DEVIATION, np.float32)
        self._last_ns = t_mono_ns
        self._recent = self._older = _Sight(picture, 1.0, t_mono_ns)

    def _must_settle(self, step: LightStep, t_mono_ns: int) -> bool:
        """Whether the camera itself says that this picture is of another light."""
        if step is LightStep.INFRARED:
            # The filter moves seldom, and colour and noise of everything change with it.
            self._settled_ns = t_mono_ns + round(_SETTLE_S * NS_PER_S)
            return True
        return step is LightStep.EXPOSURE and self._may_settle(t_mono_ns)

    def _may_settle(self, t_mono_ns: int) -> bool:
        """Whether the picture settles now, or begins to because it has not for long."""
        if self._is_settling(t_mono_ns):
            return True
        again_ns = round((_SETTLE_AGAIN_S - _SETTLE_S) * NS_PER_S)
        if self._settled_ns is not None and t_mono_ns < self._settled_ns + again_ns:
            return False
        self._settled_ns = t_mono_ns + round(_SETTLE_S * NS_PER_S)
        return True

    def _is_settling(self, t_mono_ns: int) -> bool:
        return self._settled_ns is not None and t_mono_ns < self._settled_ns

    def _follow(
        self,
        background: Float32Image,
        picture: UInt8Image,
        difference: UInt8Image,
        differs: UInt8Image,
        elapsed_s: float,
    ) -> None:
        for mask, follow_s in (
            (cv2.bitwise_not(differs), _FOLLOW_S),
            (differs, _FOLLOW_MOVING_S),
        ):
            share = 1 - math.exp(-elapsed_s / follow_s)
            cv2.accumulateWeighted(picture, background, share, mask=mask)
            cv2.accumulateWeighted(difference, self._deviation, share, mask=mask)

    def _remember(self, sight: _Sight) -> _Sight | None:
        """Keep a picture for later; returns the one to compare with, at least so old."""
        before = self._older
        if self._recent is None or (
            sight.t_mono_ns - self._recent.t_mono_ns >= _STILL_S * NS_PER_S
        ):
            self._older, self._recent = self._recent, sight
        return before


def relative_brightness(picture: UInt8Image, background: Float32Image) -> float:
    """How much brighter the picture is than the background: the median of a grid.

    Light multiplies, also after the camera's gamma; the median lets whatever moves
    cover nearly half of the picture.
    """
    # One level is added to both so that black on black is no division by nothing.
    ratio = ((picture[_GRID, _GRID] + np.float32(1)) / (background[_GRID, _GRID] + 1)).ravel()
    middle = ratio.size // 2
    return float(np.partition(ratio, middle)[middle])


def _difference(picture: UInt8Image, other: UInt8Image | Float32Image, gain: float) -> UInt8Image:
    """|picture - other|, the other taken as if it were as bright."""
    expected = cv2.convertScaleAbs(other, alpha=gain, beta=gain - 1)
    return np.asarray(cv2.absdiff(picture, expected), np.uint8)


def _regions(differs: UInt8Image, moves: UInt8Image) -> tuple[MovingRegion, ...]:
    """Connected cells that differ from the background, if anything in them moves."""
    if cv2.countNonZero(moves) == 0:
        return ()
    # Halving rounds, twice: a little less is enough.
    cells = _cell_means(differs) >= 255 * _CELL_MIN_MOVING_PX // _CELL_PX**2 - 2
    if not cells.any():
        return ()
    count, labels, stats, centers = cv2.connectedComponentsWithStats(cells.astype(np.uint8))
    stirred = cells & (_cell_means(moves) > 0)
    if count > _MANY_REGIONS:
        return tuple(_pieces(stirred))
    spans = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1) * _CELL_PX
    found: list[MovingRegion] = []
    for label in np.unique(labels[stirred]).tolist():
        if spans[label] <= _PIECE_PX:
            found.append(_region(centers[label], int(stats[label, cv2.CC_STAT_AREA])))
        else:
            found.extend(_pieces(stirred & (labels == label)))
    return tuple(found)


def _cell_means(mask: UInt8Image) -> UInt8Image:
    """Mean of every cell; halving twice is five times as fast as a quarter at once."""
    means = mask
    for _ in range(2):
        height, width = means.shape
        size = (max(1, width // 2), max(1, height // 2))
        means = np.asarray(cv2.resize(means, size, interpolation=cv2.INTER_AREA), np.uint8)
    return means


def _pieces(cells: npt.NDArray[np.bool_]) -> list[MovingRegion]:
    """Cells (rows, columns) gathered block by block."""
    places = np.argwhere(cells)[:, ::-1]
    blocks = places // (_PIECE_PX // _CELL_PX)
    keys, piece = np.unique(blocks[:, 1] * cells.shape[1] + blocks[:, 0], return_inverse=True)
    areas = np.bincount(piece, minlength=len(keys))
    x, y = (np.bincount(piece, weights=places[:, axis]) / areas for axis in (0, 1))
    return [
        _region(center, area)
        for center, area in zip(np.column_stack([x, y]), areas.tolist(), strict=True)
    ]


def _region(center_cells: npt.NDArray[np.float64], area_cells: int) -> MovingRegion:
    """From cells to luma pixels."""
    x, y = ((center_cells + 0.5) * _CELL_PX - 0.5).tolist()
    return MovingRegion(center_x_px=x, center_y_px=y, area_px=area_cells * _CELL_PX**2)
