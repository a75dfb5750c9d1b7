"""Where the fit of a lens begins: the focal length and poses that explain the views best. Pure.

No angle of view need be known. For each of a row of focal lengths, as a fisheye and as a
perspective lens, every view's directions give the board's pose directly (a homography of
directions, not of pixels, so that it holds past 90 degrees off axis too); the lens with
the least error is taken.
"""

from __future__ import annotations

import numpy as np

from roeh.calibrate.lens.bundle_fit import (
    BoardPose,
    Bundle,
    FoundCorners,
    LensKind,
    LensUnknowns,
    residuals_of,
)
from roeh.optics.polar import Array, join

#: From a 220 degree circle in the shorter side to a tele lens.
_FOCAL_OF_SIDE = np.geomspace(0.22, 4.0, 16)
#: tan(theta) as a series: a perspective lens in Kannala and Brandt's form.
_PERSPECTIVE_K = (1 / 3, 2 / 15, 17 / 315, 62 / 2835)
_ROUND_K = (0.0, 0.0, 0.0, 0.0)
_WIDEST_RAD = np.radians(115)
#: So many views choose the focal length to begin with.
_VIEWS_ASKED = 7


def starts(
    points_m: Array,
    found: tuple[FoundCorners, ...],
    *,
    kind: LensKind,
    width_px: int,
    height_px: int,
) -> tuple[Bundle, ...]:
    """Beginnings, the likeliest first: as a fisheye and, where it may be, in perspective."""
    begun: list[tuple[float, Bundle]] = []
    forms = (_ROUND_K, _PERSPECTIVE_K) if kind == "fisheye" else (_ROUND_K,)
    some = found[:: max(1, len(found) // _VIEWS_ASKED)]
    for k in forms:
        best: tuple[float, LensUnknowns] | None = None
        is_perspective = kind == "pinhole" or k is _PERSPECTIVE_K
        for ratio in _FOCAL_OF_SIDE:
            focal_px = float(ratio) * min(width_px, height_px)
            center = ((width_px - 1) / 2, (height_px - 1) / 2)
            lens = LensUnknowns(kind, np.array([focal_px, focal_px, *center, *k]))
            bundle = _placed(lens, points_m, some, is_perspective=is_perspective)
            if bundle is None:
                continue
            error = _typical_error(bundle, points_m, some)
            if best is None or error < best[0]:
                best = error, lens
        if best is None:
            continue
        whole = _placed(best[1], points_m, found, is_perspective=is_perspective)
        if whole is not None:
            begun.append((best[0], whole))
    return tuple(bundle for _, bundle in sorted(begun, key=lambda entry: entry[0]))


def pose_of_directions(points_m: Array, directions: Array) -> BoardPose:
    """The pose of a flat board from where each of its points is seen.

    Args:
        points_m: (n, 3), z = 0, four or more.
        directions: (n, 3) in the camera's frame.
    """
    flat = np.column_stack([points_m[:, :2], np.ones(len(points_m))])
    x, y, z = directions.T
    nothing = np.zeros_like(x)
    # d x (H p) = 0: three rows a point, two of them independent.
    crossed = np.array([[nothing, -z, y], [z, nothing, -x], [-y, x, nothing]])
    rows = np.einsum("ijn,nk->nijk", crossed, flat).reshape(-1, 9)
    *_, right = np.linalg.svd(rows, full_matrices=False)
    homography = right[-1].reshape(3, 3)
    if np.sum((flat @ homography.T) * directions) < 0:
        homography = -homography
    scale = np.sqrt(np.linalg.norm(homography[:, 0]) * np.linalg.norm(homography[:, 1]))
    first, second, translation = (homography / max(scale, 1e-12)).T
    left, _, right = np.linalg.svd(np.column_stack([first, second, np.cross(first, second)]))
    rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return BoardPose(rotation, translation)


def _placed(
    lens: LensUnknowns, points_m: Array, found: tuple[FoundCorners, ...], *, is_perspective: bool
) -> Bundle | None:
    """The poses under such a lens; None where it would see what no lens sees."""
    poses = []
    for corners in found:
        offset = (corners.pixels - lens.center_px) / lens.focal_px
        theta = np.hypot(offset[:, 0], offset[:, 1])
        if is_perspective:
            theta = np.arctan(theta)
        if theta.max() > _WIDEST_RAD:
            return None
        poses.append(pose_of_directions(points_m, join(offset, theta)))
    return Bundle(lens, tuple(poses))


def _typical_error(bundle: Bundle, points_m: Array, found: tuple[FoundCorners, ...]) -> float:
    """Of the middle view, so that a few bad ones do not choose; root of the mean square."""
    each = [np.sqrt(np.mean(off**2)) for off in residuals_of(bundle, points_m, found)]
    error = float(np.median(each))
    return error if np.isfinite(error) else np.inf
