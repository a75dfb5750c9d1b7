"""What was found in tiles, as it lies in the sensor's picture: arrays, one row a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from roeh.optics.tiles import Tile, half_steps, span_of
from roeh.optics.upright import ends_of
from roeh.vision.nanodet import TileDetection

Array = npt.NDArray[np.float64]

#: A box that ends this near to its tile's edge may go on beyond it.
_EDGE_PX = 4.0
#: How well the detector knows where a box ends, in tile pixels.
_BOX_SIGMA_TILE_PX = 2.0
#: A body leaves the corners of its box empty: so much of each side is cut off them
#: before the upright box in a turned picture is taken (edge/design/detection-quality.md).
_EMPTY_CORNER = 0.3
#: The coordinates of an outline's points, as `_outline` numbers them: one pick is cheaper than
#: many stacks.
_OUTLINE = np.concatenate(
    [
        [0, 1, 2, 1, 2, 3, 0, 3],
        [10, 9, 8, 11, 12, 9, 8, 13],
        [4, 1, 6, 1, 2, 5, 2, 7, 6, 3, 4, 3, 0, 7, 0, 5],
    ]
)


@dataclass(frozen=True, slots=True)
class Found:
    """Boxes of one or more tiles, in the sensor's picture.

    Attributes:
        labels: n class names.
        confidences: (n,).
        tiles: n, index of the tile it was seen in.
        looks: n, number of the look at a tile it was seen in.
        cut: n, whether it may go on beyond its tile: it ends at an edge of the tile that
            is no edge of the sensor's picture.
        corners_px: (n, 4, 2), clockwise from the upper left in the tile.
        boxes_px: (n, 4), upright round the body.
        foot_px: (n, 2).
        head_px: (n, 2).
        foot_sigma_px: (n,), how well the detector knows the foot.
    """

    labels: list[str]
    confidences: Array
    tiles: list[int]
    looks: list[int]
    cut: list[bool]
    corners_px: Array
    boxes_px: Array
    foot_px: Array
    head_px: Array
    foot_sigma_px: Array


def found_in(tile: Tile, index: int, look: int, detections: Sequence[TileDetection]) -> Found:
    """What a look at a tile showed.

    All points go to the sensor's picture in one call: calls cost, points hardly do.

    Args:
        tile: which was looked at.
        index: its place in the layout.
        look: number of the look.
        detections: n >= 1, in pixels of the tile.
    """
    raw = np.asarray(
        [
            (box.x0_px, box.y0_px, box.x1_px, box.y1_px)
            for box in (detection.box_input_px for detection in detections)
        ],
        np.float64,
    )
    last = np.asarray([tile.width_px, tile.height_px, tile.width_px, tile.height_px]) - 1.0
    boxes = np.clip(raw, 0.0, last)
    ends = ends_of(tile, boxes)
    count = len(detections)
    outline = _outline(boxes)
    beside, steps = outline[:, 4:8].reshape(-1, 2), half_steps(ends.foot_px)
    pixels = tile.to_source_px(
        np.concatenate([ends.foot_px, ends.head_px, steps, outline.reshape(-1, 2)])
    )
    outline_px = pixels[6 * count :].reshape(count, -1, 2)
    beside_px, rim_px = outline_px[:, 4:8].reshape(-1, 2), outline_px[:, 8:]
    goes_on = ~tile.contains(beside) & tile.sensor.lens.inside(beside_px)
    return Found(
        labels=[detection.label for detection in detections],
        confidences=np.asarray([detection.confidence for detection in detections]),
        tiles=[index] * count,
        looks=[look] * count,
        cut=[bool(sides.any()) for sides in goes_on.reshape(count, 4)],
        corners_px=outline_px[:, :4],
        boxes_px=np.concatenate([rim_px.min(axis=1), rim_px.max(axis=1)], axis=1),
        foot_px=pixels[:count],
        head_px=pixels[count : 2 * count],
        foot_sigma_px=_BOX_SIGMA_TILE_PX
        * np.nan_to_num(span_of(pixels[2 * count : 6 * count]), nan=1.0),
    )


def joined(parts: Sequence[Found]) -> Found:
    """What several looks showed, as one."""
    if len(parts) == 1:
        return parts[0]
    return Found(
        labels=[label for part in parts for label in part.labels],
        confidences=np.concatenate([part.confidences for part in parts]),
        tiles=[tile for part in parts for tile in part.tiles],
        looks=[look for part in parts for look in part.looks],
        cut=[cut for part in parts for cut in part.cut],
        corners_px=np.concatenate([part.corners_px for part in parts]),
        boxes_px=np.concatenate([part.boxes_px for part in parts]),
        foot_px=np.concatenate([part.foot_px for part in parts]),
        head_px=np.concatenate([part.head_px for part in parts]),
        foot_sigma_px=np.concatenate([part.foot_sigma_px for part in parts]),
    )


def _outline(boxes: Array) -> Array:
    """Points (n, 16, 2) of boxes (n, 4).

    Four corners, clockwise from the upper left; four a little outside the middles of the
    sides; eight round the box with its corners cut off.
    """
    x0, y0, x1, y1 = boxes.T
    dx, dy = _EMPTY_CORNER * (x1 - x0), _EMPTY_CORNER * (y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    beside = x0 - _EDGE_PX, y0 - _EDGE_PX, x1 + _EDGE_PX, y1 + _EDGE_PX
    values = np.asarray([x0, y0, x1, y1, x0 + dx, y0 + dy, x1 - dx, y1 - dy, x, y, *beside])
    points: Array = values[_OUTLINE].T.reshape(len(boxes), 16, 2)
    return points
