"""Lens models: where a direction lands in the picture, and the way back.

Camera frame as in OpenCV: x right, y down, z forward along the optical axis. Pixel
coordinates are floats with the centre of the top-left pixel at (0, 0); a picture of
width w spans [-0.5, w - 0.5]. All functions take and give arrays of n rows in float64.

Sources: Kannala & Brandt, "A generic camera model and calibration method for
conventional, wide-angle, and fish-eye lenses", TPAMI 28(8), 2006; the four-coefficient
form is that of OpenCV's fisheye module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from roeh.core.config.sensor_schema import FISHEYE_FROM_DEG
from roeh.core.errors import LensError
from roeh.optics.lens_checks import (
    check_center,
    check_coefficients,
    check_fov,
    check_pair,
    check_positive,
    check_size,
)
from roeh.optics.polar import (
    Array,
    distorted,
    distortion_slope,
    in_frame,
    join,
    monotonic_limit_rad,
    only,
    rows_of,
    split,
)

LensModel = Literal["equidistant", "kannala_brandt", "pinhole"]

MAX_FISHEYE_FOV_DEG = 220.0
MAX_PINHOLE_FOV_DEG = 170.0
_EDGE_TOLERANCE_RAD = 1e-9
_INVERSE_TABLE_SIZE = 1024


class Lens(Protocol):
    """What a camera's optics do, without where the camera stands."""

    @property
    def width_px(self) -> int:
        """Width of the picture."""

    @property
    def height_px(self) -> int:
        """Height of the picture."""

    @property
    def axis_px(self) -> tuple[float, float]:
        """Pixel (x, y) in which the optical axis lands."""

    @property
    def max_angle_rad(self) -> float:
        """Largest visible angle from the optical axis."""

    def project(self, directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3), any length, to pixels (n, 2).

        NaN where not visible; with `beyond`, continued over the rim of the picture and
        of the image circle as far as the model goes, and NaN only past that.
        """

    def unproject(self, pixels: Array) -> Array:
        """Pixels (n, 2) to unit directions (n, 3).

        Pixels outside the picture or the image circle are continued as far as the
        model goes (a box may reach over the rim) and are NaN beyond; `inside` tells
        what the camera really sees.
        """

    def inside(self, pixels: Array) -> NDArray[np.bool_]:
        """Whether each pixel (n, 2) lies in the picture and in the image circle: (n,)."""

    def scaled_to(self, width_px: int, height_px: int) -> Lens:
        """The same lens seen through a picture of another size but the same aspect."""


@dataclass(frozen=True, slots=True)
class Equidistant:
    """Fisheye whose radius grows linearly with the angle: r = f * theta.

    Args:
        width_px: width of the picture.
        height_px: height of the picture.
        fov_deg: full angle across the image circle, up to 220.
        center_px: centre of the image circle; default the middle of the picture.
        radius_px: radius of the image circle; default touches the shorter side.

    Raises:
        LensError: a value no camera can have.
    """

    width_px: int
    height_px: int
    fov_deg: float
    center_px: tuple[float, float] | None = None
    radius_px: float | None = None

    def __post_init__(self) -> None:
        check_size(self.width_px, self.height_px)
        check_fov(self.fov_deg, MAX_FISHEYE_FOV_DEG)
        check_center(self.axis_px, self.width_px, self.height_px)
        check_positive("radius_px", self.circle_radius_px)

    @property
    def axis_px(self) -> tuple[float, float]:
        """Pixel (x, y) in which the optical axis lands."""
        return self.center_px or _middle(self.width_px, self.height_px)

    @property
    def circle_radius_px(self) -> float:
        """Radius of the image circle."""
        return _circle_radius(self.radius_px, self.width_px, self.height_px)

    @property
    def max_angle_rad(self) -> float:
        """Largest visible angle from the optical axis."""
        return math.radians(self.fov_deg / 2)

    @property
    def focal_px(self) -> float:
        """Pixels per radian."""
        return self.circle_radius_px / self.max_angle_rad

    def project(self, directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) to pixels (n, 2); NaN where not visible, unless `beyond`."""
        theta, unit_xy = split(directions)
        pixels: Array = np.asarray(self.axis_px) + self.focal_px * theta[:, None] * unit_xy
        if beyond:
            return pixels
        visible = theta <= self.max_angle_rad + _EDGE_TOLERANCE_RAD
        return only(pixels, visible & in_frame(pixels, self.width_px, self.height_px))

    def unproject(self, pixels: Array) -> Array:
        """Pixels (n, 2) to unit directions (n, 3); NaN beyond 180 degrees off axis."""
        offset = (rows_of(pixels, 2) - np.asarray(self.axis_px)) / self.focal_px
        return join(offset, np.hypot(offset[:, 0], offset[:, 1]))

    def inside(self, pixels: Array) -> NDArray[np.bool_]:
        """Whether each pixel (n, 2) lies in the picture and in the image circle."""
        rows = rows_of(pixels, 2)
        offset = (rows - np.asarray(self.axis_px)) / self.focal_px
        theta = np.hypot(offset[:, 0], offset[:, 1])
        in_circle: NDArray[np.bool_] = theta <= self.max_angle_rad + _EDGE_TOLERANCE_RAD
        return in_circle & in_frame(rows, self.width_px, self.height_px)

    def scaled_to(self, width_px: int, height_px: int) -> Equidistant:
        """The same lens in a picture of another size but the same aspect."""
        scale = _scale(self, width_px, height_px)
        # The circle's radius is counted between pixel centres, hence written out.
        return replace(
            self,
            width_px=width_px,
            height_px=height_px,
            center_px=_scaled_point(self.axis_px, scale),
            radius_px=self.circle_radius_px * scale,
        )


@dataclass(frozen=True, slots=True)
class KannalaBrandt:
    """Calibrated fisheye: theta_d = theta (1 + k1 theta^2 + ... + k4 theta^8).

    Agrees with cv2.fisheye below 90 degrees off axis and goes on beyond it.

    Args:
        width_px: width of the picture.
        height_px: height of the picture.
        focal_px: (fx, fy), pixels per radian on the axis.
        center_px: principal point.
        k: k1 to k4.
        fov_deg: full visible angle, up to 220.

    Raises:
        LensError: a value no camera can have, or a distortion that folds back within
            the field of view, so that two directions share one pixel.
    """

    width_px: int
    height_px: int
    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    k: tuple[float, float, float, float]
    fov_deg: float
    _inverse: tuple[Array, Array] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_size(self.width_px, self.height_px)
        check_fov(self.fov_deg, MAX_FISHEYE_FOV_DEG)
        check_center(self.center_px, self.width_px, self.height_px)
        check_pair("focal_px", self.focal_px)
        check_coefficients(self.k)
        limit_rad = monotonic_limit_rad(self.k)
        if limit_rad < self.max_angle_rad:
            raise LensError(
                what="the distortion folds back within the field of view",
                which=f"k = {list(self.k)} at {math.degrees(limit_rad):.1f} degrees off axis",
                remedy=f"correct k, or lower fov_deg below {2 * math.degrees(limit_rad):.0f}",
            )
        theta = np.linspace(0.0, limit_rad, _INVERSE_TABLE_SIZE)
        object.__setattr__(self, "_inverse", (distorted(theta, self.k), theta))

    @classmethod
    def from_fov(
        cls,
        width_px: int,
        height_px: int,
        fov_deg: float,
        *,
        k: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
        center_px: tuple[float, float] | None = None,
        radius_px: float | None = None,
    ) -> KannalaBrandt:
        """The lens whose field of view just fills the image circle.

        Args:
            width_px: width of the picture.
            height_px: height of the picture.
            fov_deg: full visible angle, up to 220.
            k: k1 to k4.
            center_px: principal point; default the middle of the picture.
            radius_px: radius of the image circle; default touches the shorter side.

        Raises:
            LensError: as for the class.
        """
        check_size(width_px, height_px)
        check_fov(fov_deg, MAX_FISHEYE_FOV_DEG)
        check_coefficients(k)
        rim = float(distorted(np.asarray([math.radians(fov_deg / 2)]), k)[0])
        if rim <= 0:
            raise LensError(
                what="the distortion folds back within the field of view",
                which=f"k = {list(k)}",
                remedy="correct k, or lower fov_deg",
            )
        focal_px = _circle_radius(radius_px, width_px, height_px) / rim
        return cls(
            width_px,
            height_px,
            (focal_px, focal_px),
            center_px or _middle(width_px, height_px),
            k,
            fov_deg,
        )

    @property
    def axis_px(self) -> tuple[float, float]:
        """Pixel (x, y) in which the optical axis lands."""
        return self.center_px

    @property
    def max_angle_rad(self) -> float:
        """Largest visible angle from the optical axis."""
        return math.radians(self.fov_deg / 2)

    def project(self, directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) to pixels (n, 2); NaN where not visible, unless `beyond`."""
        theta, unit_xy = split(directions)
        bent = distorted(theta, self.k)[:, None] * unit_xy
        pixels: Array = np.asarray(self.center_px) + np.asarray(self.focal_px) * bent
        if beyond:
            return only(pixels, theta <= self._inverse[1][-1])
        visible = theta <= self.max_angle_rad + _EDGE_TOLERANCE_RAD
        return only(pixels, visible & in_frame(pixels, self.width_px, self.height_px))

    def unproject(self, pixels: Array) -> Array:
        """Pixels (n, 2) to unit directions (n, 3); NaN where the distortion folds back."""
        offset = (rows_of(pixels, 2) - np.asarray(self.center_px)) / np.asarray(self.focal_px)
        return join(offset, self._straighten(np.hypot(offset[:, 0], offset[:, 1])))

    def inside(self, pixels: Array) -> NDArray[np.bool_]:
        """Whether each pixel (n, 2) lies in the picture and in the image circle."""
        rows = rows_of(pixels, 2)
        offset = (rows - np.asarray(self.center_px)) / np.asarray(self.focal_px)
        theta = self._straighten(np.hypot(offset[:, 0], offset[:, 1]))
        # NaN (beyond the fold) compares false, which is the right answer.
        in_circle: NDArray[np.bool_] = theta <= self.max_angle_rad + _EDGE_TOLERANCE_RAD
        return in_circle & in_frame(rows, self.width_px, self.height_px)

    def scaled_to(self, width_px: int, height_px: int) -> KannalaBrandt:
        """The same lens in a picture of another size but the same aspect."""
        scale = _scale(self, width_px, height_px)
        return replace(
            self,
            width_px=width_px,
            height_px=height_px,
            focal_px=(self.focal_px[0] * scale, self.focal_px[1] * scale),
            center_px=_scaled_point(self.center_px, scale),
        )

    def _straighten(self, bent: Array) -> Array:
        """Theta from theta_d: table lookup, then Newton to machine precision."""
        table_bent, table_theta = self._inverse
        theta = np.interp(bent, table_bent, table_theta)
        for _ in range(3):
            slope = np.maximum(distortion_slope(theta, self.k), 1e-6)
            theta = np.clip(theta - (distorted(theta, self.k) - bent) / slope, 0.0, table_theta[-1])
        return np.where(bent <= table_bent[-1], theta, np.nan)


@dataclass(frozen=True, slots=True)
class Pinhole:
    """Ordinary perspective camera without distortion.

    A narrow lens with strong distortion is better given as `KannalaBrandt`.

    Args:
        width_px: width of the picture.
        height_px: height of the picture.
        focal_px: (fx, fy).
        center_px: principal point; default the middle of the picture.

    Raises:
        LensError: a value no camera can have.
    """

    width_px: int
    height_px: int
    focal_px: tuple[float, float]
    center_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_size(self.width_px, self.height_px)
        check_pair("focal_px", self.focal_px)
        check_center(self.axis_px, self.width_px, self.height_px)

    @classmethod
    def from_hfov(
        cls,
        width_px: int,
        height_px: int,
        hfov_deg: float,
        center_px: tuple[float, float] | None = None,
    ) -> Pinhole:
        """The camera whose picture is `hfov_deg` wide, with square pixels."""
        check_size(width_px, height_px)
        check_fov(hfov_deg, MAX_PINHOLE_FOV_DEG)
        focal_px = width_px / 2 / math.tan(math.radians(hfov_deg / 2))
        return cls(width_px, height_px, (focal_px, focal_px), center_px)

    @property
    def axis_px(self) -> tuple[float, float]:
        """Pixel (x, y) in which the optical axis lands."""
        return self.center_px or _middle(self.width_px, self.height_px)

    @property
    def max_angle_rad(self) -> float:
        """Largest visible angle from the optical axis: that of the farthest corner."""
        (cx, cy), (fx, fy) = self.axis_px, self.focal_px
        x = max(cx + 0.5, self.width_px - 0.5 - cx) / fx
        y = max(cy + 0.5, self.height_px - 0.5 - cy) / fy
        return math.atan(math.hypot(x, y))

    def project(self, directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) to pixels (n, 2); NaN where not visible, unless `beyond`."""
        rows = rows_of(directions, 3)
        ahead = rows[:, 2] > 0
        depth = np.where(ahead, rows[:, 2], np.nan)[:, None]
        with np.errstate(over="ignore"):
            pixels = np.asarray(self.axis_px) + np.asarray(self.focal_px) * rows[:, :2] / depth
        if beyond:
            return only(pixels, ahead)
        return only(pixels, ahead & in_frame(pixels, self.width_px, self.height_px))

    def unproject(self, pixels: Array) -> Array:
        """Pixels (n, 2) to unit directions (n, 3)."""
        offset = (rows_of(pixels, 2) - np.asarray(self.axis_px)) / np.asarray(self.focal_px)
        directions = np.column_stack([offset, np.ones(len(offset))])
        unit: Array = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        return unit

    def inside(self, pixels: Array) -> NDArray[np.bool_]:
        """Whether each pixel (n, 2) lies in the picture."""
        return in_frame(rows_of(pixels, 2), self.width_px, self.height_px)

    def scaled_to(self, width_px: int, height_px: int) -> Pinhole:
        """The same lens in a picture of another size but the same aspect."""
        scale = _scale(self, width_px, height_px)
        return replace(
            self,
            width_px=width_px,
            height_px=height_px,
            focal_px=(self.focal_px[0] * scale, self.focal_px[1] * scale),
            center_px=_scaled_point(self.axis_px, scale),
        )


def is_fisheye(lens: Lens) -> bool:
    """Whether the picture has to be taken apart: the lens sees too far round for one tile.

    Not so a calibrated ordinary lens, though it is a `KannalaBrandt`.
    """
    return not isinstance(lens, Pinhole) and lens.max_angle_rad > math.radians(FISHEYE_FROM_DEG / 2)


def lens_of(
    model: str,
    *,
    width_px: int,
    height_px: int,
    fov_deg: float,
    center_px: tuple[float, float] | None = None,
    k: tuple[float, float, float, float] | None = None,
    focal_px: tuple[float, float] | None = None,
    radius_px: float | None = None,
) -> Lens:
    """The lens that a configuration describes.

    Args:
        model: "equidistant", "kannala_brandt" or "pinhole".
        width_px: width of the picture.
        height_px: height of the picture.
        fov_deg: full visible angle; for a pinhole across the picture's width.
        center_px: where the optical axis lands; default the middle of the picture.
        k: distortion of a Kannala-Brandt lens. An "equidistant" lens that carries k
            is one, and is taken as such.
        focal_px: calibrated (fx, fy); default from fov_deg.
        radius_px: radius of the image circle; default touches the shorter side.

    Raises:
        LensError: an unknown model, or values no such camera can have.
    """
    if model == "pinhole":
        if focal_px is not None:
            return Pinhole(width_px, height_px, focal_px, center_px)
        return Pinhole.from_hfov(width_px, height_px, fov_deg, center_px)
    if model not in ("equidistant", "kannala_brandt"):
        raise LensError(
            what="unknown lens model",
            which=f'model = "{model}"',
            remedy='write "equidistant", "kannala_brandt" or "pinhole"',
        )
    if model == "equidistant" and k is None and focal_px is None:
        return Equidistant(width_px, height_px, fov_deg, center_px, radius_px)
    bend = k or (0.0, 0.0, 0.0, 0.0)
    if focal_px is None:
        return KannalaBrandt.from_fov(
            width_px, height_px, fov_deg, k=bend, center_px=center_px, radius_px=radius_px
        )
    middle_px = center_px or _middle(width_px, height_px)
    return KannalaBrandt(width_px, height_px, focal_px, middle_px, bend, fov_deg)


def _middle(width_px: int, height_px: int) -> tuple[float, float]:
    return (width_px - 1) / 2, (height_px - 1) / 2


def _circle_radius(radius_px: float | None, width_px: int, height_px: int) -> float:
    return (min(width_px, height_px) - 1) / 2 if radius_px is None else radius_px


def _scaled_point(point_px: tuple[float, float], scale: float) -> tuple[float, float]:
    # Pixel centres are at whole numbers, hence the half pixel.
    return (point_px[0] + 0.5) * scale - 0.5, (point_px[1] + 0.5) * scale - 0.5


def _scale(lens: Lens, width_px: int, height_px: int) -> float:
    check_size(width_px, height_px)
    scale = width_px / lens.width_px
    if abs(lens.height_px * scale - height_px) > 1:
        raise LensError(
            what="the picture has another aspect than its lens",
            which=f"{width_px}x{height_px}, lens for {lens.width_px}x{lens.height_px}",
            remedy="set width_px and height_px of the lens to the size it was calibrated at",
        )
    return scale
