"""Finding the asymmetric grid of circles, bent by a fisheye too.

OpenCV's finder wants rows that are nearly straight. Where it fails, the circles alone are
found, their places are straightened as a fisheye of some angle would need, and the finder
is shown dots at those places: it has only to say which circle is which.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from roeh.media.frames import UInt8Image
from roeh.optics.polar import Array, join

#: Half of the angle that the shorter side might show; rows have to become straight enough.
_HALF_ANGLES_DEG = (50, 75, 100)
_WIDEST_DEG = 70.0
_CANVAS_PX, _MARGIN_PX = 900, 60
_DOT_OF_SPACING = 0.3
_FINDERS = (0, cv2.CALIB_CB_CLUSTERING)


def find_circles(gray: UInt8Image, size: tuple[int, int]) -> Array | None:
    """Centres of the circles (columns * rows, 2), row by row; None where not all are found.

    Args:
        gray: the picture, (height, width).
        size: columns and rows.
    """
    straight = _find(gray, size)
    if straight is not None:
        return straight
    spots = cv2.SimpleBlobDetector.create().detect(gray)
    if len(spots) < size[0] * size[1]:
        return None
    centers = np.array([spot.pt for spot in spots], np.float64)
    for half_deg in _HALF_ANGLES_DEG:
        found = _find_straightened(centers, gray.shape, half_deg, size)
        if found is not None:
            return found
    return None


def _find(gray: UInt8Image, size: tuple[int, int]) -> Array | None:
    for further in _FINDERS:
        flags = cv2.CALIB_CB_ASYMMETRIC_GRID | further
        is_there, centers = cv2.findCirclesGrid(gray, size, flags=flags)
        if is_there:
            return np.asarray(centers, np.float64).reshape(-1, 2)
    return None


def _find_straightened(
    centers_px: Array, shape: tuple[int, ...], half_deg: float, size: tuple[int, int]
) -> Array | None:
    """The grid among circles, if such a lens bent it."""
    middle = np.array([shape[1] - 1, shape[0] - 1]) / 2
    offset = (centers_px - middle) * (math.radians(half_deg) / (min(shape[:2]) / 2))
    ways = join(offset, np.hypot(offset[:, 0], offset[:, 1]))
    ahead = np.median(ways, axis=0)
    ahead /= np.linalg.norm(ahead)
    near = ways @ ahead > math.cos(math.radians(_WIDEST_DEG))
    if near.sum() < size[0] * size[1]:
        return None
    right = np.cross([0.0, 1.0, 0.0] if abs(ahead[1]) < 0.9 else [1.0, 0.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    seen = ways[near] @ np.column_stack([right, np.cross(ahead, right), ahead])
    flat = seen[:, :2] / seen[:, 2:]
    scale = (_CANVAS_PX - 2 * _MARGIN_PX) / max(float(np.ptp(flat, axis=0).max()), 1e-9)
    places = (flat - flat.min(axis=0)) * scale + _MARGIN_PX
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    radius = max(3, round(_DOT_OF_SPACING * float(np.median(apart.min(axis=1)))))
    canvas = np.full((_CANVAS_PX, _CANVAS_PX), 255, np.uint8)
    for x, y in places.round().astype(int).tolist():
        cv2.circle(canvas, (x, y), radius, 0, -1, cv2.LINE_AA)
    found = _find(canvas, size)
    if found is None:
        return None
    nearest = np.linalg.norm(found[:, None] - places[None], axis=-1).argmin(axis=1)
    if len(set(nearest.tolist())) < len(found):
        return None
    ordered: Array = centers_px[near][nearest]
    return ordered
