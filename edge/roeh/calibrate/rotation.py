"""The adapter to OpenCV's rotation vectors."""

from __future__ import annotations

import cv2
import numpy as np

from roeh.optics.polar import Array


def turn(vector_rad: Array) -> Array:
    """The rotation (3, 3) by a rotation vector (3,): its length about its direction.

    Source: Rodrigues' formula.
    """
    return np.asarray(cv2.Rodrigues(np.asarray(vector_rad, np.float64))[0], np.float64)
