"""Least squares for a lens and the poses of a board in many views at once. Pure.

The lens is Kannala-Brandt's or a pinhole (edge/design/geometry.md), with unknown focal
lengths, centre and coefficients; each view has a rotation and a translation of its own.
Levenberg-Marquardt (Marquardt, SIAM J. Appl. Math. 11(2), 1963) on the normal equations,
rotations stepped by rotation vectors; Huber's weights where asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roeh.calibrate.rotation import turn
from roeh.optics.polar import Array, distorted, distortion_slope

LensKind = Literal["fisheye", "pinhole"]

#: Focal lengths, centre, and the four coefficients, in this order.
LENS_UNKNOWNS = 8
_POSE_UNKNOWNS = 6
#: A coefficient that no view tells stays near 0: it would bend by half the angle at 1 rad.
_COEFFICIENT_SIGMA = 0.5
#: A corner is found this well at best; scales the weight of the line above.
_CORNER_SIGMA_PX = 0.2
_HUBER_PX = 1.0
_ITERATIONS = 100
_CONVERGED = 1e-8
_FIRST_DAMPING, _LAST_DAMPING = 1e-4, 1e10
_NEAR_AXIS = 1e-12


@dataclass(frozen=True, slots=True)
class LensUnknowns:
    """The lens as the fit steps it: fx, fy, cx, cy, k1 to k4 in `values` (8,)."""

    kind: LensKind
    values: Array

    @property
    def focal_px(self) -> Array:
        """(fx, fy)."""
        return self.values[:2]

    @property
    def center_px(self) -> Array:
        """(cx, cy)."""
        return self.values[2:4]

    @property
    def k(self) -> tuple[float, float, float, float]:
        """Coefficients of Kannala and Brandt; of no meaning for a pinhole."""
        k1, k2, k3, k4 = self.values[4:].tolist()
        return k1, k2, k3, k4


@dataclass(frozen=True, slots=True)
class BoardPose:
    """Where a board stands before the camera: camera = rotation @ board + translation_m."""

    rotation: Array
    translation_m: Array

    def in_camera(self, points_m: Array) -> Array:
        """Points of the board (n, 3), into the camera's frame."""
        placed: Array = points_m @ self.rotation.T + self.translation_m
        return placed


@dataclass(frozen=True, slots=True)
class Bundle:
    """A lens and the poses of the board in each view."""

    lens: LensUnknowns
    poses: tuple[BoardPose, ...]


@dataclass(frozen=True, slots=True)
class FoundCorners:
    """Where the board's points were found in one view, and which of them count.

    Attributes:
        pixels: (n, 2).
        is_used: (n,).
    """

    pixels: Array
    is_used: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FittedBundle:
    """What the fit came to.

    Attributes:
        bundle: the lens and the poses.
        residuals_px: found minus projected, one (n, 2) a view.
        lens_covariance: (8, 8) for a corner's variance of 1 px^2; fixed values have 0.
        unknowns: how many were fitted.
    """

    bundle: Bundle
    residuals_px: tuple[Array, ...]
    lens_covariance: Array
    unknowns: int


def project(lens: LensUnknowns, points_m: Array) -> Array:
    """Points before the camera (n, 3) to pixels (n, 2); no frame and no rim."""
    return _project(lens, points_m)[0]


def residuals_of(
    bundle: Bundle, points_m: Array, found: tuple[FoundCorners, ...]
) -> tuple[Array, ...]:
    """Found minus projected, one (n, 2) a view."""
    placed = np.concatenate([pose.in_camera(points_m) for pose in bundle.poses])
    pixels = project(bundle.lens, placed).reshape(len(found), -1, 2)
    return tuple(corners.pixels - seen for corners, seen in zip(found, pixels, strict=True))


def fit_bundle(
    start: Bundle,
    points_m: Array,
    found: tuple[FoundCorners, ...],
    *,
    free: tuple[bool, ...],
    robust: bool = False,
    iterations: int = _ITERATIONS,
) -> FittedBundle:
    """The lens and poses that best explain where the corners were found.

    Args:
        start: near enough.
        points_m: the board's corners (n, 3), z = 0.
        found: where they were found in each view.
        free: which of the lens's eight values are fitted.
        robust: whether corners far off count less (Huber).
        iterations: at most.
    """
    chosen = np.flatnonzero(free)
    bundle, damping = start, _FIRST_DAMPING
    cost = _cost(bundle, points_m, found, robust)
    for _ in range(iterations):
        normal, gradient = _normal_equations(bundle, points_m, found, chosen, robust)
        improved = False
        while damping < _LAST_DAMPING and not improved:
            damped = normal + np.diag(damping * np.maximum(np.diag(normal), 1e-12))
            try:
                step: Array = np.asarray(np.linalg.solve(damped, gradient), np.float64)
            except np.linalg.LinAlgError:
                damping *= 10
                continue
            trial = _stepped(bundle, step, chosen)
            trial_cost = _cost(trial, points_m, found, robust)
            improved = bool(trial_cost < cost)
            damping = damping / 10 if improved else damping * 10
        if not improved:
            break
        gain, bundle, cost = cost - trial_cost, trial, trial_cost
        if gain < _CONVERGED * cost + 1e-18:
            break
    normal, _ = _normal_equations(bundle, points_m, found, chosen, robust)
    covariance = np.zeros((LENS_UNKNOWNS, LENS_UNKNOWNS))
    inverse = np.linalg.pinv(normal, hermitian=True)
    covariance[np.ix_(chosen, chosen)] = inverse[: len(chosen), : len(chosen)]
    return FittedBundle(bundle, residuals_of(bundle, points_m, found), covariance, len(normal))


def _cost(bundle: Bundle, points_m: Array, found: tuple[FoundCorners, ...], robust: bool) -> float:
    residuals = np.concatenate(residuals_of(bundle, points_m, found))
    used = np.concatenate([corners.is_used for corners in found])
    off = np.hypot(residuals[:, 0], residuals[:, 1])[used]
    square = off**2
    if robust:
        square = np.where(off <= _HUBER_PX, square, 2 * _HUBER_PX * off - _HUBER_PX**2)
    total = float(np.sum(square)) + float(np.sum(_prior(bundle.lens) ** 2))
    return total if np.isfinite(total) else np.inf


def _prior(lens: LensUnknowns) -> Array:
    """How far the coefficients are from nothing, in pixels as the corners' residuals are."""
    if lens.kind == "pinhole":
        return np.zeros(4)
    weighted: Array = lens.values[4:] * (_CORNER_SIGMA_PX / _COEFFICIENT_SIGMA)
    return weighted


def _normal_equations(
    bundle: Bundle,
    points_m: Array,
    found: tuple[FoundCorners, ...],
    chosen: NDArray[np.intp],
    robust: bool,
) -> tuple[Array, Array]:
    """J'J and J'r with the lens's chosen unknowns first, then six for each view."""
    views, lens_size = len(found), len(chosen)
    turned = np.concatenate([points_m @ pose.rotation.T for pose in bundle.poses])
    shifts = np.repeat([pose.translation_m for pose in bundle.poses], len(points_m), axis=0)
    pixels, by_lens, by_point = _project(bundle.lens, turned + shifts)
    residuals = np.concatenate([corners.pixels for corners in found]) - pixels
    weights = np.concatenate([corners.is_used for corners in found]).astype(np.float64)
    if robust:
        off = np.hypot(residuals[:, 0], residuals[:, 1])
        weights *= np.minimum(1.0, _HUBER_PX / np.maximum(off, _NEAR_AXIS))
    # A small turn w moves a point p by w x p.
    x, y, z = turned.T
    nothing = np.zeros_like(x)
    by_turn = np.array([[nothing, z, -y], [-z, nothing, x], [y, -x, nothing]]).transpose(2, 0, 1)
    jacobian = np.concatenate([by_lens[:, :, chosen], by_point @ by_turn, by_point], axis=2)
    jacobian = jacobian.reshape(views, 2 * len(points_m), -1)
    weighted = (jacobian * np.repeat(weights, 2).reshape(views, -1, 1)).transpose(0, 2, 1)
    squares = weighted @ jacobian
    slopes = (weighted @ residuals.reshape(views, -1, 1))[:, :, 0]
    size = lens_size + _POSE_UNKNOWNS * views
    normal, gradient = np.zeros((size, size)), np.zeros(size)
    for place, (square, slope) in enumerate(zip(squares, slopes, strict=True)):
        first = lens_size + _POSE_UNKNOWNS * place
        here = np.r_[0:lens_size, first : first + _POSE_UNKNOWNS]
        normal[np.ix_(here, here)] += square
        gradient[here] += slope
    if bundle.lens.kind == "fisheye":
        weight = (_CORNER_SIGMA_PX / _COEFFICIENT_SIGMA) ** 2
        for place, unknown in enumerate(chosen):
            if unknown >= 4:
                normal[place, place] += weight
                gradient[place] -= weight * bundle.lens.values[unknown]
    return normal, gradient


def _stepped(bundle: Bundle, step: Array, chosen: NDArray[np.intp]) -> Bundle:
    values = bundle.lens.values.copy()
    values[chosen] += step[: len(chosen)]
    poses = []
    for place, pose in enumerate(bundle.poses):
        first = len(chosen) + _POSE_UNKNOWNS * place
        poses.append(
            BoardPose(
                turn(step[first : first + 3]) @ pose.rotation,
                pose.translation_m + step[first + 3 : first + 6],
            )
        )
    return Bundle(replace(bundle.lens, values=values), tuple(poses))


def _project(lens: LensUnknowns, points_m: Array) -> tuple[Array, Array, Array]:
    """Pixels (n, 2), their slope by the lens's values (n, 2, 8) and by the point (n, 2, 3)."""
    bent, by_k, by_point = _bent(lens, points_m)
    pixels = lens.center_px + lens.focal_px * bent
    by_lens = np.zeros((len(points_m), 2, LENS_UNKNOWNS))
    by_lens[:, 0, 0], by_lens[:, 1, 1] = bent[:, 0], bent[:, 1]
    by_lens[:, 0, 2] = by_lens[:, 1, 3] = 1.0
    by_lens[:, :, 4:] = by_k * lens.focal_px[:, None]
    return pixels, by_lens, by_point * lens.focal_px[:, None]


def _bent(lens: LensUnknowns, points_m: Array) -> tuple[Array, Array, Array]:
    """Where points land for focal length 1 (n, 2), by k (n, 2, 4) and by point (n, 2, 3)."""
    x, y, z = points_m.T
    by_k, by_point = np.zeros((len(points_m), 2, 4)), np.zeros((len(points_m), 2, 3))
    if lens.kind == "pinhole":
        # Behind the camera there is no picture: far away, so that no step leads there.
        depth = np.maximum(z, 1e-6)
        bent = np.column_stack([x / depth, y / depth])
        by_point[:, 0, 0] = by_point[:, 1, 1] = 1 / depth
        by_point[:, :, 2] = -bent / depth[:, None]
        return bent, by_k, by_point
    across = np.maximum(np.hypot(x, y), _NEAR_AXIS)
    theta, square = np.arctan2(across, z), x * x + y * y + z * z
    unit = np.column_stack([x, y]) / across[:, None]
    reach, slope = distorted(theta, lens.k), distortion_slope(theta, lens.k)
    powers = theta[:, None] ** np.array([3, 5, 7, 9])
    by_k = unit[:, :, None] * powers[:, None, :]
    theta_by_point = np.column_stack([unit * (z / square)[:, None], -across / square])
    by_point = (slope[:, None] * unit)[:, :, None] * theta_by_point[:, None, :]
    around = np.column_stack([-unit[:, 1], unit[:, 0]])
    by_point[:, :, :2] += (reach / across)[:, None, None] * around[:, :, None] * around[:, None, :]
    return reach[:, None] * unit, by_k, by_point
