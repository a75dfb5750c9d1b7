"""What no lens can have: each check refuses with the field, its value and the remedy."""

from __future__ import annotations

import math

from roeh.core.errors import LensError


def check_size(width_px: int, height_px: int) -> None:
    """Refuse a picture size in pixels that no camera has."""
    for name, value in (("width_px", width_px), ("height_px", height_px)):
        if not 2 <= value <= 16384:
            raise LensError(
                what="impossible picture size",
                which=f"{name} = {value}",
                remedy="give the size of the camera's picture in pixels, 2 to 16384",
            )


def check_fov(fov_deg: float, limit_deg: float) -> None:
    """Refuse a full angle outside 1 to limit_deg."""
    if not (math.isfinite(fov_deg) and 1.0 <= fov_deg <= limit_deg):
        raise LensError(
            what="impossible field of view",
            which=f"fov_deg = {fov_deg:g}",
            remedy=f"give the full angle in degrees, 1 to {limit_deg:g}",
        )


def check_center(center_px: tuple[float, float], width_px: int, height_px: int) -> None:
    """Refuse an optical axis that lands outside the picture."""
    x, y = center_px
    if not (-0.5 <= x <= width_px - 0.5 and -0.5 <= y <= height_px - 0.5):
        raise LensError(
            what="the lens centre lies outside the picture",
            which=f"center_px = [{x:g}, {y:g}] in {width_px}x{height_px}",
            remedy="give the pixel (x, y) in which the optical axis lands",
        )


def check_positive(name: str, value: float) -> None:
    """Refuse a length in pixels that is not positive."""
    if not (math.isfinite(value) and value > 0):
        raise LensError(
            what="impossible lens value",
            which=f"{name} = {value:g}",
            remedy="give a positive number of pixels",
        )


def check_pair(name: str, values: tuple[float, float]) -> None:
    """Refuse (x, y) lengths in pixels unless both are positive."""
    for value in values:
        check_positive(name, value)


def check_coefficients(k: tuple[float, ...]) -> None:
    """Refuse anything but four finite coefficients."""
    if len(k) != 4 or not all(math.isfinite(value) for value in k):
        raise LensError(
            what="impossible distortion",
            which=f"k = {list(k)}",
            remedy="give the four coefficients k1 to k4",
        )
