"""Tilt, roll, height and heading from points of the ground whose places are known.

Two points give the heading alone, with the tilt as mounted; three and more give the tilt and
the roll as well, four and more can tell which one was mistyped. How well is worked out from
the points' own sigmas before anything is believed; what they do not tell is refused.
Method, bounds and figures: edge/design/calibration.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from roeh.calibrate.least_squares import Fit, chi_square_bound, fit, tamed
from roeh.calibrate.pose.attitude import Split, clockwise, rotation_between
from roeh.calibrate.pose.marked_points import (
    MarkedPoint,
    check_determined,
    check_points,
    refuse_disagreeing,
)
from roeh.calibrate.pose.sights import Sights, whitening
from roeh.calibrate.rotation import turn
from roeh.optics.ground import GroundPlane
from roeh.optics.polar import Array
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor

#: A point is left out only if it stands out so much from what the others agree on.
_STANDS_OUT = 20.0
#: Points that agree to no more than so many of their sigmas are not points of one ground.
_MAX_GROWTH = 4.0
#: An outlier is named only where leaving out another explains so much less.
_STANDS_ALONE = 9.0
#: Nobody knows a height or a tilt better.
_LEAST_SIGMA_M, _LEAST_SIGMA_RAD = 0.001, math.radians(0.01)
_EVERYWHERE_M = 1e6
#: From how many sigmas on a point pulls no harder, until it is known whether one is wrong.
_ROBUST_SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is known of a sensor before: its lens, its pose as in node.toml, with sigmas.

    Args:
        sensor: of the configuration.
        is_height_measured: whether its height holds to its sigma, or is to be found.
        shift_sigma_m: how far all points may be shifted together against the foot of the
            pole: the pole's own sigma where places are given by latitude and longitude.
    """

    sensor: Sensor
    is_height_measured: bool = True
    shift_sigma_m: float = 0.0


class PointResidual(msgspec.Struct, frozen=True):
    """How far a point is from where the pose puts it, and whether it counted.

    Attributes:
        name: of the point.
        off_px: (x, y), marked minus computed; NaN where the pose does not show it.
        off_m: (east, north), on the ground, marked minus measured; NaN at the horizon.
        is_used: false for the mistyped.
    """

    name: str
    off_px: tuple[float, float]
    off_m: tuple[float, float]
    is_used: bool


@dataclass(frozen=True, slots=True)
class PointPose:
    """A pose by ground points.

    Attributes:
        pose: of the sensor.
        sigmas: of the pose; `azimuth_deg` that of the turn about the vertical.
        heading_deg: of the pole's forward mark.
        heading_sigma_deg: of the heading.
        covariance: (3, 3) of small turns about east, north and up, square radians.
        residuals: of every point, in their order.
        left_out: names of points that do not agree with the others.
        growth: by how much the points agree worse than their sigmas say; 1 if they do
            not. The sigmas here have grown by it.
        is_tilt_found: false where the tilt is as it was mounted.
    """

    pose: Pose
    sigmas: PoseSigmas
    heading_deg: float
    heading_sigma_deg: float
    covariance: Array
    residuals: tuple[PointResidual, ...]
    left_out: tuple[str, ...]
    growth: float
    is_tilt_found: bool

    @property
    def rms_px(self) -> float:
        """Root mean square distance of the points that count, in the picture."""
        return _rms([residual.off_px for residual in self.residuals if residual.is_used])

    @property
    def rms_m(self) -> float:
        """Root mean square distance of the points that count, on the ground."""
        return _rms([residual.off_m for residual in self.residuals if residual.is_used])


def pose_from_points(points: Sequence[MarkedPoint], mounted: Mounted) -> PointPose:
    """The pose that shows the points where they were marked.

    Args:
        points: two for the heading, three for tilt and roll, four to find a mistyped one.
        mounted: what is known before.

    Raises:
        CalibrationFailed: the points do not determine the pose, or do not agree.
    """
    check_points(points, mounted.sensor.lens, is_height_measured=mounted.is_height_measured)
    used = list(points)
    problem = _Problem(used, mounted)
    best = problem.solved()
    left_out: list[str] = []
    while _disagrees(best) and len(left_out) < max(1, len(points) // 4):
        outlier = _outlier(used, mounted, best)
        if outlier is None:
            break
        left_out.append(used.pop(outlier).name)
        problem = _Problem(used, mounted)
        best = problem.solved()
    check_determined(used, best.covariance)
    growth = 1.0
    if _disagrees(best):
        growth = math.sqrt(best.chi_square / best.freedom)
        if growth > _MAX_GROWTH:
            refuse_disagreeing(used, growth)
    return problem.told(best, points, tuple(left_out), growth)


class _Problem:
    """Points and what is known before as whitened residuals of few unknowns.

    Unknowns: a turn of the camera about east, north and up (radians), the height's
    difference from that before (m), and where places are by latitude and longitude the
    shift of all of them (m).
    """

    def __init__(self, points: Sequence[MarkedPoint], mounted: Mounted) -> None:
        sensor = mounted.sensor
        self._mounted = mounted
        self._tells_tilt = len(points) > 2
        self._split = Split.of(sensor.pose)
        self._ground = np.asarray([(point.east_m, point.north_m, 0.0) for point in points])
        self._spot_sigma = np.asarray([point.sigma_m for point in points])
        self._sights = Sights.through(
            sensor.lens,
            np.asarray([(point.x_px, point.y_px) for point in points]),
            np.asarray([point.sigma_px for point in points]),
        )
        self._start = self._first_rotation()
        self._whitening = self._whitened_at(self._zero())

    def solved(self) -> Fit:
        """The best unknowns."""
        near = fit(self._tamed, self._zero())
        # How a spot's sigma looks from here depends on the pose, but little.
        self._whitening = self._whitened_at(near.unknowns)
        return fit(self._residuals, near.unknowns)

    def told(
        self, best: Fit, points: Sequence[MarkedPoint], left_out: tuple[str, ...], growth: float
    ) -> PointPose:
        """What the unknowns say of pose and heading."""
        rotation, before = self._rotation(best.unknowns), self._mounted.sensor
        heading_deg, attitude = self._split.apart(rotation)
        pose = Pose(
            attitude.azimuth_deg,
            attitude.tilt_deg,
            attitude.roll_deg,
            before.pose.height_m + float(best.unknowns[3]),
            before.pose.offset_m,
        )
        covariance = growth**2 * best.covariance
        yaw_sigma_deg = math.degrees(math.sqrt(covariance[2, 2]))
        return PointPose(
            pose=pose,
            sigmas=PoseSigmas(
                tilt_deg=math.degrees(math.sqrt(np.linalg.eigvalsh(covariance[:2, :2])[-1])),
                height_m=math.sqrt(covariance[3, 3]),
                azimuth_deg=yaw_sigma_deg,
            ),
            covariance=covariance[:3, :3],
            heading_deg=heading_deg,
            heading_sigma_deg=yaw_sigma_deg,
            residuals=_residuals(points, replace(before, pose=pose), heading_deg, left_out),
            left_out=left_out,
            growth=growth,
            is_tilt_found=self._tells_tilt,
        )

    def _tamed(self, unknowns: Array) -> Array:
        return tamed(self._residuals(unknowns), _ROBUST_SIGMAS)

    def _residuals(self, unknowns: Array) -> Array:
        off = self._sights.off(self._towards(unknowns))
        parts = [np.einsum("nij,nj->ni", self._whitening, off).ravel()]
        if not self._tells_tilt:
            sigma = math.radians(self._mounted.sensor.sigmas.tilt_deg)
            parts.append(unknowns[:2] / max(sigma, _LEAST_SIGMA_RAD))
        if self._mounted.is_height_measured:
            parts.append(unknowns[3:4] / max(self._mounted.sensor.sigmas.height_m, _LEAST_SIGMA_M))
        if self._mounted.shift_sigma_m:
            parts.append(unknowns[4:] / self._mounted.shift_sigma_m)
        return np.concatenate(parts)

    def _towards(self, unknowns: Array) -> Array:
        """From the lens to the points (n, 3), camera frame, metres."""
        rotation = self._rotation(unknowns)
        towards: Array = (self._ground - self._eye(rotation, unknowns)) @ rotation
        return towards

    def _rotation(self, unknowns: Array) -> Array:
        """From camera to world."""
        rotation: Array = turn(unknowns[:3]) @ self._start
        return rotation

    def _eye(self, rotation: Array, unknowns: Array) -> Array:
        """Where the lens is, in the world that the points were measured in."""
        heading_deg = self._split.heading_of(rotation)
        eye: Array = clockwise(heading_deg) @ self._mounted.sensor.pose.eye_m
        eye[2] += unknowns[3]
        if self._mounted.shift_sigma_m:
            eye[:2] += unknowns[4:]
        return eye

    def _zero(self) -> Array:
        return np.zeros(6 if self._mounted.shift_sigma_m else 4)

    def _first_rotation(self) -> Array:
        """From camera to world, as near as directions alone say."""
        pose = self._mounted.sensor.pose
        true = self._ground - np.asarray([0.0, 0.0, pose.height_m])
        true /= np.linalg.norm(true, axis=1, keepdims=True)
        if self._tells_tilt:
            return rotation_between(self._sights.directions, true, np.ones(len(true)))
        # The tilt is believed: the turn about the vertical that brings both nearest.
        seen = self._sights.directions @ pose.to_pole().T
        level = seen[:, 0] * true[:, 0] + seen[:, 1] * true[:, 1]
        cross = seen[:, 1] * true[:, 0] - seen[:, 0] * true[:, 1]
        heading_deg = math.degrees(math.atan2(float(cross.sum()), float(level.sum())))
        rotation: Array = clockwise(heading_deg) @ pose.to_pole()
        return rotation

    def _whitened_at(self, unknowns: Array) -> Array:
        """What brings each point's two angles to unit spread (n, 2, 2)."""
        rotation = self._rotation(unknowns)
        distance_m = np.linalg.norm(self._towards(unknowns), axis=1)
        # A spot on the ground moves the sight by what of it lies across the sight.
        slopes = self._sights.across @ rotation.T[:, :2] / distance_m[:, None, None]
        spots = np.square(self._spot_sigma)[:, None, None] * (slopes @ slopes.transpose(0, 2, 1))
        return whitening(self._sights.covariance + spots)


def _disagrees(best: Fit) -> bool:
    return best.chi_square > chi_square_bound(best.freedom)


def _outlier(points: list[MarkedPoint], mounted: Mounted, best: Fit) -> int | None:
    """The one point without which the others agree, if it is one."""
    if len(points) < 4:
        return None
    rests = []
    for index in range(len(points)):
        rest = _Problem([*points[:index], *points[index + 1 :]], mounted).solved()
        unit = max(rest.chi_square / rest.freedom, 1.0)
        rests.append((rest.chi_square, unit, index))
    rests.sort()
    (least, unit, index), (second, _, _) = rests[0], rests[1]
    stands_out = (best.chi_square - least) / 2 > _STANDS_OUT * unit
    return index if stands_out and second - least > _STANDS_ALONE * unit else None


def _residuals(
    points: Sequence[MarkedPoint], sensor: Sensor, heading_deg: float, left_out: tuple[str, ...]
) -> tuple[PointResidual, ...]:
    plane = GroundPlane(Rig((sensor,), heading_deg, 0.0), sensor, _EVERYWHERE_M)
    marked = np.asarray([(point.x_px, point.y_px) for point in points])
    measured = np.asarray([(point.east_m, point.north_m) for point in points])
    off_px = marked - plane.pixels_of(measured, beyond=True)
    off_m = plane.fix(marked).east_north_m - measured
    return tuple(
        PointResidual(
            name=point.name,
            off_px=(float(pixel[0]), float(pixel[1])),
            off_m=(float(metres[0]), float(metres[1])),
            is_used=point.name not in left_out,
        )
        for point, pixel, metres in zip(points, off_px, off_m, strict=True)
    )


def _rms(offs: Sequence[tuple[float, float]]) -> float:
    squares = [x * x + y * y for x, y in offs]
    return math.sqrt(sum(squares) / len(squares))
