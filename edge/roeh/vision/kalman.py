"""A constant-velocity Kalman filter over many tracks at once, on the ground plane.

State rows are (east_m, north_m, velocity_east_mps, velocity_north_mps). The process
noise is white acceleration of spectral density q, so that one step of 1 s and thirty
of 1/30 s let a track wander equally far. Source of the matrices: Bar-Shalom, Li,
Kirubarajan, "Estimation with Applications to Tracking and Navigation", section 6.2.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def predict(state: Array, covariance: Array, density_m2ps3: Array, dt_s: float) -> None:
    """Move the tracks forward in time, in place.

    Args:
        state: (n, 4).
        covariance: (n, 4, 4).
        density_m2ps3: (n,) spectral density of the acceleration.
        dt_s: not negative.
    """
    step = np.eye(4)
    step[0, 2] = step[1, 3] = dt_s
    noise = np.zeros((4, 4))
    noise[0, 0] = noise[1, 1] = dt_s**3 / 3
    noise[0, 2] = noise[2, 0] = noise[1, 3] = noise[3, 1] = dt_s**2 / 2
    noise[2, 2] = noise[3, 3] = dt_s
    state[:, :2] += dt_s * state[:, 2:]
    covariance[:] = step @ covariance @ step.T + density_m2ps3[:, None, None] * noise


def distances(
    state: Array, covariance: Array, measured: Array, measured_covariance: Array
) -> tuple[Array, Array]:
    """Squared Mahalanobis distance and log det of the innovation, every track to every fix.

    Args:
        state: (n, 4).
        covariance: (n, 4, 4).
        measured: (m, 2) positions in metres.
        measured_covariance: (m, 2, 2).

    Returns:
        Two arrays (n, m).
    """
    gap = measured[None] - state[:, None, :2]
    a = covariance[:, None, 0, 0] + measured_covariance[None, :, 0, 0]
    b = covariance[:, None, 0, 1] + measured_covariance[None, :, 0, 1]
    c = covariance[:, None, 1, 1] + measured_covariance[None, :, 1, 1]
    determinant = a * c - b * b
    east, north = gap[..., 0], gap[..., 1]
    squared = (c * east * east - 2 * b * east * north + a * north * north) / determinant
    return squared, np.log(determinant)


def correct(
    state: Array,
    covariance: Array,
    rows: NDArray[np.intp],
    measured: Array,
    measured_covariance: Array,
) -> None:
    """Take one position each into the tracks of `rows`, in place.

    Args:
        state: (n, 4).
        covariance: (n, 4, 4).
        rows: (k,) which tracks, none twice.
        measured: (k, 2).
        measured_covariance: (k, 2, 2).
    """
    before = covariance[rows]
    innovation = before[:, :2, :2] + measured_covariance
    gain = before[:, :, :2] @ np.linalg.inv(innovation)
    gap = measured - state[rows, :2]
    state[rows] += (gain @ gap[:, :, None])[:, :, 0]
    after = before - gain @ before[:, :2, :]
    # Rounding must not make it lopsided over a day.
    covariance[rows] = (after + after.transpose(0, 2, 1)) / 2
