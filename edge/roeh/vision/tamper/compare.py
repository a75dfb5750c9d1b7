"""How what a camera sees now compares with how it saw before."""

from __future__ import annotations

import math
from functools import cached_property

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.vision.tamper.aspect import Aspect, View, by_sector
from roeh.vision.tamper.looks import Float32Image

#: Added to coarse detail, in levels: where there is next to none, its share means nothing.
_COARSE_FLOOR = 0.2
_LEAST_FINENESS = 0.1
_MOST = 0.7
#: A scene that went farther, as a share of the picture's side, cannot be known again.
_MOST_SHIFT = 0.6
_LEAST_FINE_LEVELS = 0.4
#: Overexposed for so much more of the time.
_WHITER = 0.5


class Shift(msgspec.Struct, frozen=True):
    """Where the scene went in the picture.

    Attributes:
        shared: correlation of the edges, a little blurred, when they are put back by that much:
            a camera that is turned does not only shift its picture.
        shared_before: the same of the edges as they are.
    """

    right_px: float
    down_px: float
    shared: float
    shared_before: float

    @property
    def length_px(self) -> float:
        """How far."""
        return math.hypot(self.right_px, self.down_px)


class Likeness:
    """A sight beside the reference, in one plane."""

    def __init__(self, before: Aspect, now: Aspect) -> None:
        self._before = before
        self._now = now

    @property
    def is_ring(self) -> bool:
        """In the unrolled picture, where a turn is a shift to the side."""
        return self._now.plane.is_ring

    @cached_property
    def shared(self) -> float:
        """Correlation of the edges, -1 to 1; chance alone gives 0."""
        return float(np.vdot(self._before.edges, self._now.edges)) / self._now.plane.count

    @cached_property
    def shapes(self) -> float:
        """The same of large shapes."""
        return float(np.vdot(self._before.shapes, self._now.shapes)) / self._now.plane.count

    @cached_property
    def shift(self) -> Shift:
        """Where the reference's edges are now.

        The peak of a phase correlation: Kuglin & Hines, "The phase correlation image alignment
        method", 1975.
        """
        window = self._now.plane.window
        (right_px, down_px), _ = cv2.phaseCorrelate(
            self._before.edges * window, self._now.edges * window
        )
        before, now = self._before.broad_edges, self._now.broad_edges
        return Shift(
            right_px=float(right_px),
            down_px=float(down_px),
            shared=_shared_at(before, now, round(right_px), round(down_px), self.is_ring),
            shared_before=_shared_at(before, now, 0, 0, self.is_ring),
        )

    @cached_property
    def sharpness(self) -> float:
        """Fine detail beside coarse where the reference has its edges, as a share of its own.

        Most sectors have to be out of focus: those that a lorry hides are not.
        """
        strong = self._before.strong
        was, is_now = (_fineness(aspect, strong) for aspect in (self._before, self._now))
        # By night there may be nothing fine but noise: then nothing can be said.
        counted = was >= _LEAST_FINENESS
        return float(np.quantile(is_now[counted] / was[counted], _MOST)) if counted.any() else 1.0

    @cached_property
    def whitened(self) -> float:
        """Of the reference's edges, the share that is overexposed now and was not then."""
        strong = self._before.strong
        whiter = by_sector(self._now.white - self._before.white) >= _WHITER
        return int(np.count_nonzero(whiter & strong)) / max(1, int(np.count_nonzero(strong)))


class Comparison:
    """A sight beside the reference, in all planes."""

    def __init__(self, reference: View, view: View) -> None:
        self._reference = reference
        self._view = view
        pairs = zip(reference.aspects, view.aspects, strict=True)
        self.planes = tuple(Likeness(before, now) for before, now in pairs)

    @property
    def white_share(self) -> float:
        """Of the picture, how much is overexposed."""
        return self._view.sight.white_share

    @property
    def whiter(self) -> float:
        """How much more than in the reference."""
        return self.white_share - self._reference.sight.white_share

    @property
    def liveliness(self) -> float:
        """Fine detail in most of the picture, as a share of what there was in the reference.

        Where there was next to none (by night), what is there now has to be a picture by itself.
        """
        return self._view.fine_levels / max(self._reference.fine_levels, _LEAST_FINE_LEVELS)


def _shared_at(
    before: Float32Image, now: Float32Image, right: int, down: int, is_ring: bool
) -> float:
    """Correlation where both show the scene; 0 where that is too little of the picture."""
    height, width = before.shape
    if is_ring:
        now, right = np.roll(now, -right, axis=1), 0
    if abs(right) > _MOST_SHIFT * width or abs(down) > _MOST_SHIFT * height:
        return 0.0
    was = before[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    is_now = now[max(0, down) : height - max(0, -down), max(0, right) : width - max(0, -right)]
    spread = math.sqrt(float(np.vdot(was, was)) * float(np.vdot(is_now, is_now)))
    return float(np.vdot(was, is_now)) / (spread + 1e-6)


def _fineness(aspect: Aspect, where: npt.NDArray[np.bool_]) -> Float32Image:
    """Fine detail beside coarse in each sector, less what of it is noise."""
    count = np.maximum(where.sum(axis=1), 1)
    detail = aspect.detail
    fine, noise, coarse = (
        (by_sector(np.square(levels)) * where).sum(axis=1) / count
        for levels in (detail.fine, aspect.fine_noise, detail.coarse)
    )
    left = np.sqrt(np.maximum(fine - noise, 0.0))
    return np.asarray(left / (np.sqrt(coarse) + _COARSE_FLOOR), np.float32)
