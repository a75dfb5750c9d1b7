"""One object seen in two tiles is one detection.

Outlines are compared as polygons in the sensor's own picture, where both tiles meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

#: Shared area as a part of the union, or of the smaller outline, from which two
#: detections of a class are one object. A person cut by a tile's edge lies inside the
#: whole one, hence the second.
_SAME_UNION_SHARE = 0.45
_SAME_SMALLER_SHARE = 0.7
#: What a detection cut by the edge of its tile counts for beside a whole one.
_CUT_PENALTY = 0.3


class Outlined(msgspec.Struct, frozen=True):
    """A detection as far as doubles are concerned.

    Attributes:
        group: detections of different groups are never one object.
        confidence: in [0, 1].
        cut: it touches an edge of its tile, where it may go on.
        corners_px: its four corners in the sensor's picture, in order round the edge.
    """

    group: str
    confidence: float
    cut: bool
    corners_px: tuple[tuple[float, float], ...]


def distinct(found: Sequence[Outlined]) -> list[int]:
    """Indices of the detections that remain when each object is kept once, best first."""
    order = sorted(
        range(len(found)),
        key=lambda i: found[i].confidence - _CUT_PENALTY * found[i].cut,
        reverse=True,
    )
    polygons = [np.asarray(item.corners_px, np.float32) for item in found]
    areas = [abs(cv2.contourArea(polygon)) for polygon in polygons]
    kept: list[int] = []
    for i in order:
        if not any(
            found[i].group == found[j].group and _same(polygons[i], areas[i], polygons[j], areas[j])
            for j in kept
        ):
            kept.append(i)
    return kept


def _same(
    a: npt.NDArray[np.float32], area_a: float, b: npt.NDArray[np.float32], area_b: float
) -> bool:
    if np.any(a.max(axis=0) < b.min(axis=0)) or np.any(b.max(axis=0) < a.min(axis=0)):
        return False
    shared, _ = cv2.intersectConvexConvex(a, b)
    smaller, union = min(area_a, area_b), area_a + area_b - shared
    if smaller <= 0 or union <= 0:
        return False
    return shared / union > _SAME_UNION_SHARE or shared / smaller > _SAME_SMALLER_SHARE
