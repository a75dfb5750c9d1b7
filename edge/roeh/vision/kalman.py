"""A constant-velocity Kalman filter over many tracks at once, on the ground plane.

State rows are (east_m, north_m, velocity_east_mps, velocity_north_mps). The process
noise is white acceleration of spectral density q, so that one step of 1 s and thirty
of 1/30 s let a track wander equally far. Source of the matrices: Bar-Shalom, Li,
Kirubarajan, "Estimation with Applications to Tracking and Navigation", section 6.2.2.

A place that a sensor tells is z = position + A b + v. v is new in each picture. b are
two numbers of variance 1 that the errors of the sensor's pose come to: the same in all
its pictures, another pair for each sensor; A is the root of their covariance at that
place. The filter does not estimate b but considers it: beside the covariance it carries
that of every track with every sensor's b. So looks of one sensor do not average out
what is wrong with it, a second sensor's do, and where a track goes over from one sensor
to the next the jump is expected. Source: S. F. Schmidt, "Application of State-Space
Methods to Navigation Problems", Advances in Control Systems 3, 1966; A. H. Jazwinski,
"Stochastic Processes and Filtering Theory", 1970, section 8.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EYE2 = np.eye(2)


@dataclass(frozen=True, slots=True)
class Fixes:
    """Places of m objects as one picture of one sensor tells them.

    Attributes:
        sensor: its name.
        place_m: (m, 2).
        jitter_m2: (m, 2, 2), of the error that is new in each picture.
        lasting_m2: (m, 2, 2), of the error that is the same in all of the sensor's.
        late_s: how long before the filter's time the picture was taken.
    """

    sensor: str
    place_m: Array
    jitter_m2: Array
    lasting_m2: Array
    late_s: float = 0.0

    def only(self, rows: NDArray[np.intp]) -> Fixes:
        """Some of them."""
        return Fixes(
            self.sensor,
            self.place_m[rows],
            self.jitter_m2[rows],
            self.lasting_m2[rows],
            self.late_s,
        )

    @property
    def seen(self) -> Array:
        """What of a state is seen: the place where it was when the picture was taken, (2, 4)."""
        seen = np.zeros((2, 4))
        seen[0, 0] = seen[1, 1] = 1.0
        seen[0, 2] = seen[1, 3] = -self.late_s
        return seen


class TrackFilter:
    """The states of n tracks and how sure they are; rows in the order they were started."""

    def __init__(self) -> None:
        self.state: Array = np.zeros((0, 4))
        self.covariance: Array = np.zeros((0, 4, 4))
        self._density: Array = np.zeros(0)
        # With the errors of each sensor's pose: (n, 4, 2 * sensors).
        self._shared: Array = np.zeros((0, 4, 0))
        self._columns: dict[str, slice] = {}

    def predict(self, dt_s: float) -> None:
        """Move the tracks forward in time; dt_s is not negative."""
        if dt_s == 0.0:
            return
        step = np.eye(4)
        step[0, 2] = step[1, 3] = dt_s
        noise = np.zeros((4, 4))
        noise[0, 0] = noise[1, 1] = dt_s**3 / 3
        noise[0, 2] = noise[2, 0] = noise[1, 3] = noise[3, 1] = dt_s**2 / 2
        noise[2, 2] = noise[3, 3] = dt_s
        self.state[:, :2] += dt_s * self.state[:, 2:]
        self.covariance = step @ self.covariance @ step.T
        self.covariance += self._density[:, None, None] * noise
        self._shared = step @ self._shared

    def gaps(self, fixes: Fixes) -> Array:
        """From where each track was thought to be to each place (n, m, 2), metres."""
        gap: Array = fixes.place_m[None] - (self.state @ fixes.seen.T)[:, None]
        return gap

    def distances(self, fixes: Fixes) -> tuple[Array, Array]:
        """Squared Mahalanobis distance and log det of the innovation, each (n, m)."""
        seen, root = fixes.seen, roots_of(fixes.lasting_m2)
        gap = self.gaps(fixes)
        mixed = (seen @ self._shared_with(fixes.sensor))[:, None] @ root[None]
        spread = (seen @ self.covariance @ seen.T)[:, None] + mixed + mixed.swapaxes(2, 3)
        spread += (fixes.jitter_m2 + fixes.lasting_m2)[None]
        a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
        determinant = a * c - b * b
        east, north = gap[..., 0], gap[..., 1]
        squared = (c * east * east - 2 * b * east * north + a * north * north) / determinant
        return squared, np.log(determinant)

    def correct(self, rows: NDArray[np.intp], fixes: Fixes, doubt: Array) -> None:
        """Take one place each into the tracks of `rows`.

        Args:
            rows: (k,) which tracks, none twice.
            fixes: of k places.
            doubt: (k,), factor on the variance of a place that may be another's.
        """
        seen, root = fixes.seen, roots_of(fixes.lasting_m2)
        columns = self._columns_of(fixes.sensor)
        before, shared = self.covariance[rows], self._shared[rows]
        with_sensor = shared[:, :, columns]
        # Covariance of the state with what the picture tells: of the state itself, and of
        # the error that it already took over from this sensor.
        told = before @ seen.T + with_sensor @ root
        innovation = seen @ told + root @ (with_sensor.transpose(0, 2, 1) @ seen.T)
        innovation += fixes.jitter_m2 * doubt[:, None, None] + fixes.lasting_m2
        gain = told @ np.linalg.inv(innovation)
        gap = fixes.place_m - self.state[rows] @ seen.T
        self.state[rows] += (gain @ gap[:, :, None])[:, :, 0]
        after = before - gain @ told.transpose(0, 2, 1)
        # Rounding must not make it lopsided over a day.
        self.covariance[rows] = (after + after.transpose(0, 2, 1)) / 2
        shared = shared - gain @ (seen @ shared)
        shared[:, :, columns] -= gain @ root
        self._shared[rows] = shared

    def start(self, fixes: Fixes, density_m2ps3: Array, speed_sigma_mps: Array) -> None:
        """Add a track of unknown speed at each of m places.

        Args:
            fixes: of m places.
            density_m2ps3: (m,), spectral density of the acceleration.
            speed_sigma_mps: (m,), each way.
        """
        count, late_s = len(fixes.place_m), fixes.late_s
        columns = self._columns_of(fixes.sensor)
        state, covariance = np.zeros((count, 4)), np.zeros((count, 4, 4))
        state[:, :2] = fixes.place_m
        speed_m2ps2 = np.square(speed_sigma_mps)[:, None, None] * _EYE2
        covariance[:, :2, :2] = fixes.jitter_m2 + fixes.lasting_m2 + late_s**2 * speed_m2ps2
        covariance[:, :2, 2:] = covariance[:, 2:, :2] = late_s * speed_m2ps2
        covariance[:, 2:, 2:] = speed_m2ps2
        shared = np.zeros((count, 4, self._shared.shape[2]))
        shared[:, :2, columns] = -roots_of(fixes.lasting_m2)
        self.state = np.concatenate([self.state, state])
        self.covariance = np.concatenate([self.covariance, covariance])
        self._density = np.append(self._density, density_m2ps3)
        self._shared = np.concatenate([self._shared, shared])

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Drop the tracks whose row (n,) is false."""
        self.state, self.covariance = self.state[rows], self.covariance[rows]
        self._density, self._shared = self._density[rows], self._shared[rows]

    def _columns_of(self, sensor: str) -> slice:
        """Where the covariances with a sensor's errors are; a new one shares none yet."""
        if sensor not in self._columns:
            first = self._shared.shape[2]
            self._columns[sensor] = slice(first, first + 2)
            nothing = np.zeros((len(self._shared), 4, 2))
            self._shared = np.concatenate([self._shared, nothing], axis=2)
        return self._columns[sensor]

    def _shared_with(self, sensor: str) -> Array:
        columns = self._columns_of(sensor)
        return self._shared[:, :, columns]


def roots_of(covariance_m2: Array) -> Array:
    """Symmetric square roots (n, 2, 2) of covariances (n, 2, 2).

    Symmetric, so that a tilt, whose error is along the sight in one direction and across
    it a quarter turn farther, stays the same pair of numbers all round.
    """
    a, b, c = covariance_m2[:, 0, 0], covariance_m2[:, 0, 1], covariance_m2[:, 1, 1]
    product = np.sqrt(np.maximum(a * c - b * b, 0.0))
    total = np.sqrt(np.maximum(a + c + 2 * product, 1e-18))
    root: Array = (covariance_m2 + product[:, None, None] * _EYE2) / total[:, None, None]
    return root
