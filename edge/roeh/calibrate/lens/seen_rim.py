"""How far from its axis a lens shows anything: to the dark round its picture, or to the edge."""

from __future__ import annotations

import math

import cv2
import numpy as np

from roeh.calibrate.lens.lens_fit import LensFit
from roeh.media.frames import UInt8Image
from roeh.optics.polar import Array

_RAYS = 360
#: Darker than this share of what is typically seen is the dark round the picture.
_DARK_OF_TYPICAL = 0.15
_LEAST_DARK = 12
#: From so many rays on that end in the dark, the lens draws a circle.
_CIRCLE_OF_RAYS = 0.125
#: And they end this nearly at one distance; a dark wall does not.
_ROUND_WITHIN = 0.06
#: The model is not asked about more than this.
_MAX_FOV_DEG = 220.0


def seen_fov_deg(fit: LensFit, brightest: UInt8Image) -> float:
    """Full angle that the lens shows, as far as its model goes; rounded down to 0.1.

    Args:
        fit: the lens.
        brightest: the lightest each pixel was in any view, (height, width).
    """
    if fit.model == "pinhole":
        return _floored(2 * math.degrees(math.atan(fit.width_px / 2 / fit.focal_px[0])))
    ends = _ends_px(fit, brightest)
    widest = fit.lens(max(1.0, min(fit.limit_deg, _MAX_FOV_DEG)))
    sights = widest.unproject(ends)
    angles = np.degrees(np.arccos(np.clip(sights[:, 2], -1.0, 1.0)))
    # NaN: past what the model has one direction for.
    seen_deg = float(np.max(np.where(np.isnan(angles), fit.limit_deg / 2, angles)))
    # Where a corner was found the lens shows something, however dark it is there.
    half_deg = max(seen_deg, fit.known_deg)
    return _floored(min(2 * half_deg + 0.1, fit.limit_deg, _MAX_FOV_DEG))


def _ends_px(fit: LensFit, brightest: UInt8Image) -> Array:
    """Where the circle's rim is met, from the axis outwards; else the picture's corners."""
    smooth = cv2.GaussianBlur(brightest, (0, 0), 2.0).astype(np.float64)
    dark = max(_LEAST_DARK, _DARK_OF_TYPICAL * float(np.percentile(smooth, 75)))
    turn = np.linspace(0, 2 * math.pi, _RAYS, endpoint=False)
    ways = np.column_stack([np.cos(turn), np.sin(turn)])
    radius = np.arange(0.0, math.hypot(fit.width_px, fit.height_px))
    center = np.asarray(fit.center_px)
    ends = []
    for way in ways:
        ray = (center + radius[:, None] * way).round().astype(int)
        inside = np.all((ray >= 0) & (ray < [fit.width_px, fit.height_px]), axis=1)
        along = smooth[ray[inside, 1], ray[inside, 0]]
        lit = np.flatnonzero(along >= dark)
        if lit.size and lit[-1] < len(along) - 3:
            ends.append(center + radius[lit[-1]] * way)
    if len(ends) >= _CIRCLE_OF_RAYS * _RAYS:
        low, middle, high = np.percentile(
            np.linalg.norm(np.asarray(ends) - center, axis=1), (10, 50, 90)
        )
        if high - low <= _ROUND_WITHIN * middle:
            return center + float(middle) * ways[:: _RAYS // 8]
    right, bottom = fit.width_px - 0.5, fit.height_px - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [-0.5, bottom], [right, bottom]])


def _floored(angle_deg: float) -> float:
    return math.floor(angle_deg * 10) / 10
