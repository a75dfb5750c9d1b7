"""What one picture tells of a camera: dark, bright, covered, without detail.

What it cannot tell, nobody is told: dirt that leaves the picture sharp elsewhere, a lens that
was turned, a picture that stands still.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.config import SensorSection
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, doubtful, good
from roeh.media.frames import UInt8Image
from roeh.media.masks import mask_of

_DARK, _BRIGHT = 24.0, 235.0
#: Of brightness, where something but noise is to be seen.
_FLAT = 4.0
#: What detail of a pixel or two has of a picture's contrast. Measured on footage and on drawn
#: streets: sharp 0.17 and more; out of focus by 2 px (sigma) 0.03 to 0.05; noise adds to it.
_BLURRED = 0.05
_FINE_PX = 1.2
_COARSE_PX = 4.0


def judge_picture(picture: UInt8Image, section: SensorSection) -> Iterator[Outcome]:
    """Of a picture at the lens's size, (height, width, 3) blue green red, masks black."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.float32)
    seen = _seen(grey.shape, section)
    low, high = (float(value) for value in np.percentile(grey[seen], (5, 95)))
    # Noise is no picture.
    spread = float(cv2.GaussianBlur(grey, (0, 0), _COARSE_PX)[seen].std())
    sharp = sharpness(grey, seen)
    figures = f"brightness {low:.0f} to {high:.0f}, detail {sharp:.2f}"
    if high < _DARK:
        yield doubtful(Code.CAMERA_DARK, f"the picture is nearly black ({figures})")
    elif low > _BRIGHT:
        yield doubtful(Code.CAMERA_BRIGHT, f"the picture is nearly white ({figures})")
    elif spread < _FLAT:
        yield doubtful(Code.CAMERA_COVERED, f"the picture is the same all over ({figures})")
    elif sharp < _BLURRED:
        yield doubtful(Code.CAMERA_BLURRED, f"the picture has hardly any detail ({figures})")
    else:
        yield good(f"the picture is neither dark nor covered nor blurred ({figures})")


def sharpness(grey: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_]) -> float:
    """What the finest detail has of the contrast, 0 to about 1, where the lens draws."""
    fine = grey - cv2.GaussianBlur(grey, (0, 0), _FINE_PX)
    # The rim of a mask or of the image circle is no detail of the street.
    inside = cv2.erode(seen.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    contrast = float(grey[inside].std()) if inside.any() else 0.0
    return float(fine[inside].std()) / contrast if contrast > 0 else 0.0


def _seen(shape: tuple[int, ...], section: SensorSection) -> npt.NDArray[np.bool_]:
    """Where the lens draws and no mask lies: of a fisheye the inner part of its circle."""
    seen = np.ones(shape, np.bool_)
    if section.lens.is_fisheye:
        rows, columns = np.indices(shape)
        height_px, width_px = shape
        x_px, y_px = section.lens.center_px or ((width_px - 1) / 2, (height_px - 1) / 2)
        radius_px = 0.45 * min(height_px, width_px)
        seen = np.hypot(columns - x_px, rows - y_px) < radius_px
    mask = mask_of(section)
    if mask is not None:
        seen &= ~mask
    return seen if seen.any() else np.ones(shape, np.bool_)
