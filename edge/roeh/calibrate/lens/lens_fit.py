"""What a calibration of a lens starts from and what it finds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from roeh.optics.lens import KannalaBrandt, Lens, LensModel, Pinhole
from roeh.optics.polar import Array, monotonic_limit_rad

_MAX_FOV_DEG = 220.0


@dataclass(frozen=True, slots=True)
class LensView:
    """A picture's name and where the board's points were found in it, (n, 2)."""

    name: str
    corners_px: Array


@dataclass(frozen=True, slots=True)
class RefusedView:
    """A picture that was not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FittedView:
    """How well a view agrees with the lens.

    Attributes:
        name: of the picture.
        corners_px: where the board's points were found, (n, 2).
        residuals_px: found minus expected, (n, 2).
        is_used: which of them the lens rests on, (n,).
        rms_px: of those, root of the mean squared distance.
        lean_deg: angle between the board and a board that faces the camera.
    """

    name: str
    corners_px: Array
    residuals_px: Array
    is_used: np.typing.NDArray[np.bool_]
    rms_px: float
    lean_deg: float


@dataclass(frozen=True, slots=True)
class LensFit:
    """A lens, how well it is known, and the views it rests on.

    Attributes:
        model: as in node.toml.
        width_px: of the pictures.
        height_px: of the pictures.
        focal_px: (fx, fy).
        center_px: where the optical axis lands.
        k: coefficients; zeros unless model is "kannala_brandt".
        focal_sigma_px: one standard deviation, from the fit.
        center_sigma_px: likewise.
        k_sigma: likewise.
        rms_px: of all corners used.
        known_deg: largest angle off the axis at which a corner was seen.
        views: those used.
        refused: those not.
    """

    model: LensModel
    width_px: int
    height_px: int
    focal_px: tuple[float, float]
    center_px: tuple[float, float]
    k: tuple[float, float, float, float]
    focal_sigma_px: tuple[float, float]
    center_sigma_px: tuple[float, float]
    k_sigma: tuple[float, float, float, float]
    rms_px: float
    known_deg: float
    views: tuple[FittedView, ...]
    refused: tuple[RefusedView, ...]

    @property
    def leans_deg(self) -> tuple[float, float]:
        """Least and most lean of the board."""
        leans = [view.lean_deg for view in self.views]
        return min(leans), max(leans)

    @property
    def limit_deg(self) -> float:
        """Full angle up to which the model has one direction for each pixel, at most 220."""
        if self.model == "pinhole":
            return 2 * math.degrees(self.lens(170.0).max_angle_rad)
        return min(_MAX_FOV_DEG, 2 * math.degrees(monotonic_limit_rad(self.k)) - 0.1)

    def lens(self, fov_deg: float) -> Lens:
        """As the product's geometry has it, seeing `fov_deg` (a pinhole: its whole picture)."""
        size = self.width_px, self.height_px
        if self.model == "pinhole":
            return Pinhole(*size, self.focal_px, self.center_px)
        return KannalaBrandt(*size, self.focal_px, self.center_px, self.k, fov_deg)
