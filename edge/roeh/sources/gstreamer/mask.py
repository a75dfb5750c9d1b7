"""Privacy masks as the picture that GStreamer's child lays over what is recorded."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.types import Size


class OverlaidMask(msgspec.Struct, frozen=True):
    """The masks as a picture: black where nothing may be seen, only as large as they need.

    Attributes:
        png: the picture, opaque or wholly transparent in each pixel.
        x_px: where its left edge lies in what is recorded; even, as `y_px`.
        y_px: its upper edge.
    """

    png: bytes
    x_px: int
    y_px: int

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_], size: Size) -> OverlaidMask:
        """From the sensor's mask (height, width), true inside, to a record of that size."""
        height, width = mask.shape
        # A pixel, and a colour sample of four, is black when any part of it is masked.
        rows = np.arange(size.height_px // 2 + 1) * 2 * height / size.height_px
        columns = np.arange(size.width_px // 2 + 1) * 2 * width / size.width_px
        sums = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        top = np.clip(np.floor(rows[:-1]).astype(int), 0, height - 1)
        bottom = np.clip(np.ceil(rows[1:]).astype(int), 1, height)
        left = np.clip(np.floor(columns[:-1]).astype(int), 0, width - 1)
        right = np.clip(np.ceil(columns[1:]).astype(int), 1, width)
        inside = (
            sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)]
            - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
        ) > 0  # fmt: skip
        # Where nothing is masked within the picture, one clear cell: the element needs a picture.
        where = np.argwhere(inside) if inside.any() else np.zeros((1, 2), np.intp)
        first, last = where.min(0), where.max(0)
        part = inside[first[0] : last[0] + 1, first[1] : last[1] + 1]
        opaque = np.repeat(np.repeat(part, 2, 0), 2, 1).astype(np.uint8) * 255
        picture = np.dstack([np.zeros((*opaque.shape, 3), np.uint8), opaque])
        _, png = cv2.imencode(".png", picture)
        return cls(png.tobytes(), int(first[1]) * 2, int(first[0]) * 2)
