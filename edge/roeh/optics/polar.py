"""Directions as angle off axis and way across, and the bending of a fisheye's radius.

The arithmetic that the lens models share; all arrays are rows in float64.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""Rows of coordinates: pixels (n, 2), directions (n, 3), or one figure a row (n,)."""

_EDGE_TOLERANCE_PX = 1e-6


def rows_of(values: Array, columns: int) -> Array:
    """The input as (n, columns) float64, or a plain refusal of any other shape."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"expected shape (n, {columns}), got {rows.shape}")
    return rows


def split(directions: Array) -> tuple[Array, Array]:
    """Directions (n, 3) as angle off axis (n,) and unit vector across it (n, 2)."""
    rows = rows_of(directions, 3)
    across = np.hypot(rows[:, 0], rows[:, 1])
    theta = np.arctan2(across, rows[:, 2])
    # On the axis the way across is undefined and does not matter: theta is 0 there.
    return theta, rows[:, :2] / np.where(across > 0, across, 1.0)[:, None]


def join(offset: Array, theta: Array) -> Array:
    """Unit directions (n, 3) from the way across (n, 2) and the angle off axis (n,)."""
    across = np.hypot(offset[:, 0], offset[:, 1])
    theta = np.where(theta <= math.pi, theta, np.nan)
    unit_xy = offset / np.where(across > 0, across, 1.0)[:, None]
    return np.column_stack([unit_xy * np.sin(theta)[:, None], np.cos(theta)])


def only(pixels: Array, visible: NDArray[np.bool_]) -> Array:
    """Rows kept where visible, NaN elsewhere."""
    kept: Array = np.where(visible[:, None], pixels, np.nan)
    return kept


def in_frame(pixels: Array, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Whether each pixel (n, 2) lies in a picture of that size."""
    low, x, y = -0.5 - _EDGE_TOLERANCE_PX, pixels[:, 0], pixels[:, 1]
    inside: NDArray[np.bool_] = (
        (x >= low) & (y >= low) & (x <= width_px - 1 - low) & (y <= height_px - 1 - low)
    )
    return inside


def distorted(theta: Array, k: tuple[float, ...]) -> Array:
    """theta_d of Kannala-Brandt, from theta (n,) in radians."""
    square = theta * theta
    factor = 1 + square * (k[0] + square * (k[1] + square * (k[2] + square * k[3])))
    bent: Array = theta * factor
    return bent


def distortion_slope(theta: Array, k: tuple[float, ...]) -> Array:
    """D theta_d / d theta."""
    square = theta * theta
    slope: Array = 1 + square * (
        3 * k[0] + square * (5 * k[1] + square * (7 * k[2] + square * 9 * k[3]))
    )
    return slope


def monotonic_limit_rad(k: tuple[float, ...]) -> float:
    """Angle up to which theta_d grows with theta, at most 180 degrees."""
    theta = np.linspace(0.0, math.pi, 4096)
    # A slope of nearly nothing is a fold for all practical purposes.
    falling = np.flatnonzero(distortion_slope(theta, k) < 1e-3)
    return float(theta[max(int(falling[0]) - 1, 0)]) if falling.size else math.pi
