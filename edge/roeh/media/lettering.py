"""Small letters and lines that are legible on dark and on bright ground: each has an outline."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from roeh.media.frames import UInt8Image

Color = tuple[int, int, int]
Edge = Literal["none", "shadow", "outline"]

WHITE: Color = (255, 255, 255)
DARK: Color = (16, 16, 16)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Height of a capital letter at scale 1.
_CAPITAL_PX = 21.0
_DEGREE = "\N{DEGREE SIGN}"
#: Positions are given in parts of a pixel; far outside any picture, OpenCV's fit no more.
_SHIFT = 3
_FAR_PX = 1 << 14


def text_size(text: str, height_px: float) -> tuple[int, int]:
    """Width and height of a line of text whose capitals are so high, outline included."""
    width = sum(_width(part, height_px) for part in text.split(_DEGREE))
    width += text.count(_DEGREE) * _degree_width(height_px)
    return round(width) + 2, round(height_px) + 3


def write(
    picture: UInt8Image,
    text: str,
    left_base_px: tuple[float, float],
    height_px: float,
    color: Color = WHITE,
) -> None:
    """A line of text with an outline; its capitals stand on `left_base_px`.

    OpenCV's letters are ASCII, other signs are shown as "?"; that of degrees is drawn here.
    """
    thick = max(2 if height_px >= 13 else 1, round(height_px / 12))
    text = "".join(sign if sign.isascii() or sign == _DEGREE else "?" for sign in text)
    for stroke_px, stroke in ((thick + 2, DARK), (thick, color)):
        x, y = left_base_px
        for number, part in enumerate(text.split(_DEGREE)):
            if number:
                radius = max(1.0, height_px * 0.16)
                center = (x + radius + 0.5, y - height_px + radius)
                _circle(picture, center, radius, stroke, stroke_px)
                x += _degree_width(height_px)
            place = (round(x), round(y))
            cv2.putText(
                picture, part, place, _FONT, height_px / _CAPITAL_PX, stroke, stroke_px, cv2.LINE_AA
            )
            x += _width(part, height_px)


def trace(
    picture: UInt8Image,
    points_px: npt.NDArray[np.float64],
    color: Color,
    *,
    thick_px: int = 1,
    edge: Edge = "outline",
    closed: bool = False,
) -> None:
    """Lines through points (n, 2); an array without rows draws nothing.

    `edge` "shadow" is dark on the lower side alone: half the ink of an outline.
    """
    if not len(points_px):
        return
    near = np.clip(points_px, -_FAR_PX, _FAR_PX)
    part = 1 << _SHIFT
    line = [np.round(near * part).astype(np.int32)]
    if edge == "outline":
        cv2.polylines(picture, line, closed, DARK, thick_px + 2, cv2.LINE_AA, _SHIFT)
    elif edge == "shadow":
        cv2.polylines(picture, [line[0] + part], closed, DARK, thick_px, cv2.LINE_AA, _SHIFT)
    cv2.polylines(picture, line, closed, color, thick_px, cv2.LINE_AA, _SHIFT)


def _circle(
    picture: UInt8Image, center: tuple[float, float], radius: float, color: Color, thick_px: int
) -> None:
    part = 1 << _SHIFT
    place = (round(center[0] * part), round(center[1] * part))
    cv2.circle(picture, place, round(radius * part), color, thick_px, cv2.LINE_AA, _SHIFT)


def _width(text: str, height_px: float) -> float:
    (width, _), _ = cv2.getTextSize(text, _FONT, height_px / _CAPITAL_PX, 1)
    return float(width) if text else 0.0


def _degree_width(height_px: float) -> float:
    return height_px * 0.45 + 1
