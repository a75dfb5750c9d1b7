"""A lens from where a board's points were found in several pictures. Pure.

Objective, method and measured figures: edge/design/calibration.md.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from roeh.calibrate.lens.board import Board
from roeh.calibrate.lens.bundle_fit import (
    BoardPose,
    Bundle,
    FittedBundle,
    FoundCorners,
    LensKind,
    LensUnknowns,
    fit_bundle,
    project,
)
from roeh.calibrate.lens.lens_fit import FittedView, LensFit, LensView, RefusedView
from roeh.calibrate.lens.start import starts
from roeh.core.errors import CalibrationFailed
from roeh.optics.lens import LensModel
from roeh.optics.polar import Array, monotonic_limit_rad, split

LEAST_VIEWS = 6
#: Views whose corners all lie this near to those of another one tell nothing new.
ALIKE_OF_DIAGONAL = 0.01
#: A board that faces the camera is as well a larger one farther off: some have to lean.
LEAST_LEAN_DEG = 10.0
_LEAST_LEANING = 3
#: A focal length less well known than this is not one.
MOST_FOCAL_SIGMA = 0.01
#: In longer sides of the picture: from a 220 degree circle to a lens that shows 3 degrees.
_FOCAL_OF_SIDE = (0.1, 20.0)
#: Pixels are square, or nearly.
_MOST_ASPECT = 1.25
#: From here on no lens explains the views: another board, or not flat, or not this model.
MOST_RMS_PX = 3.0

_OFF_OF_SIGMA, _LEAST_OFF_PX = 6.0, 0.75
_MOST_OFF_SHARE = 0.2
_BAD_VIEW_OF_MEDIAN, _LEAST_BAD_PX = 3.0, 0.5
_ROUNDS = 3
_ROUGH_ITERATIONS = 40
#: Another beginning would lead to the same lens.
_GOOD_START_PX = 0.5
#: The normal distribution's, from the median of absolute values.
_SIGMA_OF_MEDIAN = 1.4826
#: How much worse a fit with fewer coefficients may be to be preferred to one that folds.
_MOST_WORSE = 1.2
_LEAST_ERROR_PX = 0.05
_OUTLINE_POINTS = 24


def fit_lens(
    views: tuple[LensView, ...],
    board: Board,
    *,
    model: LensModel,
    width_px: int,
    height_px: int,
    refused: tuple[RefusedView, ...] = (),
) -> LensFit:
    """The lens that explains the views best.

    Args:
        views: pictures in which the whole board was found, six or more.
        board: what was held.
        model: "kannala_brandt" for any lens; "equidistant" without coefficients; "pinhole"
            without distortion.
        width_px: of all pictures.
        height_px: of all pictures.
        refused: those that were sorted out before; reported with those sorted out here.

    Raises:
        CalibrationFailed: the views tell no lens, with why.
    """
    distinct, alike = _distinct(views, math.hypot(width_px, height_px))
    refused = (*refused, *alike)
    _check_count(distinct, refused)
    points_m = board.points_m
    found = tuple(
        FoundCorners(view.corners_px, np.ones(len(points_m), np.bool_)) for view in distinct
    )
    free = _free(model)
    fitted = _best_start(points_m, found, model, width_px, height_px)
    for _ in range(_ROUNDS):
        bad = _bad_views(fitted, distinct)
        distinct = tuple(view for place, view in enumerate(distinct) if place not in bad)
        refused = (*refused, *bad.values())
        _check_count(distinct, refused)
        kept = [place for place in range(len(found)) if place not in bad]
        bundle = Bundle(fitted.bundle.lens, tuple(fitted.bundle.poses[place] for place in kept))
        residuals = tuple(fitted.residuals_px[place] for place in kept)
        found = tuple(
            FoundCorners(_centers(view, bundle, place, board), _near(residuals, place))
            for place, view in enumerate(distinct)
        )
        fitted = fit_bundle(bundle, points_m, found, free=free)
    fitted = _without_fold(fitted, points_m, found, model)
    fit = _result(fitted, distinct, found, points_m)
    result = replace(fit, model=model, width_px=width_px, height_px=height_px, refused=refused)
    _check_result(result)
    return result


def _distinct(
    views: tuple[LensView, ...], diagonal_px: float
) -> tuple[tuple[LensView, ...], tuple[RefusedView, ...]]:
    """Views that show the board where no earlier one does, and the others."""
    kept: list[LensView] = []
    alike: list[RefusedView] = []
    for view in views:
        twin = next((other for other in kept if _is_alike(view, other, diagonal_px)), None)
        if twin is None:
            kept.append(view)
        else:
            alike.append(RefusedView(view.name, f"the board is where {twin.name} has it"))
    return tuple(kept), tuple(alike)


def _is_alike(one: LensView, other: LensView, diagonal_px: float) -> bool:
    apart = np.linalg.norm(one.corners_px - other.corners_px, axis=1)
    return bool(apart.max() < ALIKE_OF_DIAGONAL * diagonal_px)


def _check_count(views: tuple[LensView, ...], refused: tuple[RefusedView, ...]) -> None:
    if len(views) >= LEAST_VIEWS:
        return
    said = "; ".join(f"{view.name}: {view.reason}" for view in refused[:3])
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    raise CalibrationFailed(
        what=f"{len(views)} usable views, {LEAST_VIEWS} are needed at least",
        which=f"{said}{more}" if said else "too few pictures",
        remedy="take 15 or more, each with the whole board sharp, elsewhere and leaning otherwise",
    )


def _free(model: LensModel, coefficients: int = 4) -> tuple[bool, ...]:
    count = coefficients if model == "kannala_brandt" else 0
    return (True,) * 4 + (True,) * count + (False,) * (4 - count)


def _best_start(
    points_m: Array,
    found: tuple[FoundCorners, ...],
    model: LensModel,
    width_px: int,
    height_px: int,
) -> FittedBundle:
    """From whichever beginning leads to the smaller error; corners far off count less."""
    kind: LensKind = "pinhole" if model == "pinhole" else "fisheye"
    tried: list[FittedBundle] = []
    for start in starts(points_m, found, kind=kind, width_px=width_px, height_px=height_px):
        begun = start
        if model == "equidistant":
            values = np.r_[start.lens.values[:4], np.zeros(4)]
            begun = replace(start, lens=LensUnknowns("fisheye", values))
        tried.append(
            fit_bundle(
                begun,
                points_m,
                found,
                free=_free(model),
                robust=True,
                iterations=_ROUGH_ITERATIONS,
            )
        )
        if _typical_px(tried[-1]) < _GOOD_START_PX:
            break
    if not tried:
        raise CalibrationFailed(
            what="no lens sees the board where the views have it",
            which=f"model {model}",
            remedy="check the board (flat? counted right?) and --model",
        )
    return min(tried, key=_typical_px)


def _typical_px(fitted: FittedBundle) -> float:
    off = np.linalg.norm(np.concatenate(fitted.residuals_px), axis=1)
    return float(np.median(off)) if np.isfinite(off).all() else math.inf


def _near(residuals_px: tuple[Array, ...], place: int) -> np.typing.NDArray[np.bool_]:
    """Which corners of a view are no farther off than corners can be."""
    sigma_px = _SIGMA_OF_MEDIAN * float(np.median(np.abs(np.concatenate(residuals_px))))
    off = np.linalg.norm(residuals_px[place], axis=1)
    near: np.typing.NDArray[np.bool_] = off <= max(_LEAST_OFF_PX, _OFF_OF_SIGMA * sigma_px)
    return near


def _bad_views(fitted: FittedBundle, views: tuple[LensView, ...]) -> dict[int, RefusedView]:
    """Views that disagree with all others, by their place."""
    each_px = [
        _rms_px(residuals[_near(fitted.residuals_px, place)], residuals)
        for place, residuals in enumerate(fitted.residuals_px)
    ]
    limit_px = max(_LEAST_BAD_PX, _BAD_VIEW_OF_MEDIAN * float(np.median(each_px)))
    bad: dict[int, RefusedView] = {}
    for place, (view, rms_px) in enumerate(zip(views, each_px, strict=True)):
        off_share = 1 - float(np.mean(_near(fitted.residuals_px, place)))
        if rms_px > limit_px or off_share > _MOST_OFF_SHARE:
            whole_px = _rms_px(fitted.residuals_px[place])
            reason = f"its corners lie {whole_px:.1f} px off the lens of the other views"
            bad[place] = RefusedView(view.name, reason)
    return bad


def _rms_px(residuals_px: Array, otherwise_px: Array | None = None) -> float:
    rows = residuals_px if len(residuals_px) or otherwise_px is None else otherwise_px
    return float(np.sqrt(np.mean(np.sum(rows**2, axis=1))))


def _centers(view: LensView, bundle: Bundle, place: int, board: Board) -> Array:
    """Where the points themselves are: of a circle, not the middle of its bent outline."""
    if board.kind == "chessboard":
        return view.corners_px
    turn = np.linspace(0, 2 * math.pi, _OUTLINE_POINTS, endpoint=False)
    ring = np.column_stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)]) * board.circle_m / 2
    points, pose = board.points_m, bundle.poses[place]
    outlines = (points[:, None, :] + ring).reshape(-1, 3)
    seen = project(bundle.lens, pose.in_camera(outlines)).reshape(len(points), -1, 2)
    centers = project(bundle.lens, pose.in_camera(points))
    return view.corners_px - (_middles(seen) - centers)


def _middles(outlines_px: Array) -> Array:
    """Centres of area of outlines (n, corners, 2)."""
    origin = outlines_px.mean(axis=1, keepdims=True)
    here = outlines_px - origin
    after = np.roll(here, -1, axis=1)
    cross = here[..., 0] * after[..., 1] - here[..., 1] * after[..., 0]
    weighted = np.sum((here + after) * cross[..., None], axis=1)
    middles: Array = origin[:, 0] + weighted / (3 * cross.sum(axis=1))[:, None]
    return middles


def _without_fold(
    fitted: FittedBundle, points_m: Array, found: tuple[FoundCorners, ...], model: LensModel
) -> FittedBundle:
    """With fewer coefficients, where all four fold the picture just past what was seen."""
    if model != "kannala_brandt":
        return fitted
    wanted_rad = min(1.3 * math.radians(_known_deg(fitted, points_m)), math.radians(110))
    chosen = fitted
    for coefficients in (3, 2, 1):
        if monotonic_limit_rad(chosen.bundle.lens.k) >= wanted_rad:
            return chosen
        values = fitted.bundle.lens.values.copy()
        values[4 + coefficients :] = 0.0
        begun = replace(fitted.bundle, lens=replace(fitted.bundle.lens, values=values))
        chosen = fit_bundle(begun, points_m, found, free=_free(model, coefficients))
        if _typical_px(chosen) > _MOST_WORSE * _typical_px(fitted):
            return fitted
    return chosen


def _known_deg(fitted: FittedBundle, points_m: Array) -> float:
    sights = np.concatenate([pose.in_camera(points_m) for pose in fitted.bundle.poses])
    return math.degrees(float(split(sights)[0].max()))


def _check_result(fit: LensFit) -> None:
    """Refuse figures that would be nonsense.

    Raises:
        CalibrationFailed: with why.
    """
    if not fit.rms_px <= MOST_RMS_PX:
        raise CalibrationFailed(
            what=f"no such lens explains the views (they are {fit.rms_px:.1f} px off)",
            which=f"model {fit.model}",
            remedy="check the board (flat? counted right?) and --model",
        )
    leaning = sum(view.lean_deg >= LEAST_LEAN_DEG for view in fit.views)
    share = max(
        sigma / focal for sigma, focal in zip(fit.focal_sigma_px, fit.focal_px, strict=True)
    )
    if leaning < _LEAST_LEANING or not _is_plausible(fit) or share > MOST_FOCAL_SIGMA:
        raise CalibrationFailed(
            what="the views do not tell the focal length",
            which=f"{len(fit.views)} views, {leaning} of them leaning by {LEAST_LEAN_DEG:.0f} "
            f"degrees or more: known to {100 * min(abs(share), 9.99):.1f} %",
            remedy="lean the board 30 to 45 degrees, each time another way, also near the rim",
        )
    x, y = fit.center_px
    if not (0 <= x < fit.width_px and 0 <= y < fit.height_px):
        raise CalibrationFailed(
            what="the views put the lens's axis outside the picture",
            which=f"center ({x:.0f}, {y:.0f}) in {fit.width_px}x{fit.height_px}",
            remedy="show the board on every side of the picture; pictures must not be cropped",
        )


def _is_plausible(fit: LensFit) -> bool:
    """Whether any camera has such a focal length."""
    side_px = max(fit.width_px, fit.height_px)
    least, most = (share * side_px for share in _FOCAL_OF_SIDE)
    fx, fy = fit.focal_px
    return least < min(fx, fy) and max(fx, fy) < most and max(fx / fy, fy / fx) < _MOST_ASPECT


def _result(
    fitted: FittedBundle,
    views: tuple[LensView, ...],
    found: tuple[FoundCorners, ...],
    points_m: Array,
) -> LensFit:
    """The figures of a fit; model, size and refused views are for the caller to fill in."""
    fitted_views = tuple(
        FittedView(
            name=view.name,
            corners_px=corners.pixels,
            residuals_px=residuals,
            is_used=corners.is_used,
            rms_px=_rms_px(residuals[corners.is_used]),
            lean_deg=_lean_deg(pose, points_m),
        )
        for view, corners, residuals, pose in zip(
            views, found, fitted.residuals_px, fitted.bundle.poses, strict=True
        )
    )
    used = np.concatenate([view.residuals_px[view.is_used] for view in fitted_views])
    freedom = max(used.size - fitted.unknowns, 1)
    variance = max(float(np.sum(used**2)) / freedom, _LEAST_ERROR_PX**2)
    sigma = np.sqrt(np.maximum(np.diag(fitted.lens_covariance), 0.0) * variance)
    fx, fy, cx, cy = fitted.bundle.lens.values[:4].tolist()
    fx_sigma, fy_sigma, cx_sigma, cy_sigma, k1, k2, k3, k4 = sigma.tolist()
    return LensFit(
        model="kannala_brandt",
        width_px=0,
        height_px=0,
        focal_px=(fx, fy),
        center_px=(cx, cy),
        k=fitted.bundle.lens.k,
        focal_sigma_px=(fx_sigma, fy_sigma),
        center_sigma_px=(cx_sigma, cy_sigma),
        k_sigma=(k1, k2, k3, k4),
        rms_px=_rms_px(used),
        known_deg=_known_deg(fitted, points_m),
        views=fitted_views,
        refused=(),
    )


def _lean_deg(pose: BoardPose, points_m: Array) -> float:
    sight = pose.in_camera(points_m).mean(axis=0)
    facing = abs(float(pose.rotation[:, 2] @ sight)) / float(np.linalg.norm(sight))
    return math.degrees(math.acos(min(facing, 1.0)))
