"""What differs from the street as it was long ago, and has kept still since.

Two backgrounds (after F. Porikli, Y. Ivanov, T. Haga, "Robust abandoned object detection
using dual foregrounds", EURASIP J. Adv. Signal Process. 2008): a fast one that follows
within a second and shows the picture without its noise, and a slow one that is the street.
Where the fast one differs from the slow one and the picture agrees with the fast one,
something stands that did not; each such pixel gathers evidence, in seconds. What walks in
front of it neither adds to it nor takes from it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from cv2.typing import MatLike as Matrix

from roeh.core.clock import NS_PER_S
from roeh.media.frames import UInt8Image
from roeh.vision.motion import relative_brightness

Float32Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_FAST_S = 1.0
#: The street itself: the sun goes round, walls get wet.
_SLOW_S = 20.0
#: What stands still and is not taken for an object becomes part of the street.
_ABSORB_S = 60.0
_NOISE_S = 20.0
#: The street begins as the median of so many pictures, so far apart: who walks by is in few.
_FIRST_PICTURES = 9
_FIRST_EVERY_S = 0.7
#: Differing: so many mean deviations of the picture's noise, at least so many levels. The
#: fast background's noise is a third of the picture's.
_DEVIATIONS = 2.0
_FLOOR_LEVELS = 8.0
_FIRST_DEVIATION = 3.0
#: Nothing gathers more evidence than this, and it is lost twice as fast as it came.
_MOST_EVIDENCE_S = 20.0
_LOSS = 2.0
#: Brightness beside the slow background's at which that is brought back to the picture's.
_REBASE_GAIN = 1.25
#: So much of the picture differs and keeps still: the picture is another one.
_CHANGED_SHARE = 0.4


class Backgrounds:
    """One camera's two backgrounds and the evidence of what stands.

    Attributes:
        slow: the street (height, width), as bright as the newest picture.
        fast: the last second, without who walks through it, at the same brightness.
        evidence_s: for how long each pixel has differed and kept still.
        first_ns: when it began to; 0 where it does not.
        quiet: pixels in which nothing moves now.
        scale: by how much both have been made brighter since the beginning.
    """

    def __init__(self, picture: UInt8Image, t_mono_ns: int) -> None:
        self.slow: Float32Image = _smooth(picture)
        self.fast: Float32Image = self.slow.copy()
        self._deviation: Float32Image = np.full(picture.shape, _FIRST_DEVIATION, np.float32)
        self.evidence_s: Float32Image = np.zeros(picture.shape, np.float32)
        self.first_ns: npt.NDArray[np.int64] = np.zeros(picture.shape, np.int64)
        self.quiet: Matrix = np.zeros(picture.shape, np.uint8)
        self.scale = 1.0
        self._last_ns = t_mono_ns
        self._first: list[UInt8Image] = [picture]
        self._first_ns = t_mono_ns

    def update(
        self, picture: UInt8Image, t_mono_ns: int, *, busy: UInt8Image, held: UInt8Image
    ) -> bool:
        """Look at a picture (height, width); whether it is another picture altogether.

        Args:
            picture: the luma.
            t_mono_ns: when it was taken.
            busy: 255 where somebody is whom a track knows: nothing is learnt there.
            held: 255 where something stands that is to stay apart from the street.
        """
        elapsed_s = max(0.0, (t_mono_ns - self._last_ns) / NS_PER_S)
        self._last_ns = t_mono_ns
        if self._first:
            self._begin(picture, t_mono_ns)
            return False
        gain = relative_brightness(picture, self.slow)
        if not 1 / _REBASE_GAIN < gain < _REBASE_GAIN:
            self.slow *= gain
            self.fast *= gain
            self.scale *= gain
            gain = 1.0
        smooth = _smooth(picture) * np.float32(1 / gain)
        threshold = cv2.max(cv2.multiply(self._deviation, _DEVIATIONS), _FLOOR_LEVELS)  # type: ignore[call-overload]  # a number is fine, the stubs want an array
        self.quiet = _below(cv2.absdiff(smooth, self.fast), threshold)
        cv2.accumulateWeighted(smooth, self.fast, _share(elapsed_s, _FAST_S))
        agrees = _below(cv2.absdiff(self.fast, self.slow), threshold)
        free = cv2.bitwise_and(self.quiet, cv2.bitwise_not(busy))
        street = cv2.bitwise_and(agrees, free)
        stands = cv2.subtract(free, agrees)
        self._learn(smooth, street, cv2.subtract(stands, held), elapsed_s)
        self._gather(street, stands, elapsed_s, t_mono_ns)
        return cv2.countNonZero(stands) > _CHANGED_SHARE * picture.size

    def _begin(self, picture: UInt8Image, t_mono_ns: int) -> None:
        """Gather the first pictures, and begin when there are enough."""
        if t_mono_ns - self._first_ns < _FIRST_EVERY_S * NS_PER_S:
            return
        self._first.append(picture)
        self._first_ns = t_mono_ns
        if len(self._first) < _FIRST_PICTURES:
            return
        self.slow = _smooth(np.median(self._first, axis=0).astype(np.uint8))
        self.fast = self.slow.copy()
        self._first = []

    def _learn(
        self, smooth: Float32Image, street: Matrix, absorbed: Matrix, elapsed_s: float
    ) -> None:
        deviation = cv2.absdiff(smooth, self.slow)
        cv2.accumulateWeighted(deviation, self._deviation, _share(elapsed_s, _NOISE_S), mask=street)
        cv2.accumulateWeighted(smooth, self.slow, _share(elapsed_s, _SLOW_S), mask=street)
        cv2.accumulateWeighted(smooth, self.slow, _share(elapsed_s, _ABSORB_S), mask=absorbed)

    def _gather(self, street: Matrix, stands: Matrix, elapsed_s: float, t_mono_ns: int) -> None:
        begins = (np.asarray(stands) > 0) & (self.evidence_s <= 0)
        self.first_ns[begins] = t_mono_ns
        evidence = self.evidence_s
        cv2.add(evidence, elapsed_s, dst=evidence, mask=stands)  # type: ignore[call-overload]  # likewise
        cv2.subtract(evidence, _LOSS * elapsed_s, dst=evidence, mask=street)  # type: ignore[call-overload]  # likewise
        np.clip(evidence, 0.0, _MOST_EVIDENCE_S, out=evidence)


def _smooth(picture: UInt8Image) -> Float32Image:
    return cv2.blur(picture, (3, 3)).astype(np.float32)


def _below(levels: Matrix, threshold: Matrix) -> Matrix:
    """255 where one is below the other."""
    return cv2.compare(levels, threshold, cv2.CMP_LT)


def _share(elapsed_s: float, follow_s: float) -> float:
    return 1 - math.exp(-elapsed_s / follow_s)
