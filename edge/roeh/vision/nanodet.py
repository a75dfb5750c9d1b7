"""NanoDet's outputs to boxes: thresholds, distribution-focal decoding, suppression. Pure.

The network divides its input into squares of 8, 16 and 32 px. For every square it
gives a score per class, and for each side of the box the logits of how many strides
away from the square's anchor point that side lies; the distance is the expectation
(Li et al. 2020, Generalized Focal Loss; NanoDet's `integral`). This runs on every
tile, so the order is cheapest first: scores of the used classes against their
thresholds, then decoding of the few survivors, then suppression of doubles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Box, Size
from roeh.vision.runner import RawOutput

STRIDES_PX = (8, 16, 32)

#: Boxes of one class that overlap more than this are one object.
DEFAULT_MAX_IOU = 0.6

#: Only this many, the most confident, are decoded and compared with each other: at
#: thresholds worth acting on there are under a hundred, at 0.01 there are thousands.
MAX_CANDIDATES = 1000


class ClassThreshold(msgspec.Struct, frozen=True):
    """A class to look for, and the confidence from which it counts."""

    label: str
    min_confidence: float


class TileDetection(msgspec.Struct, frozen=True):
    """One object in one picture that the model was given.

    `box_input_px` is in pixels of the model's input and may reach over its border.
    """

    label: str
    confidence: float
    box_input_px: Box


def same_threshold(labels: Iterable[str], min_confidence: float) -> tuple[ClassThreshold, ...]:
    """One threshold for several classes."""
    return tuple(ClassThreshold(label=label, min_confidence=min_confidence) for label in labels)


class NanodetDecoder:
    """Decodes one model's outputs. Belongs to one thread at a time.

    Args:
        input_size: of the model.
        labels: class names in the order of the score columns.
        classes: what to look for; every other class costs nothing.
        max_iou: of two boxes of one class, above which the less confident is dropped.
        max_detections: at most this many, the most confident.
    """

    def __init__(
        self,
        *,
        input_size: Size,
        labels: Sequence[str],
        classes: Sequence[ClassThreshold],
        max_iou: float = DEFAULT_MAX_IOU,
        max_detections: int = 100,
    ) -> None:
        self._labels = tuple(wanted.label for wanted in classes)
        self._columns = tuple(labels.index(label) for label in self._labels)
        self._thresholds = np.array([[wanted.min_confidence] for wanted in classes], np.float32)
        self._max_iou = max_iou
        self._max_detections = max_detections
        self._anchors_px, self._strides_px = _anchor_points(input_size)
        # Scratch, class by class: a fresh array of this size would be mapped anew each time.
        self._scores = np.empty((len(self._columns), len(self._strides_px)), np.float32)

    def decode(self, raw: RawOutput) -> list[TileDetection]:
        """Objects by falling confidence."""
        for row, column in enumerate(self._columns):
            self._scores[row] = raw.scores[:, column]
        found = np.flatnonzero(self._scores >= self._thresholds)
        if not len(found):
            return []
        confidences = self._scores.ravel()[found]
        if len(found) > MAX_CANDIDATES:
            best = np.argsort(-confidences, kind="stable")[:MAX_CANDIDATES]
            found, confidences = found[best], confidences[best]
        classes, points = np.divmod(found, self._scores.shape[1])
        boxes = decode_boxes(
            raw.distribution[points], self._anchors_px[points], self._strides_px[points]
        )
        kept = suppress(boxes, confidences, classes, self._max_iou, self._max_detections)
        return [
            TileDetection(
                label=self._labels[classes[one]],
                confidence=float(confidences[one]),
                box_input_px=Box(*boxes[one].tolist()),
            )
            for one in kept
        ]


def decode_boxes(
    distribution: NDArray[np.float32],
    anchors_px: NDArray[np.float32],
    strides_px: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Boxes (n, 4) xyxy in input pixels from logits (n, 4 * bins).

    Args:
        distribution: logits of the distances left, top, right, bottom.
        anchors_px: (n, 2) x, y of the anchor points.
        strides_px: (n,) what one bin is worth.
    """
    logits = distribution.reshape(len(distribution) * 4, -1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    bins = np.arange(logits.shape[1], dtype=np.float32)
    # Sum and expectation of the softmax in one product.
    total, moment = (weights @ np.stack([np.ones_like(bins), bins], axis=1)).T
    distances_px = (moment / total).reshape(-1, 4) * strides_px[:, None]
    boxes = np.empty((len(distribution), 4), np.float32)
    np.subtract(anchors_px, distances_px[:, :2], out=boxes[:, :2])
    np.add(anchors_px, distances_px[:, 2:], out=boxes[:, 2:])
    return boxes


def suppress(
    boxes: NDArray[np.float32],
    confidences: NDArray[np.float32],
    classes: NDArray[np.intp],
    max_iou: float,
    max_kept: int,
) -> list[int]:
    """Greedy non-maximum suppression within each class.

    Scores are quantised, so equal ones are common: of those the box given first wins,
    which makes the result the same everywhere. Memory grows with the square of n.

    Args:
        boxes: (n, 4) xyxy.
        confidences: (n,).
        classes: (n,); boxes of different classes never suppress each other.
        max_iou: overlap above which the less confident box is dropped.
        max_kept: stop after this many.

    Returns:
        Indices of the boxes kept, by falling confidence.
    """
    order = np.argsort(-confidences, kind="stable")
    overlaps = _overlaps(boxes[order], max_iou)
    ordered = classes[order]
    overlaps &= ordered[:, None] == ordered
    alive = np.ones(len(order), np.bool_)
    kept: list[int] = []
    for rank, index in enumerate(order.tolist()):
        if alive[rank]:
            kept.append(index)
            if len(kept) == max_kept:
                break
            alive &= ~overlaps[rank]
    return kept


def _overlaps(boxes: NDArray[np.float32], max_iou: float) -> NDArray[np.bool_]:
    """(n, n): whether the intersection over union of each two boxes is above `max_iou`."""
    x0, y0, x1, y1 = boxes.T
    shared = np.minimum(x1[:, None], x1)
    shared -= np.maximum(x0[:, None], x0)
    np.maximum(shared, 0, out=shared)
    height = np.minimum(y1[:, None], y1)
    height -= np.maximum(y0[:, None], y0)
    np.maximum(height, 0, out=height)
    shared *= height
    areas = (x1 - x0) * (y1 - y0)
    joined = areas[:, None] + areas
    joined -= shared
    joined *= max_iou
    overlaps: NDArray[np.bool_] = shared > joined
    return overlaps


def _anchor_points(input_size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Anchor points (n, 2) and strides (n,) in px, in the order of the network's rows."""
    points, strides = [], []
    for stride_px in STRIDES_PX:
        rows, columns = np.mgrid[
            : input_size.height_px // stride_px, : input_size.width_px // stride_px
        ]
        # The centre of the square, counting from the centre of the first pixel.
        centres = (np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) * stride_px - 0.5
        points.append(centres.astype(np.float32))
        strides.append(np.full(len(centres), stride_px, np.float32))
    return np.concatenate(points), np.concatenate(strides)
