"""From a pixel to a place on the ground in metres, with its uncertainty, and back.

The ground is the plane z = 0 of the world frame (east, north, up from the foot of the
pole). A direction d from a lens at height h above the spot E meets it at
P = E - h d_xy / d_z.

Which errors a covariance holds: the foot point in the picture, the camera's tilt about
both horizontal axes, its height, and among several sensors its turn against the others.
The heading is left out: it turns all points together about the pole, so it neither blurs
a track nor moves one person against another; it enters only where north matters, in
`locate`. Formulas and the error budget: edge/design/geometry.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Covariance, GroundPoint, Where
from roeh.optics.geodesy import PolePosition
from roeh.optics.polar import Array, rows_of
from roeh.optics.rig import Rig, Sensor, wrap_deg

DEFAULT_MAX_RANGE_M = 60.0
UNDEFINED_BEARING_SIGMA_DEG = 180.0
_PIXEL_STEP_PX = 0.25


@dataclass(frozen=True, slots=True)
class GroundFixes:
    """Places of n foot points: NaN in every row that `seen` says is not on the ground.

    Attributes:
        east_north_m: (n, 2).
        covariance_m2: (n, 2, 2), all errors but the heading's.
        jitter_m2: (n, 2, 2), only what differs from picture to picture (of the foot
            point); the errors of the sensor's pose stay the same all day.
        seen: (n,) whether the pixel shows ground within the range limit.
    """

    east_north_m: Array
    covariance_m2: Array
    jitter_m2: Array
    seen: NDArray[np.bool_]

    def jitters(self) -> list[Covariance | None]:
        """What differs from picture to picture as a border type, None where no ground is seen."""
        return [
            covariance_of(jitter) if seen else None
            for jitter, seen in zip(self.jitter_m2, self.seen, strict=True)
        ]

    def points(self) -> list[GroundPoint | None]:
        """The fixes as border types, None where no ground is seen."""
        return [
            ground_point(place, covariance) if seen else None
            for place, covariance, seen in zip(
                self.east_north_m, self.covariance_m2, self.seen, strict=True
            )
        ]


@dataclass(frozen=True, slots=True)
class GroundPlane:
    """The ground as one sensor of a rig sees it.

    Args:
        rig: gives the heading and the pixel's sigma.
        sensor: one of the rig's; gives the sigmas of its pose.
        max_range_m: from the pole; beyond, and at the horizon, a fix means nothing.
    """

    rig: Rig
    sensor: Sensor
    max_range_m: float = DEFAULT_MAX_RANGE_M

    def fix(
        self,
        foot_px: Array,
        *,
        foot_sigma_px: float | Array = 0.0,
        foot_sigma_m: float | Array = 0.0,
        lasting_share: float = 0.0,
    ) -> GroundFixes:
        """Places on the ground of foot points in the sensor's picture.

        Args:
            foot_px: (n, 2).
            foot_sigma_px: one figure or (n,), added in quadrature to the rig's own.
            foot_sigma_m: one figure or (n,): how far the pixel may lie from the spot the
                object stands on, whatever the distance; each way.
            lasting_share: of the variances of `foot_sigma_px` and `foot_sigma_m`, the part
                that is no jitter but the same from picture to picture.
        """
        pixels = rows_of(foot_px, 2)
        rotation = self.rig.camera_to_world(self.sensor)
        lens, sigmas = self.sensor.lens, self.sensor.sigmas
        eye = self.rig.eye_of(self.sensor)
        height_m = float(eye[2])
        steps = _PIXEL_STEP_PX * np.asarray([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        around = (pixels[None] + steps[:, None]).reshape(-1, 2)
        directions = (lens.unproject(around) @ rotation.T).reshape(5, len(pixels), 3)
        sight = directions[0]
        per_pixel = np.stack(
            [directions[1] - directions[2], directions[3] - directions[4]], axis=2
        ) / (2 * _PIXEL_STEP_PX)

        down = np.where(sight[:, 2] < 0, sight[:, 2], np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            reach = -height_m * sight[:, :2] / down[:, None]
            place = eye[:2] + reach
            seen = lens.inside(pixels) & (np.hypot(*place.T) <= self.max_range_m)
        per_sight = np.zeros((len(pixels), 2, 3))
        per_sight[:, 0, 0] = per_sight[:, 1, 1] = -height_m / down
        per_sight[:, :, 2] = height_m * sight[:, :2] / (down * down)[:, None]
        # A small turn w of the camera moves d by w x d; columns: w east, w north.
        turn = np.zeros((len(pixels), 3, 2))
        turn[:, 1, 0], turn[:, 2, 0] = -sight[:, 2], sight[:, 1]
        turn[:, 0, 1], turn[:, 2, 1] = sight[:, 2], -sight[:, 0]

        by_pixel, by_turn, by_height = per_sight @ per_pixel, per_sight @ turn, reach / height_m
        # Turned clockwise about its own vertical, the camera puts everything to the left.
        by_azimuth = np.column_stack([-reach[:, 1], reach[:, 0]])
        foot_px2, spot_m2 = (
            np.broadcast_to(np.square(sigma), len(pixels))
            for sigma in (foot_sigma_px, foot_sigma_m)
        )
        own = _spread(by_pixel, foot_px2) + spot_m2[:, None, None] * np.eye(2)
        pixel = _spread(by_pixel, np.full(len(pixels), self.rig.pixel_sigma_px**2))
        jitter = pixel + (1.0 - lasting_share) * own
        tilt_variance = math.radians(sigmas.tilt_deg) ** 2
        azimuth_variance = math.radians(self.rig.azimuth_sigma_deg_of(self.sensor)) ** 2
        covariance = (
            pixel
            + own
            + _spread(by_turn, np.full(len(pixels), tilt_variance))
            + sigmas.height_m**2 * by_height[:, :, None] * by_height[:, None, :]
            + azimuth_variance * by_azimuth[:, :, None] * by_azimuth[:, None, :]
        )
        hidden = ~seen
        for rows in (place, covariance, jitter):
            rows[hidden] = np.nan
        return GroundFixes(place, covariance, jitter, seen)

    def point(
        self,
        foot_px: tuple[float, float],
        *,
        foot_sigma_px: float = 0.0,
        foot_sigma_m: float = 0.0,
    ) -> GroundPoint | None:
        """One place on the ground; None above the horizon, out of range or of the picture."""
        fixes = self.fix(
            np.asarray([foot_px]), foot_sigma_px=foot_sigma_px, foot_sigma_m=foot_sigma_m
        )
        return fixes.points()[0]

    def pixels_of(
        self, east_north_m: Array, *, up_m: float | Array = 0.0, beyond: bool = False
    ) -> Array:
        """Pixels (n, 2) of points (n, 2) on the ground, or `up_m` above it; NaN if not visible."""
        return self.sensor.pixels_of(self.sights_of(east_north_m, up_m=up_m), beyond=beyond)

    def sights_of(self, east_north_m: Array, *, up_m: float | Array = 0.0) -> Array:
        """From the lens to points (n, 2) on the ground or above it: pole frame, metres (n, 3)."""
        places = rows_of(east_north_m, 2)
        up = np.broadcast_to(np.asarray(up_m, dtype=np.float64), len(places))
        sight = np.column_stack([places, up]) - self.rig.eye_of(self.sensor)
        in_pole: Array = sight @ self.rig.to_world()
        return in_pole


def ground_point(east_north_m: Array, covariance_m2: Array) -> GroundPoint:
    """The border type of a place (2,) and its covariance (2, 2)."""
    return GroundPoint(
        east_m=float(east_north_m[0]),
        north_m=float(east_north_m[1]),
        covariance=covariance_of(covariance_m2),
    )


def covariance_of(matrix_m2: Array) -> Covariance:
    """The border type of a covariance (2, 2)."""
    (ee, en), (_, nn) = matrix_m2
    return Covariance(east_east_m2=float(ee), east_north_m2=float(en), north_north_m2=float(nn))


def covariance_matrix(covariance: Covariance) -> Array:
    """The covariance as an array (2, 2), square metres."""
    return np.asarray(
        [
            [covariance.east_east_m2, covariance.east_north_m2],
            [covariance.east_north_m2, covariance.north_north_m2],
        ],
        dtype=np.float64,
    )


def range_of(point: GroundPoint) -> float:
    """Metres from the foot of the pole."""
    return math.hypot(point.east_m, point.north_m)


def bearing_of(point: GroundPoint) -> float:
    """Degrees from true north, clockwise, in [0, 360); 0 at the foot of the pole itself."""
    return wrap_deg(math.degrees(math.atan2(point.east_m, point.north_m)))


def locate(point: GroundPoint, rig: Rig, pole: PolePosition | None = None) -> Where:
    """A place as an operator needs it: bearing, range, latitude and longitude, each with sigma.

    The heading's sigma enters the bearing and the position, since both hold true north.
    Where the place is no farther from the pole than its own uncertainty, its bearing is
    unknown and its sigma is 180.

    Args:
        point: on the ground plane, with the covariance of `GroundPlane`.
        rig: gives the heading's sigma.
        pole: where the foot of the pole stands; None where nobody told.

    Returns:
        `position_sigma_m` is one sigma along the worst direction; it holds the pole's
        own sigma if latitude and longitude are given.
    """
    east, north = point.east_m, point.north_m
    matrix = covariance_matrix(point.covariance)
    range_m = math.hypot(east, north)
    heading_sigma_rad = math.radians(rig.heading_sigma_deg)
    worst_m = _worst_sigma(matrix)
    if range_m <= worst_m or range_m == 0.0:
        range_sigma_m, bearing_sigma_deg = worst_m, UNDEFINED_BEARING_SIGMA_DEG
    else:
        along = np.asarray([east, north]) / range_m
        across = np.asarray([-along[1], along[0]])
        range_sigma_m = math.sqrt(float(along @ matrix @ along))
        lateral_m = math.sqrt(float(across @ matrix @ across))
        bearing_sigma_deg = min(
            math.degrees(math.hypot(lateral_m / range_m, heading_sigma_rad)),
            UNDEFINED_BEARING_SIGMA_DEG,
        )
    swing = heading_sigma_rad * np.asarray([north, -east])
    total = matrix + np.outer(swing, swing)
    if pole is not None:
        total = total + pole.position_sigma_m**2 * np.eye(2)
    spot = None if pole is None else pole.offset(east, north)
    return Where(
        bearing_deg=bearing_of(point),
        bearing_sigma_deg=bearing_sigma_deg,
        range_m=range_m,
        range_sigma_m=range_sigma_m,
        east_m=east,
        north_m=north,
        latitude_deg=None if spot is None else spot.latitude_deg,
        longitude_deg=None if spot is None else spot.longitude_deg,
        position_sigma_m=_worst_sigma(total),
    )


def _spread(jacobian: Array, variance: Array) -> Array:
    """J J^T (n, 2, 2) of rows (n, 2, m) whose inputs share one variance a row (n,)."""
    spread: Array = variance[:, None, None] * (jacobian @ jacobian.transpose(0, 2, 1))
    return spread


def _worst_sigma(matrix: Array) -> float:
    """One sigma along the longest axis of a covariance (2, 2)."""
    return math.sqrt(max(float(np.linalg.eigvalsh(matrix)[-1]), 0.0))
