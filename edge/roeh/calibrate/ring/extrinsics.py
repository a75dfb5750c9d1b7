"""How the sensors of a ring are turned against each other, from what two of them both see.

Every common point says where the ground that one sensor sees has to be in another's picture.
All sensors are found at once, so a ring closes by itself; how far the single pairs are from
closing is worked out as a check. What all sensors have in common is not in such points: the
turn about the vertical is taken from the first sensor, the tilt from what was set before with
its sigma. Method and figures: edge/design/calibration.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.calibrate.least_squares import Fit, fit, tamed
from roeh.calibrate.pose.attitude import attitude_of
from roeh.calibrate.pose.sights import Sights, whitening
from roeh.calibrate.ring.checks import (
    SharedSpot,
    check_agreeing,
    check_closing,
    check_linked,
    check_told,
    neighbours,
)
from roeh.calibrate.rotation import turn
from roeh.optics.polar import Array
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor, wrap_signed_deg

_ROBUST_SIGMAS, _MAX_SIGMAS = 2.0, 4.0
#: Nobody knows a tilt better.
_LEAST_SIGMA_RAD = math.radians(0.02)
_STEP_RAD = 1e-5
#: Where the first sensor's turn about up stands among the unknowns of all.
_HELD = 2
#: Median length of two numbers of unit spread: the root of 2 ln 2.
_MEDIAN_OF_TWO = 1.1774
#: A sight nearer to the horizon meets the ground nowhere one could tell.
_LEAST_DOWN = 1e-3


class PairLink(msgspec.Struct, frozen=True, kw_only=True):
    """What two neighbours say of each other.

    Attributes:
        one: name of a sensor.
        other: of the next one clockwise.
        spots: common points that counted.
        between_deg: from the azimuth of one to that of the other, by their points alone.
        sigma_deg: of that.
        off_px: root mean square distance of the points that counted, in the other's picture.
    """

    one: str
    other: str
    spots: int
    between_deg: float
    sigma_deg: float
    off_px: float


@dataclass(frozen=True, slots=True)
class RingPose:
    """The poses of all sensors against each other.

    Attributes:
        sensors: as before with poses and sigmas as found; the first one's azimuth stays.
        links: of neighbours that see common points.
        closure_deg: by how much the azimuths between neighbours, each pair by itself, miss
            360; None where the sensors do not stand all round.
        closure_sigma_deg: of that.
        is_used: (n,) whether each spot counted.
        growth: by how much the points agree worse than their sigmas say.
        turns_covariance: (3 k, 3 k) of small turns of each sensor about the pole's right,
            forward and up, square radians.
    """

    sensors: tuple[Sensor, ...]
    links: tuple[PairLink, ...]
    closure_deg: float | None
    closure_sigma_deg: float
    is_used: NDArray[np.bool_]
    growth: float
    turns_covariance: Array


def ring_from_spots(spots: Sequence[SharedSpot], rig: Rig) -> RingPose:
    """Azimuth, tilt and roll of every sensor of a rig.

    Args:
        spots: points of the ground that two sensors see, or the feet of one person seen by
            both at one time.
        rig: two sensors or more, as configured.

    Raises:
        CalibrationFailed: neighbours without common points, which; points that leave an
            azimuth open, or do not agree; a ring that does not close.
    """
    check_linked(spots, rig)
    problem = _Problem(spots, rig)
    used = np.ones(len(spots), np.bool_)
    best = problem.solved(used)
    for _ in range(4):
        kept = problem.agreeing(best)
        if np.array_equal(kept, used):
            break
        used = kept
        best = problem.solved(used)
    check_agreeing(used, rig)
    check_linked([spot for spot, counts in zip(spots, used, strict=True) if counts], rig)
    check_told(_with_held_both(best.covariance), rig)
    return problem.told(best, used)


class _Problem:
    """Common points as whitened residuals.

    Unknowns: for each sensor its turn about the pole's right, forward and up (radians), but
    for the first one's about up, which is held.
    """

    def __init__(self, spots: Sequence[SharedSpot], rig: Rig) -> None:
        self._rig = rig
        self._count = len(rig.sensors)
        self._start = np.stack([sensor.pose.to_pole() for sensor in rig.sensors])
        self._eyes = np.stack([sensor.pose.eye_m for sensor in rig.sensors])
        place = {sensor.name: number for number, sensor in enumerate(rig.sensors)}
        self._from = np.asarray([place[spot.one] for spot in spots])
        self._to = np.asarray([place[spot.other] for spot in spots])
        self._spot_sigma_m = np.asarray([spot.sigma_m for spot in spots])
        self._seen_from = _sights(rig, self._from, [spot.one_px for spot in spots], spots)
        self._seen_to = _sights(rig, self._to, [spot.other_px for spot in spots], spots)
        self._px_per_rad = np.asarray([_px_per_rad(sensor) for sensor in rig.sensors])
        self._used = np.ones(len(spots), np.bool_)
        self._whitening = self._whitened_at(np.zeros(3 * self._count - 1))

    def solved(self, used: NDArray[np.bool_]) -> Fit:
        """The best unknowns for the points that count."""
        self._used = used
        near = fit(self._residuals, np.zeros(3 * self._count - 1))
        self._whitening = self._whitened_at(near.unknowns)
        return fit(self._residuals, near.unknowns)

    def agreeing(self, best: Fit) -> NDArray[np.bool_]:
        """Which spots fit the others: (n,)."""
        off = np.linalg.norm(self._off(self._rotations(best.unknowns)), axis=1)
        unit = max(1.0, float(np.median(off[self._used])) / _MEDIAN_OF_TWO)
        agreeing: NDArray[np.bool_] = np.asarray(off <= _MAX_SIGMAS * unit)
        return agreeing

    def told(self, best: Fit, used: NDArray[np.bool_]) -> RingPose:
        """What the unknowns say.

        Raises:
            CalibrationFailed: the ring does not close.
        """
        rotations = self._rotations(best.unknowns)
        off = self._off(rotations)[used]
        growth = max(1.0, math.sqrt(float(np.mean(np.square(off)))))
        covariance = growth**2 * _with_held_both(best.covariance)
        links = self._links(rotations, used, growth)
        closure_deg, closure_sigma_deg = self._closure(links)
        if closure_deg is not None:
            check_closing(
                closure_deg, closure_sigma_deg, [(link.one, link.other) for link in links]
            )
        return RingPose(
            sensors=self._posed(rotations, covariance),
            links=tuple(links),
            closure_deg=closure_deg,
            closure_sigma_deg=closure_sigma_deg,
            is_used=used,
            growth=growth,
            turns_covariance=covariance,
        )

    def _posed(self, rotations: Array, covariance: Array) -> tuple[Sensor, ...]:
        count = self._count
        yaws = covariance[2::3, 2::3]
        # Against the mean of all: what one sensor's error is to the others.
        mean = np.eye(count) - 1.0 / count
        against = mean @ yaws @ mean * count / (count - 1)
        found = []
        for number, sensor in enumerate(self._rig.sensors):
            attitude = attitude_of(rotations[number])
            tilts = covariance[3 * number : 3 * number + 2, 3 * number : 3 * number + 2]
            before = sensor.pose
            pose = Pose(
                attitude.azimuth_deg,
                attitude.tilt_deg,
                attitude.roll_deg,
                before.height_m,
                before.offset_m,
            )
            sigmas = PoseSigmas(
                tilt_deg=math.degrees(math.sqrt(float(np.linalg.eigvalsh(tilts)[-1]))),
                height_m=sensor.sigmas.height_m,
                azimuth_deg=math.degrees(math.sqrt(float(against[number, number]))),
            )
            found.append(Sensor(sensor.name, sensor.lens, pose, sigmas))
        return tuple(found)

    def _links(self, rotations: Array, used: NDArray[np.bool_], growth: float) -> list[PairLink]:
        """What each pair of neighbours says by itself, tilts being as found."""
        names = [sensor.name for sensor in self._rig.sensors]
        links = []
        for one, other in neighbours(self._rig):
            a, b = names.index(one), names.index(other)
            pair = ((self._from == a) & (self._to == b)) | ((self._from == b) & (self._to == a))
            rows = np.flatnonzero(pair & used)
            if not len(rows):
                continue
            alone = fit(partial(self._turned, rotations, b, rows), np.zeros(1))
            found = self._turned_rotations(rotations, b, alone.unknowns)
            azimuths = [attitude_of(found[k]).azimuth_deg for k in (a, b)]
            off = self._seen_to.at(rows).off(self._towards(found)[rows])
            scale = self._px_per_rad[self._to[rows]]
            links.append(
                PairLink(
                    one=one,
                    other=other,
                    spots=len(rows),
                    between_deg=(azimuths[1] - azimuths[0]) % 360.0,
                    sigma_deg=growth * math.degrees(math.sqrt(float(alone.covariance[0, 0]))),
                    off_px=float(np.sqrt(np.mean(np.sum(np.square(off), axis=1) * scale**2))),
                )
            )
        return links

    def _closure(self, links: Sequence[PairLink]) -> tuple[float | None, float]:
        if self._count < 3 or len(links) < self._count:
            return None, 0.0
        total = sum(link.between_deg for link in links)
        sigma_deg = math.sqrt(sum(link.sigma_deg**2 for link in links))
        return wrap_signed_deg(total), sigma_deg

    def _residuals(self, unknowns: Array) -> Array:
        off = self._off(self._rotations(unknowns))[self._used]
        turns = _with_held(unknowns).reshape(self._count, 3)
        sigmas = np.asarray([sensor.sigmas.tilt_deg for sensor in self._rig.sensors])
        tilt_sigma = np.maximum(np.radians(sigmas), _LEAST_SIGMA_RAD)[:, None]
        return np.concatenate(
            [
                tamed(off.ravel(), _ROBUST_SIGMAS),
                (turns[:, :2] / tilt_sigma).ravel(),
            ]
        )

    def _turned(self, rotations: Array, sensor: int, rows: NDArray[np.intp], yaw: Array) -> Array:
        """Residuals of some spots after one more sensor's turn about the vertical."""
        return self._off(self._turned_rotations(rotations, sensor, yaw))[rows].ravel()

    def _turned_rotations(self, rotations: Array, sensor: int, yaw: Array) -> Array:
        turned: Array = rotations.copy()
        turned[sensor] = turn(np.asarray([0.0, 0.0, yaw[0]])) @ turned[sensor]
        return turned

    def _off(self, rotations: Array) -> Array:
        """How far each spot is off in the second picture, whitened: (n, 2)."""
        off = self._seen_to.off(self._towards(rotations))
        whitened: Array = np.einsum("nij,nj->ni", self._whitening, off)
        return whitened

    def _towards(self, rotations: Array, sights: Array | None = None) -> Array:
        """From the second lens to the spot the first one sees (n, 3), second camera's frame."""
        seen = self._seen_from.directions if sights is None else sights
        sight = np.einsum("nij,nj->ni", rotations[self._from], seen)
        eye = self._eyes[self._from]
        reach = eye[:, 2] / np.maximum(-sight[:, 2], _LEAST_DOWN)
        spot = eye + reach[:, None] * sight
        towards: Array = np.einsum("nji,nj->ni", rotations[self._to], spot - self._eyes[self._to])
        return towards

    def _rotations(self, unknowns: Array) -> Array:
        """From each camera to the pole (k, 3, 3)."""
        vectors = _with_held(unknowns).reshape(-1, 3)
        return np.stack(
            [turn(vector) @ start for vector, start in zip(vectors, self._start, strict=True)]
        )

    def _whitened_at(self, unknowns: Array) -> Array:
        """What brings each spot's two angles to unit spread (n, 2, 2)."""
        rotations = self._rotations(unknowns)
        base = self._seen_to.off(self._towards(rotations))
        slopes = []
        for way in range(2):
            stepped = self._seen_from.directions + _STEP_RAD * self._seen_from.across[:, way]
            slopes.append((self._seen_to.off(self._towards(rotations, stepped)) - base) / _STEP_RAD)
        slope = np.stack(slopes, axis=2)
        passed_on = slope @ self._seen_from.covariance @ slope.transpose(0, 2, 1)
        distance_m = np.linalg.norm(self._towards(rotations), axis=1)
        spot = np.square(self._spot_sigma_m / np.maximum(distance_m, 0.5))
        return whitening(self._seen_to.covariance + passed_on + spot[:, None, None] * np.eye(2))


def _with_held(unknowns: Array) -> Array:
    """The unknowns (3 k,) with the one that is held."""
    return np.insert(unknowns, _HELD, 0.0)


def _with_held_both(covariance: Array) -> Array:
    """Their covariance (3 k, 3 k)."""
    return np.insert(np.insert(covariance, _HELD, 0.0, axis=0), _HELD, 0.0, axis=1)


def _sights(
    rig: Rig,
    of: NDArray[np.intp],
    pixels: Sequence[tuple[float, float]],
    spots: Sequence[SharedSpot],
) -> Sights:
    """Sights through pixels, each of its own sensor."""
    points, sigma = np.asarray(pixels, np.float64), np.asarray([spot.sigma_px for spot in spots])
    directions, across = np.zeros((len(of), 3)), np.zeros((len(of), 2, 3))
    covariance = np.zeros((len(of), 2, 2))
    for number, sensor in enumerate(rig.sensors):
        rows = np.flatnonzero(of == number)
        if len(rows):
            part = Sights.through(sensor.lens, points[rows], sigma[rows])
            directions[rows], across[rows] = part.directions, part.across
            covariance[rows] = part.covariance
    return Sights(directions, across, covariance)


def _px_per_rad(sensor: Sensor) -> float:
    """How many pixels a radian takes, near the optical axis."""
    ahead = np.asarray([[0.0, 0.0, 1.0], [0.01, 0.0, 1.0]])
    pixels = sensor.lens.project(ahead, beyond=True)
    return float(np.linalg.norm(pixels[1] - pixels[0])) / 0.01
