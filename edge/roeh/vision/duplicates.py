"""One person seen in two overlapping tiles is one detection.

Two detections are the same thing if they lie within a fixed distance on the ground or,
far away where range is vague, if their boxes cover each other and their positions agree
within their random errors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def same_thing(
    position_m: Array,
    jitter_m2: Array,
    boxes_px: Array,
    alike: NDArray[np.bool_],
    *,
    within_m: float,
    agreement: float,
    never_beyond_m: float,
    min_cover: float,
) -> NDArray[np.bool_]:
    """Which pairs of detections of one sensor's picture show one and the same object.

    Args:
        position_m: (n, 2).
        jitter_m2: (n, 2, 2) random part of their covariances.
        boxes_px: (n, 4) corners in the sensor's picture.
        alike: (n, n) whether their labels can mean the same object.
        within_m: closer than this is always the same.
        agreement: squared Mahalanobis distance up to which positions agree.
        never_beyond_m: farther apart is never the same.
        min_cover: least share of the smaller box that the larger must cover.

    Returns:
        (n, n), symmetric.
    """
    gap = position_m[:, None] - position_m[None]
    squared_m2 = gap[..., 0] ** 2 + gap[..., 1] ** 2
    spread = jitter_m2[:, None] + jitter_m2[None]
    a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
    mahalanobis = (
        c * gap[..., 0] ** 2 - 2 * b * gap[..., 0] * gap[..., 1] + a * gap[..., 1] ** 2
    ) / (a * c - b * b)
    agree = (mahalanobis <= agreement) & (squared_m2 <= never_beyond_m**2)
    agree &= _cover(boxes_px) >= min_cover
    same: NDArray[np.bool_] = alike & ((squared_m2 <= within_m**2) | agree)
    return same


def keep_best(same: NDArray[np.bool_]) -> list[int]:
    """Rows that stay when each drops all later rows that are the same as it."""
    kept: list[int] = []
    dropped = np.zeros(len(same), np.bool_)
    for row in range(len(same)):
        if not dropped[row]:
            kept.append(row)
            dropped |= same[row]
    return kept


def _cover(boxes_px: Array) -> Array:
    """Share of the smaller box that the other covers, every pair (n, n)."""
    low = np.maximum(boxes_px[:, None, :2], boxes_px[None, :, :2])
    high = np.minimum(boxes_px[:, None, 2:], boxes_px[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=2)
    area = np.prod(boxes_px[:, 2:] - boxes_px[:, :2], axis=1)
    smaller = np.maximum(np.minimum(area[:, None], area[None]), 1e-9)
    cover: Array = shared / smaller
    return cover
