"""Residuals as arrows over a picture, with a scale bar: what is left over, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.media.frames import UInt8Image
from roeh.media.lettering import Color, text_size, write
from roeh.optics.polar import Array

POINT: Color = (255, 190, 60)
ARROW: Color = (60, 220, 255)
LEFT_OUT: Color = (80, 80, 255)
TEXT: Color = (240, 240, 240)
LANE: Color = (30, 30, 30)

#: The typical arrow is drawn about this share of the picture's longer side.
_ARROW_OF_SIDE = 0.02
#: Positions are given to OpenCV in parts of a pixel.
_SHIFT = 4
#: Capitals, in units of the picture; and beside a bar.
_LETTER_OF_UNIT, _ROW_LETTER_PX = 9.0, 10.0
_DIM = 0.45


def backdrop_of(picture: UInt8Image) -> UInt8Image:
    """A picture, gray or in colour, dimmed so that what is drawn on it stands out: BGR."""
    colored = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) if picture.ndim == 2 else picture
    return np.asarray(cv2.convertScaleAbs(colored, alpha=_DIM), np.uint8)


def draw_residuals(
    picture: UInt8Image,
    points_px: Array,
    residuals_px: Array,
    *,
    is_used: NDArray[np.bool_] | None = None,
    names: Sequence[str] = (),
) -> UInt8Image:
    """Where points were found, and by how much that is off what the result expects.

    Args:
        picture: (height, width) or (height, width, 3), not changed.
        points_px: where they were found, (n, 2).
        residuals_px: found minus expected, (n, 2); NaN rows are marked without an arrow.
        is_used: those the result rests on; the others are drawn in red.
        names: written beside the points, where given.

    Returns:
        (height, width, 3) BGR with a bar that says how long a pixel is drawn.
    """
    canvas = backdrop_of(picture)
    used = np.ones(len(points_px), np.bool_) if is_used is None else is_used
    unit = _unit_px(canvas)
    length = np.hypot(residuals_px[:, 0], residuals_px[:, 1])
    told = length[np.isfinite(length) & used]
    typical_px = float(np.sqrt(np.mean(told**2))) if told.size else 1.0
    magnification = _round_figure(_ARROW_OF_SIDE * max(canvas.shape[:2]) / max(typical_px, 1e-3))
    for point, residual, is_good in zip(points_px, residuals_px, used, strict=True):
        color = ARROW if is_good else LEFT_OUT
        cv2.circle(
            canvas, _fixed(point), round(1.6 * unit * 2**_SHIFT), POINT, -1, cv2.LINE_AA, _SHIFT
        )
        if np.isfinite(residual).all():
            tip = point + residual * magnification
            start, end = _fixed(point), _fixed(tip)
            cv2.arrowedLine(canvas, start, end, color, max(1, unit // 2), cv2.LINE_AA, _SHIFT, 0.25)
    for point, name in zip(points_px, names, strict=False):
        x, y = (point + 4 * unit).round().astype(int).tolist()
        _write(canvas, name, (x, y), unit)
    _draw_scale_bar(canvas, magnification, typical_px, unit)
    return canvas


def draw_bars(values: Sequence[float], names: Sequence[str], unit_text: str) -> UInt8Image:
    """A bar for each value under its name, with the median as a line: (height, 1000, 3) BGR."""
    row_px, width_px, left_px = 26, 1000, 260
    canvas = np.full((row_px * len(values) + 44, width_px, 3), LANE, np.uint8)
    most = max([*values, 1e-6])
    room_px = width_px - left_px - 110
    for place, (value, name) in enumerate(zip(values, names, strict=True)):
        top = 8 + place * row_px
        shown = name if len(name) <= 24 else f"...{name[-21:]}"
        write(canvas, shown, (10, top + 17), _ROW_LETTER_PX, TEXT)
        right = left_px + round(room_px * value / most)
        cv2.rectangle(canvas, (left_px, top + 4), (right, top + row_px - 5), POINT, -1)
        text = f"{value:.2f} {unit_text}"
        # Beside the longest bar, where the median's line crosses no figure.
        write(canvas, text, (left_px + room_px + 12, top + 17), _ROW_LETTER_PX, TEXT)
    middle = float(np.median(np.asarray(values))) if len(values) else 0.0
    x, bottom = left_px + round(room_px * middle / most), 8 + row_px * len(values)
    cv2.line(canvas, (x, 6), (x, bottom + 4), ARROW, 2, cv2.LINE_AA)
    text = f"median {middle:.2f} {unit_text}"
    write(canvas, text, (x - 60, bottom + 24), _ROW_LETTER_PX, ARROW)
    return canvas


def write_text(canvas: UInt8Image, text: str, at_px: tuple[int, int]) -> None:
    """Write into a picture, on a dark outline, as large as suits its size."""
    _write(canvas, text, at_px, _unit_px(canvas))


def _unit_px(canvas: UInt8Image) -> int:
    """What lines and letters are measured by, so that they show in pictures of any size."""
    side_px: int = max(canvas.shape[:2])
    return max(1, round(side_px / 500))


def _write(canvas: UInt8Image, text: str, at_px: tuple[int, int], unit: int) -> None:
    write(canvas, text, at_px, _LETTER_OF_UNIT * unit, TEXT)


def _draw_scale_bar(canvas: UInt8Image, magnification: float, typical_px: float, unit: int) -> None:
    bar_px = _round_figure(2 * typical_px)
    length = round(bar_px * magnification)
    left, bottom = 8 * unit, canvas.shape[0] - 8 * unit
    high = 22 * unit
    text = f"{bar_px:g} px off (rms {typical_px:.2f} px)"
    wide, _ = text_size(text, _LETTER_OF_UNIT * unit)
    right = left + max(length, wide) + 4 * unit
    cv2.rectangle(canvas, (left - 4 * unit, bottom - high), (right, bottom + 4 * unit), LANE, -1)
    cv2.line(canvas, (left, bottom), (left + length, bottom), ARROW, 2 * unit)
    _write(canvas, text, (left, bottom - 7 * unit), unit)


def _round_figure(value: float) -> float:
    """The next lower of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return power * max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9))


def _fixed(point_px: Array) -> tuple[int, int]:
    x, y = (point_px * 2**_SHIFT).round().astype(int).tolist()
    return x, y
