"""Privacy masks: what lies inside is neither analysed nor ever shown."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.config import SensorSection


def mask_of(section: SensorSection) -> npt.NDArray[np.bool_] | None:
    """The sensor's masks as one picture (height, width), true inside; None without masks."""
    if not section.masks:
        return None
    drawn = np.zeros((section.lens.height_px, section.lens.width_px), np.uint8)
    for mask in section.masks:
        points = np.asarray(mask.polygon_px, np.float64).round().astype(np.int32)
        cv2.fillPoly(drawn, [points], 255)
    masked: npt.NDArray[np.bool_] = drawn > 0
    return masked
