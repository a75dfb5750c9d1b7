"""OpenCV's own calibration of the same corners: a second opinion beside ours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from roeh.calibrate.lens.lens_fit import LensFit
from roeh.optics.polar import Array

#: Past this angle off the axis OpenCV's perspective model has nothing to say.
_WIDEST_PERSPECTIVE_DEG = 55.0


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one of OpenCV's calibrations makes of the views.

    Attributes:
        name: of the function.
        rms_px: root of the mean squared distance; None where it gives up.
        focal_px: (fx, fy), likewise.
    """

    name: str
    rms_px: float | None
    focal_px: tuple[float, float] | None


def opencv_opinions(fit: LensFit, points_m: Array) -> tuple[Opinion, ...]:
    """Of cv2.fisheye.calibrate and, for a lens that is not too wide, cv2.calibrateCamera.

    Args:
        fit: ours; OpenCV is given the corners it rests on, and nothing else.
        points_m: the board's points (n, 3).
    """
    boards = [points_m[view.is_used].reshape(-1, 1, 3) for view in fit.views]
    found = [view.corners_px[view.is_used].reshape(-1, 1, 2) for view in fit.views]
    size = (fit.width_px, fit.height_px)
    opinions = [_fisheye(boards, found, size)]
    if fit.known_deg < _WIDEST_PERSPECTIVE_DEG:
        opinions.insert(0, _perspective(boards, found, size))
    return tuple(opinions)


def _perspective(boards: list[Array], found: list[Array], size: tuple[int, int]) -> Opinion:
    name = "cv2.calibrateCamera"
    narrow = [np.asarray(board, np.float32) for board in boards]
    corners = [np.asarray(points, np.float32) for points in found]
    try:
        rms_px, matrix, *_ = cv2.calibrateCamera(narrow, corners, size, np.eye(3), np.zeros(5))
    except cv2.error:
        return Opinion(name, None, None)
    return Opinion(name, float(rms_px), (float(matrix[0, 0]), float(matrix[1, 1])))


def _fisheye(boards: list[Array], found: list[Array], size: tuple[int, int]) -> Opinion:
    name = "cv2.fisheye.calibrate"
    flags = cv2.fisheye.CALIB_RECOMPUTE_EXTRINSIC | cv2.fisheye.CALIB_FIX_SKEW
    try:
        rms_px, matrix, *_ = cv2.fisheye.calibrate(
            boards, found, size, np.eye(3), np.zeros(4), flags=flags
        )
    except cv2.error:
        return Opinion(name, None, None)
    return Opinion(name, float(rms_px), (float(matrix[0, 0]), float(matrix[1, 1])))
