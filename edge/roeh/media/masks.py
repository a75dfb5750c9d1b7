"""Privacy masks: what lies inside is neither analysed nor ever shown.

Detection gets pictures in which masked pixels are black. It may still see half a person
beside a mask and guess the other half: such a find counts as lying in the mask when its
foot or its middle does.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.config import SensorSection
from roeh.core.types import Detection
from roeh.media.frames import UInt8Image

#: Farther outside a picture than any polygon needs to reach.
_FAR_PX = 1 << 20


def mask_of(section: SensorSection) -> npt.NDArray[np.bool_] | None:
    """The sensor's masks as one picture (height, width), true inside; None without masks.

    A pixel that the polygon's edge goes through is inside.
    """
    if not section.masks:
        return None
    drawn = np.zeros((section.lens.height_px, section.lens.width_px), np.uint8)
    for mask in section.masks:
        corners = np.clip(np.asarray(mask.polygon_px, np.float64), -_FAR_PX, _FAR_PX)
        cv2.fillPoly(drawn, [corners.round().astype(np.int32)], 255)
    masked: npt.NDArray[np.bool_] = drawn > 0
    return masked


def blackened(picture: UInt8Image, mask: npt.NDArray[np.bool_] | None) -> UInt8Image:
    """The picture (height, width, 3) with what is masked black; itself where nothing is."""
    if mask is None:
        return picture
    picture = picture.copy()
    picture[mask] = 0
    return picture


def outside(detections: Sequence[Detection], mask: npt.NDArray[np.bool_] | None) -> list[Detection]:
    """Those of which neither foot nor middle lies in the mask, (height, width)."""
    if mask is None:
        return list(detections)
    return [
        detection
        for detection in detections
        if not (
            _is_masked(mask, detection.foot_sensor_px)
            or _is_masked(mask, detection.box_sensor_px.center_px)
        )
    ]


def _is_masked(mask: npt.NDArray[np.bool_], point_px: tuple[float, float]) -> bool:
    height, width = mask.shape
    x, y = point_px
    # A foot may lie below the picture's edge: the nearest pixel speaks for it.
    column = min(max(round(x), 0), width - 1)
    row = min(max(round(y), 0), height - 1)
    return bool(mask[row, column])
