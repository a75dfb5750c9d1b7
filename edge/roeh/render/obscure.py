"""Masks and regions: what must not be seen is replaced before anything is made smaller.

A privacy mask becomes black. A region of a redacted copy becomes a smooth wash of the
colours round it: it looks blurred, and holds nothing of what was inside. Pixelation and
blurring of the inside itself can be undone in part (faces and letters are recognised in
them), so neither is used.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.rendering import Masks
from roeh.core.retrieval import Region
from roeh.core.types import Size
from roeh.media.frames import UInt8Image

_Line = npt.NDArray[np.float64]

#: Regions are rounded out to whole macroblocks of H.264: inside one, what the first
#: encoder left out of its inside may show at its edge.
BLOCK_PX = 16
#: How far a smaller picture's pixel may look beyond its place.
_REACH_PX = 2
#: Far outside any picture, and within what OpenCV's polygons take.
_FAR_PX = 1 << 16


def drawn_mask(masks: Masks | None, size: Size) -> npt.NDArray[np.bool_] | None:
    """The masks in a picture of this size, (height, width), true inside; None without any.

    They are drawn a little larger, since scaling mixes neighbours.
    """
    if masks is None or not masks.polygons_px:
        return None
    scale = np.array([size.width_px / masks.width_px, size.height_px / masks.height_px])
    drawn = np.zeros((size.height_px, size.width_px), np.uint8)
    for polygon_px in masks.polygons_px:
        corners = np.clip(np.asarray(polygon_px, np.float64) * scale, -_FAR_PX, _FAR_PX)
        whole = [corners.round().astype(np.int32)]
        cv2.fillPoly(drawn, whole, 255)
        cv2.polylines(drawn, whole, True, 255, 2 * _REACH_PX + 1)
    masked: npt.NDArray[np.bool_] = drawn > 0
    return masked


def rounded_out(regions: Sequence[Region], size: Size) -> tuple[Region, ...]:
    """The regions as whole macroblocks inside the picture; those outside it are dropped."""
    return tuple(
        rounded
        for region in regions
        if (rounded := _rounded_out(region, size)).x0_px < rounded.x1_px
        and rounded.y0_px < rounded.y1_px
    )


def _rounded_out(region: Region, size: Size) -> Region:
    x0, x1 = sorted((region.x0_px, region.x1_px))
    y0, y1 = sorted((region.y0_px, region.y1_px))
    return msgspec.structs.replace(
        region,
        x0_px=x0 // BLOCK_PX * BLOCK_PX,
        y0_px=y0 // BLOCK_PX * BLOCK_PX,
        x1_px=min(-(-x1 // BLOCK_PX) * BLOCK_PX, size.width_px),
        y1_px=min(-(-y1 // BLOCK_PX) * BLOCK_PX, size.height_px),
    )


def wash(planes: Sequence[UInt8Image], regions: Sequence[Region], levels: Sequence[int]) -> None:
    """Replace regions in place.

    Args:
        planes: Y, U, V as views, chroma at half the size.
        regions: as `rounded_out` gives them.
        levels: what stands for black in each plane.
    """
    for plane, level in zip(planes, levels, strict=True):
        step = planes[0].shape[0] // plane.shape[0]
        boxes = [
            (
                region.x0_px // step,
                region.y0_px // step,
                -(-region.x1_px // step),
                -(-region.y1_px // step),
            )
            for region in regions
        ]
        # First all of them are blank, so that none takes its colours from another's inside.
        for x0, y0, x1, y1 in boxes:
            plane[y0:y1, x0:x1] = level
        for box in boxes:
            _wash_box(plane, box)


def _wash_box(plane: UInt8Image, box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = box
    height, width = plane.shape
    lines = [
        plane[y0 - 1, x0:x1] if y0 > 0 else None,
        plane[y1, x0:x1] if y1 < height else None,
        plane[y0:y1, x0 - 1] if x0 > 0 else None,
        plane[y0:y1, x1] if x1 < width else None,
    ]
    top, bottom, left, right = (None if line is None else _smooth(line) for line in lines)
    down = (np.arange(y1 - y0) + 0.5)[:, None] / (y1 - y0)
    across = (np.arange(x1 - x0) + 0.5)[None, :] / (x1 - x0)
    layers: list[npt.NDArray[np.float64]] = []
    rows, columns = _both(top, bottom), _both(left, right)
    if rows is not None:
        layers.append((1 - down) * rows[0][None, :] + down * rows[1][None, :])
    if columns is not None:
        layers.append((1 - across) * columns[0][:, None] + across * columns[1][:, None])
    if layers:
        plane[y0:y1, x0:x1] = np.clip(sum(layers) / len(layers), 0, 255).astype(np.uint8)


def _both(one: _Line | None, other: _Line | None) -> tuple[_Line, _Line] | None:
    """Two opposite sides; at the picture's edge the one stands for the other."""
    if one is None:
        one = other
    if other is None:
        other = one
    return None if one is None or other is None else (one, other)


def _smooth(line: UInt8Image) -> _Line:
    """A line without its detail, which would be drawn out into stripes."""
    reach = max(1, line.size // 4) * 2 + 1
    smoothed = cv2.blur(
        np.asarray(line, np.float64)[None, :], (reach, 1), borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(smoothed, np.float64).reshape(-1)
