"""Views for people, drawn from the pictures of one or several sensors.

Masks are blackened in the sensor's own picture before it is bent or made smaller, and
everything that a masked pixel is mixed into is black in the view, whatever another sensor
sees there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from roeh.media.frames import UInt8Image
from roeh.media.masks import blackened
from roeh.optics.rig import Sensor
from roeh.optics.view_layout import View
from roeh.optics.view_pane import Pane, Piece

_Pixel = TypeVar("_Pixel", np.uint8, np.bool_)
_Mask = npt.NDArray[np.bool_]


class DrawnView:
    """A view's picture.

    Attributes:
        picture: (height, width, 3) blue green red, writable.
        hidden: true where a mask lies, (height, width); None for nothing.
    """

    __slots__ = ("hidden", "picture")

    def __init__(self, picture: UInt8Image, hidden: _Mask | None) -> None:
        self.picture = picture
        self.hidden = hidden


def draw_view(
    view: View,
    pictures: Mapping[str, UInt8Image],
    masks: Mapping[str, _Mask | None] | None = None,
) -> DrawnView:
    """The view from its sensors' pictures.

    Args:
        view: of some sensors.
        pictures: by the sensor's name, (height, width, 3) blue green red, of the shape of
            its lens and of any size; a sensor without one leaves its part black.
        masks: by the sensor's name, true where nothing may be seen, at the picture's size.
    """
    sources: dict[int, UInt8Image] = {}
    hidden_sources: dict[int, UInt8Image] = {}
    for number, sensor in enumerate(view.sensors):
        picture = pictures.get(sensor.name)
        if picture is None:
            continue
        mask = None if masks is None else masks.get(sensor.name)
        sources[number], hidden = _prepared(picture, mask, sensor)
        if hidden is not None:
            hidden_sources[number] = hidden
    size = view.size
    out = np.zeros((size.height_px, size.width_px, 3), np.uint8)
    is_hidden = np.zeros((size.height_px, size.width_px), np.bool_) if hidden_sources else None
    for pane in view.panes:
        for piece in pane.pieces:
            source = sources.get(piece.sensor)
            if source is not None:
                _draw_piece(_part(out, pane, piece), piece, source)
            hidden = hidden_sources.get(piece.sensor)
            if hidden is not None and is_hidden is not None:
                _hide_piece(_part(is_hidden, pane, piece), piece, hidden)
    if is_hidden is not None:
        out[is_hidden] = 0
    return DrawnView(out, is_hidden)


def _prepared(
    picture: UInt8Image, mask: _Mask | None, sensor: Sensor
) -> tuple[UInt8Image, UInt8Image | None]:
    """Picture and mask (255 inside) at the size that the view is drawn from."""
    picture = blackened(picture, mask)
    wanted = (sensor.lens.width_px, sensor.lens.height_px)
    hidden = None if mask is None else np.where(mask, np.uint8(255), np.uint8(0))
    if (picture.shape[1], picture.shape[0]) == wanted:
        return picture, hidden
    smaller = np.asarray(cv2.resize(picture, wanted, interpolation=cv2.INTER_AREA), np.uint8)
    if hidden is None:
        return smaller, None
    # Whatever a masked pixel is mixed into is masked.
    shrunk = np.asarray(cv2.resize(hidden, wanted, interpolation=cv2.INTER_AREA), np.uint8)
    return smaller, np.where(shrunk > 0, np.uint8(255), np.uint8(0))


def _part(whole: npt.NDArray[_Pixel], pane: Pane, piece: Piece) -> npt.NDArray[_Pixel]:
    height, width = piece.alone.shape
    top, left = pane.top_px + piece.top_px, pane.left_px + piece.left_px
    return whole[top : top + height, left : left + width]


def _draw_piece(part: UInt8Image, piece: Piece, source: UInt8Image) -> None:
    drawn = source if piece.map is None else piece.map.render(source)
    if not len(piece.mixed) and piece.alone.all():
        part[:] = drawn
        return
    cv2.copyTo(drawn, piece.alone, part)
    rows, columns = np.unravel_index(piece.mixed, piece.alone.shape)
    mixed = drawn[rows, columns] * piece.share[:, None]
    # Shares add up to one: no sum is above 255.
    part[rows, columns] += mixed.astype(np.uint8)


def _hide_piece(part: _Mask, piece: Piece, hidden: UInt8Image) -> None:
    drawn = hidden if piece.map is None else piece.map.render(hidden)
    is_its = piece.alone > 0
    is_its.ravel()[piece.mixed] = True
    part |= (drawn > 0) & is_its
