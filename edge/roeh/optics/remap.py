"""Cached fixed-point maps: the one place where pixels are moved.

A map in CV_16SC2 with a table of 1/32 pixel interpolation weights is what OpenCV's
remap is fastest with; it is computed once a tile and used for every picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.optics.polar import Array

Picture = NDArray[np.uint8]
"""Pixels (height, width, 3), blue green red, or (height, width) for one channel."""
Mask = NDArray[np.bool_]
"""Pixels (height, width), true where masked."""

# Far enough outside any picture that no interpolation reaches back into it.
_NOWHERE_PX = -100.0


@dataclass(frozen=True, slots=True, eq=False)
class FixedPointMap:
    """Where each pixel of an output picture comes from in the source."""

    whole_px: NDArray[np.int16]
    fraction: NDArray[np.uint16]

    @classmethod
    def of(cls, source_px: Array, width_px: int, height_px: int) -> FixedPointMap:
        """The map from source pixels (height * width, 2), row by row; NaN stays black."""
        grid = np.where(np.isnan(source_px), _NOWHERE_PX, source_px).astype(np.float32)
        x, y = (np.ascontiguousarray(column.reshape(height_px, width_px)) for column in grid.T)
        whole, fraction = cv2.convertMaps(x, y, cv2.CV_16SC2)
        return cls(np.asarray(whole, np.int16), np.asarray(fraction, np.uint16))

    def render(self, source: Picture, out: Picture | None = None) -> Picture:
        """The output picture, bilinear; black where the source shows nothing.

        `out`, if given, is written and returned; its shape must fit.
        """
        rendered = cv2.remap(
            source,
            self.whole_px,
            self.fraction,
            cv2.INTER_LINEAR,
            dst=out,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(0, 0, 0),
        )
        return np.asarray(rendered, np.uint8)

    def render_mask(self, mask: Mask) -> Mask:
        """The mask in the output picture.

        A pixel into which `render` blends any masked pixel is masked: rounding to the
        nearest would let a thread of the masked area through.
        """
        blended = self.render(mask.astype(np.uint8) * np.uint8(255))
        masked: Mask = blended > 0
        return masked


def pixel_grid(width_px: int, height_px: int) -> Array:
    """All pixel centres (height * width, 2), row by row."""
    x, y = np.meshgrid(np.arange(width_px, dtype=np.float64), np.arange(height_px))
    return np.column_stack([x.ravel(), y.ravel()])
