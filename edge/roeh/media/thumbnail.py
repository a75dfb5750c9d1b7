"""Thumbnails: what an operator sees of an alert, upright, boxed, masked, at most 8 kB.

Measured on a 320 x 180 street scene: JPEG quality 70 takes 6.7 kB and 0.26 ms, WebP quality
65 3.7 kB and 4 ms; the quality steps down until the picture fits (edge/design/delivery.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.types import Box, Size
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.optics.rig import Sensor
from roeh.optics.tiles import Tile
from roeh.optics.view import box_around, view_around

MAX_THUMBNAIL_BYTES = 8 * 1024
#: In the thrifty profile, so that an alert a minute stays within 0.9 kbit/s (`make wire`).
MAX_THRIFTY_BYTES = 3 * 1024
THUMBNAIL_SIZE = Size(width_px=320, height_px=180)

PictureFormat = Literal["jpeg", "webp"]

#: Suffix for the encoder, its parameter for quality, the quality tried first.
_ENCODINGS: dict[PictureFormat, tuple[str, int, int]] = {
    "jpeg": (".jpg", cv2.IMWRITE_JPEG_QUALITY, 75),
    "webp": (".webp", cv2.IMWRITE_WEBP_QUALITY, 60),
}
_LAST_QUALITY, _QUALITY_STEP = 15, 10
#: Street round the person on each side, in sizes of the person.
_MARGIN = 0.8
_BOX_BGR = (40, 200, 255)
_OTHER_BGR = (200, 200, 200)


def render_thumbnail(
    frame: PixelFrame,
    sensor: Sensor,
    outlines_px: Sequence[npt.NDArray[np.float64]],
    mask: npt.NDArray[np.bool_] | None,
    picture_format: PictureFormat = "jpeg",
) -> bytes | None:
    """A picture of the street round the outlined objects.

    Args:
        frame: the picture that shows them.
        sensor: whose picture it is.
        outlines_px: for each object, points (n, 2) round it in the sensor's picture;
            the first is what the alert is about, and decides where the view looks. None: the
            whole picture, made small.
        mask: true where the picture must be black, (height, width); None for nothing.
        picture_format: "webp" takes less than half the bytes and ten times the time.

    Returns:
        At most `MAX_THUMBNAIL_BYTES`, of "webp" `MAX_THRIFTY_BYTES`; None when the first
        outline lies wholly outside the lens.
    """
    max_bytes = MAX_THRIFTY_BYTES if picture_format == "webp" else MAX_THUMBNAIL_BYTES
    if not outlines_px:
        return encode_picture(_whole(frame, mask), max_bytes, picture_format)
    first = outlines_px[0]
    # Corners may lie beyond the lens's rim where the object itself does not.
    middle = first.mean(axis=0, keepdims=True)
    try:
        view = view_around(sensor, np.vstack([first, middle]), THUMBNAIL_SIZE, margin=_MARGIN)
    except ValueError:
        return None
    picture = view.render(frame.bgr())
    # The one that the alert is about is drawn last, over the others.
    for outline_px in outlines_px[1:]:
        _draw_box(picture, view, outline_px, _OTHER_BGR)
    _draw_box(picture, view, first, _BOX_BGR)
    if mask is not None:
        # Last, so that no box shows where somebody behind a mask is.
        picture[view.render_mask(mask)] = 0
    return encode_picture(picture, max_bytes, picture_format)


def encode_picture(picture_bgr: UInt8Image, max_bytes: int, picture_format: PictureFormat) -> bytes:
    """The picture in this format, at the best quality that fits into `max_bytes`.

    A picture that does not fit at the lowest quality is halved until it does.
    """
    suffix, parameter, first_quality = _ENCODINGS[picture_format]
    while True:
        for quality in range(first_quality, _LAST_QUALITY - 1, -_QUALITY_STEP):
            _, encoded = cv2.imencode(suffix, picture_bgr, [parameter, quality])
            if len(encoded) <= max_bytes:
                return encoded.tobytes()
        height_px, width_px = picture_bgr.shape[:2]
        half = (max(1, width_px // 2), max(1, height_px // 2))
        halved = cv2.resize(picture_bgr, half, interpolation=cv2.INTER_AREA)
        picture_bgr = np.asarray(halved, np.uint8)


def _whole(frame: PixelFrame, mask: npt.NDArray[np.bool_] | None) -> UInt8Image:
    """The whole picture in a thumbnail's height, black behind the mask."""
    picture = frame.bgr()
    if mask is not None:
        picture = np.where(mask[..., None], np.uint8(0), picture)
    height_px, width_px = picture.shape[:2]
    shrink = THUMBNAIL_SIZE.height_px / height_px
    size = (max(1, round(width_px * shrink)), THUMBNAIL_SIZE.height_px)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _draw_box(
    picture: UInt8Image,
    view: Tile,
    outline_px: npt.NDArray[np.float64],
    color_bgr: tuple[int, int, int],
) -> None:
    box = box_around(view.from_source_px(outline_px))
    if box is None:
        return
    top_left, bottom_right = _corner(box, first=True), _corner(box, first=False)
    cv2.rectangle(picture, top_left, bottom_right, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.rectangle(picture, top_left, bottom_right, color_bgr, 1, cv2.LINE_AA)


def _corner(box: Box, *, first: bool) -> tuple[int, int]:
    x, y = (box.x0_px, box.y0_px) if first else (box.x1_px, box.y1_px)
    limit = 4096  # far outside any thumbnail; OpenCV takes 16 bits
    return round(min(max(x, -limit), limit)), round(min(max(y, -limit), limit))
