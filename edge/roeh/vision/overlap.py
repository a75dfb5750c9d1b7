"""One object seen in two tiles is one detection.

Outlines are compared as polygons in the sensor's own picture, where all tiles meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

Outline = npt.NDArray[np.float32]

#: What a detection cut by the edge of its tile counts for beside a whole one.
_CUT_SHARE = 0.7


class Sameness(msgspec.Struct, frozen=True):
    """From which overlap on two detections of a class are one object.

    Attributes:
        union_share: shared area as a part of the union.
        smaller_share: the same as a part of the smaller outline: somebody cut by a
            tile's edge lies inside the whole of him.
        within_tile: whether that holds for one label inside one tile too, where the
            decoder has already suppressed doubles.
    """

    union_share: float
    smaller_share: float
    within_tile: bool


#: Seen from above people stand beside each other, and what overlaps is one of them twice.
FROM_ABOVE = Sameness(union_share=0.35, smaller_share=0.8, within_tile=True)
#: Seen from the side they stand before each other: inside one tile the decoder decides.
FROM_THE_SIDE = Sameness(union_share=0.5, smaller_share=0.75, within_tile=False)


class Outlined(msgspec.Struct, frozen=True):
    """A detection as far as doubles are concerned.

    Attributes:
        label: class name.
        group: detections of different groups are never one object.
        confidence: in [0, 1].
        cut: it touches an edge of its tile, where it may go on.
        tile: index of the tile it was seen in.
        corners_px: its four corners in the sensor's picture, in order round the edge.
    """

    label: str
    group: str
    confidence: float
    cut: bool
    tile: int
    corners_px: Outline

    @property
    def weight(self) -> float:
        """Confidence, less where it may be only a part of the object."""
        return self.confidence * (_CUT_SHARE if self.cut else 1.0)


class Sighting(msgspec.Struct, frozen=True):
    """One object and the detections that show it.

    Attributes:
        best: index of the detection that shows it best.
        others: indices of the other detections of it.
        agreeing: those of the others whose outline is much the same as the best one's.
    """

    best: int
    others: tuple[int, ...]
    agreeing: tuple[int, ...]


#: Shared part of the union from which two outlines are much the same.
_AGREEING_UNION_SHARE = 0.5


def sightings(found: Sequence[Outlined], sameness: Sameness) -> list[Sighting]:
    """The objects behind the detections, by falling weight of the best one of each."""
    if len(found) < 2:
        return [Sighting(best=i, others=(), agreeing=()) for i in range(len(found))]
    union_share, smaller_share = _shared_areas(found)
    same = (union_share > sameness.union_share) | (smaller_share > sameness.smaller_share)
    if not sameness.within_tile:
        tiles = np.asarray([one.tile for one in found])
        labels = np.asarray([one.label for one in found])
        same &= (tiles[:, None] != tiles) | (labels[:, None] != labels)
    members: dict[int, list[int]] = {}
    for i in sorted(range(len(found)), key=lambda i: found[i].weight, reverse=True):
        shown = [best for best in members if same[i, best]]
        if shown:
            members[max(shown, key=lambda best: float(union_share[i, best]))].append(i)
        else:
            members[i] = []
    return [
        Sighting(
            best=best,
            others=tuple(others),
            agreeing=tuple(i for i in others if union_share[i, best] > _AGREEING_UNION_SHARE),
        )
        for best, others in members.items()
    ]


def _shared_areas(
    found: Sequence[Outlined],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Shared area of each two detections of one group, (n, n) twice.

    As a part of their union, and of the smaller of them; 0 for those of other groups.
    """
    corners = np.asarray([item.corners_px for item in found])
    low, high = corners.min(axis=1), corners.max(axis=1)
    near = np.all((low[:, None] <= high) & (high[:, None] >= low), axis=2)
    areas = [abs(cv2.contourArea(outline)) for outline in corners]
    union_share = np.zeros((len(found), len(found)))
    smaller_share = np.zeros_like(union_share)
    for i, j in np.argwhere(np.triu(near, 1)).tolist():
        smaller = min(areas[i], areas[j])
        if found[i].group != found[j].group or smaller <= 0:
            continue
        shared, _ = cv2.intersectConvexConvex(corners[i], corners[j])
        union_share[i, j] = union_share[j, i] = shared / (areas[i] + areas[j] - shared)
        smaller_share[i, j] = smaller_share[j, i] = shared / smaller
    return union_share, smaller_share
