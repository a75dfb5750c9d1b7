"""Points of the ground that were marked in a picture, and what they cannot tell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NoReturn

import msgspec
import numpy as np

from roeh.core.errors import CalibrationFailed
from roeh.optics.lens import Lens
from roeh.optics.polar import Array

#: Points nearer to each other are one point.
_SAME_M, _SAME_PX = 0.3, 4.0
#: What is known no better than this is not known.
_MAX_TILT_SIGMA_DEG, _MAX_HEADING_SIGMA_DEG, _MAX_HEIGHT_SIGMA_M = 1.0, 2.0, 0.25


class MarkedPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the ground, marked in the picture and measured outside.

    Attributes:
        name: by which it is named when it is wrong.
        x_px: in the sensor's picture.
        y_px: in the sensor's picture.
        east_m: from the foot of the pole.
        north_m: from the foot of the pole.
        sigma_px: how well it is marked, each way.
        sigma_m: how well it is measured, each way.
    """

    name: str
    x_px: float
    y_px: float
    east_m: float
    north_m: float
    sigma_px: float = 1.0
    sigma_m: float = 0.03


def check_points(points: Sequence[MarkedPoint], lens: Lens, *, is_height_measured: bool) -> None:
    """Refuse points that no pose can be told from, whatever it is.

    Raises:
        CalibrationFailed: too few, one given twice, or marked where the lens sees nothing.
    """
    if points:
        marked = np.asarray([(point.x_px, point.y_px) for point in points])
        for point, inside in zip(points, lens.inside(marked), strict=True):
            if not inside:
                raise CalibrationFailed(
                    what="marked where the lens sees nothing",
                    which=f"point {point.name} at ({point.x_px:g}, {point.y_px:g}) px",
                    remedy=f"mark it in the picture of {lens.width_px}x{lens.height_px} px, "
                    "within the image circle",
                )
    for one, other in itertools.combinations(points, 2):
        _check_apart(one, other)
    needed = 2 if is_height_measured else 3
    if len(points) < needed:
        raise CalibrationFailed(
            what="too few ground points",
            which=f"{len(points)} of {needed}",
            remedy="two give the heading, three tilt and roll or the height, "
            "four and more find a mistyped one",
        )


def check_determined(points: Sequence[MarkedPoint], covariance: Array) -> None:
    """Refuse points that stand so that they leave something open.

    Args:
        points: that count.
        covariance: of turns about east, north and up (radians), and of the height (m), as
            the points' sigmas make it: the inverse of the normal matrix.

    Raises:
        CalibrationFailed: which of them, how uncertain, and what would tell.
    """
    if not np.isfinite(covariance).all():
        _refuse_undetermined("tilt, heading and height are not told apart", points)
    tilt_deg = math.degrees(math.sqrt(float(np.linalg.eigvalsh(covariance[:2, :2])[-1])))
    heading_deg = math.degrees(math.sqrt(float(covariance[2, 2])))
    height_m = math.sqrt(float(covariance[3, 3]))
    if heading_deg > _MAX_HEADING_SIGMA_DEG:
        _refuse_undetermined(f"heading uncertain by {heading_deg:.1f} degrees", points)
    if tilt_deg > _MAX_TILT_SIGMA_DEG:
        _refuse_undetermined(f"tilt uncertain by {tilt_deg:.1f} degrees", points)
    if height_m > _MAX_HEIGHT_SIGMA_M:
        _refuse_undetermined(f"height uncertain by {height_m:.2f} m", points)


def refuse_disagreeing(points: Sequence[MarkedPoint], growth: float) -> NoReturn:
    """Refuse points that are not points of one ground seen by one camera.

    Raises:
        CalibrationFailed: always.
    """
    remedy = (
        "measure and mark them again; from four points on a mistyped one is named"
        if len(points) < 4
        else "check the lens, the height and every point; no single one is to blame"
    )
    raise CalibrationFailed(
        what=f"the ground points disagree by {growth:.0f} times their sigma",
        which=", ".join(point.name for point in points),
        remedy=remedy,
    )


def _check_apart(one: MarkedPoint, other: MarkedPoint) -> None:
    near_m = math.dist((one.east_m, one.north_m), (other.east_m, other.north_m)) < _SAME_M
    near_px = math.dist((one.x_px, one.y_px), (other.x_px, other.y_px)) < _SAME_PX
    if one.name == other.name or near_m or near_px:
        where = "in the picture" if near_px else "on the ground"
        raise CalibrationFailed(
            what="two points of one name" if one.name == other.name else f"one point twice {where}",
            which=f"{one.name} and {other.name}",
            remedy="leave one of them out, or correct the one that was mistyped",
        )


def _refuse_undetermined(what: str, points: Sequence[MarkedPoint]) -> NoReturn:
    raise CalibrationFailed(
        what=f"the ground points do not tell the pose: {what}",
        which=", ".join(point.name for point in points),
        remedy=_missing(points),
    )


def _missing(points: Sequence[MarkedPoint]) -> str:
    """Which further point would help."""
    places = np.asarray([(point.east_m, point.north_m) for point in points])
    ranges = np.hypot(*places.T)
    spread = places - places.mean(axis=0)
    along, across = np.sqrt(np.linalg.eigvalsh(spread.T @ spread / len(places)))[::-1]
    if ranges.max() < 2.0:
        return "they are all at the foot of the pole: add points 5 to 15 m away"
    if across < 0.1 * along:
        return "they lie on one line: add a point well beside it"
    if ranges.max() - ranges.min() < 0.25 * ranges.max():
        return "they are all at one range: add a point much nearer or farther"
    return "they lie too near to each other: spread them over the whole picture"
