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

Everything about uncertainty is kept twice, along a first axis of two. The wary belief
allows for people who turn and stop at once: it gives the gain, so that a track keeps up.
The steady one says what the error of the state so found is of somebody in view who goes
on as people mostly do: P+ = P - K T' - T K' + K S K' holds for any gain K (T: covariance
of the state with what the picture tells, S: that of the innovation; Bar-Shalom et al.,
section 5.2.3). Told alone, the wary one would be too large: 98 of 100 places within what
95 should be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EYE2 = np.eye(2)
_WARY, _STEADY = 0, 1
#: What the acceleration's density is of those who go on as before, beside that of those
#: who turn and stop. A pace that wanders by 0.17 m/s within a second has 0.06 m2/s3 (2 s2/t).
_STEADY_SHARE = 0.1


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
        self._spread: Array = np.zeros((2, 0, 4, 4))
        self._density: Array = np.zeros(0)
        # With the errors of each sensor's pose: (2, n, 4, 2 * sensors).
        self._shared: Array = np.zeros((2, 0, 4, 0))
        self._columns: dict[str, slice] = {}

    @property
    def covariance(self) -> Array:
        """Of the states (n, 4, 4), were all to turn or stop at once: for who may be whom."""
        wary: Array = self._spread[_WARY]
        return wary

    def place_covariance_m2(self, in_view: NDArray[np.bool_]) -> Array:
        """Of the places (n, 2, 2), for what is told.

        Args:
            in_view: (n,), false for whom nobody saw of late: they may have done anything.
        """
        steadily = self._spread[_STEADY, :, :2, :2]
        return np.where(in_view[:, None, None], steadily, self._spread[_WARY, :, :2, :2])

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
        density = np.outer([1.0, _STEADY_SHARE], self._density)
        self.state[:, :2] += dt_s * self.state[:, 2:]
        self._spread = step @ self._spread @ step.T
        self._spread += density[:, :, None, None] * noise
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
        before, shared = self._spread[:, rows], self._shared[:, rows]
        with_sensor = shared[..., columns]
        # Covariance of the state with what the picture tells: of the state itself, and of
        # the error that it already took over from this sensor.
        told = before @ seen.T + with_sensor @ root
        innovation = seen @ told + root @ (with_sensor.swapaxes(2, 3) @ seen.T)
        innovation += fixes.jitter_m2 * doubt[:, None, None] + fixes.lasting_m2
        gain = told[_WARY] @ np.linalg.inv(innovation[_WARY])
        gap = fixes.place_m - self.state[rows] @ seen.T
        self.state[rows] += (gain @ gap[:, :, None])[:, :, 0]
        taken = gain @ told.swapaxes(2, 3)
        after = before - taken - taken.swapaxes(2, 3) + gain @ innovation @ gain.swapaxes(1, 2)
        # Rounding must not make it lopsided over a day.
        self._spread[:, rows] = (after + after.swapaxes(2, 3)) / 2
        shared = shared - gain @ (seen @ shared)
        shared[..., columns] -= gain @ root
        self._shared[:, rows] = shared

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
        shared = np.zeros((count, 4, self._shared.shape[3]))
        shared[:, :2, columns] = -roots_of(fixes.lasting_m2)
        self.state = np.concatenate([self.state, state])
        self._spread = np.concatenate([self._spread, np.stack([covariance] * 2)], axis=1)
        self._density = np.append(self._density, density_m2ps3)
        self._shared = np.concatenate([self._shared, np.stack([shared] * 2)], axis=1)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Drop the tracks whose row (n,) is false."""
        self.state, self._spread = self.state[rows], self._spread[:, rows]
        self._density, self._shared = self._density[rows], self._shared[:, rows]

    def _columns_of(self, sensor: str) -> slice:
        """Where the covariances with a sensor's errors are; a new one shares none yet."""
        if sensor not in self._columns:
            first = self._shared.shape[3]
            self._columns[sensor] = slice(first, first + 2)
            nothing = np.zeros((*self._shared.shape[:3], 2))
            self._shared = np.concatenate([self._shared, nothing], axis=3)
        return self._columns[sensor]

    def _shared_with(self, sensor: str) -> Array:
        columns = self._columns_of(sensor)
        return self._shared[_WARY, ..., columns]


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
