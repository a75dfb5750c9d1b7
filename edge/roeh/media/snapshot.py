"""A snapshot for the control room: what is round the pole now, with boxes, bearings and rings.

At most 8 kB over a thin line. Letters cost more than the street does (measured in
edge/design/geometry.md): with many in the picture their words become shorter, then fewer,
before the picture itself becomes worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.types import Size, Track
from roeh.core.views import Layout
from roeh.media.frames import UInt8Image
from roeh.media.overlay import Overlay, range_words, track_words
from roeh.media.thumbnail import MAX_THUMBNAIL_BYTES, encode_picture
from roeh.media.view_frame import framed
from roeh.media.views import draw_view
from roeh.optics.view_layout import View

#: Of each layout's view, without its frame.
SNAPSHOT_SIZES: dict[Layout, Size] = {
    "picture": Size(320, 272),
    "panorama": Size(560, 132),
    "double_panorama": Size(340, 272),
    "quad": Size(320, 240),
    "ptz": Size(320, 200),
}
_LETTER_PX = 7.0
_RINGS_M = (5.0, 10.0, 20.0)
_QUALITIES = (65, 50, 35, 22)


def render_snapshot(
    view: View,
    pictures: Mapping[str, UInt8Image],
    masks: Mapping[str, npt.NDArray[np.bool_] | None],
    tracks: Sequence[Track],
    lines: Sequence[str] = (),
    *,
    max_bytes: int = MAX_THUMBNAIL_BYTES,
) -> bytes:
    """The view with its tracks, as WebP of at most `max_bytes`.

    Args:
        view: of one of `SNAPSHOT_SIZES`.
        pictures: by the sensor's name, blue green red.
        masks: by the sensor's name, true where it must be black.
        tracks: those live; boxes are drawn round those seen lately enough to have one.
        lines: of words beneath.
        max_bytes: of the file.
    """
    drawn = draw_view(view, pictures, masks)
    picture = drawn.picture
    for words_of in (track_words, range_words, _no_words):
        overlay = Overlay(view, drawn.picture.copy(), drawn.hidden, letter_px=_LETTER_PX)
        _draw_over(overlay, view, tracks, words_of)
        picture = framed(view, overlay.finished(), lines, letter_px=_LETTER_PX)
        for quality in _QUALITIES:
            _, encoded = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
            if len(encoded) <= max_bytes:
                return encoded.tobytes()
    return encode_picture(picture, max_bytes, "webp")


def _draw_over(
    overlay: Overlay, view: View, tracks: Sequence[Track], words_of: Callable[[Track], str]
) -> None:
    overlay.draw_rings(_RINGS_M)
    overlay.draw_bearings()
    if view.layout == "picture":
        overlay.draw_compass(from_m=4.0, to_m=5.0, step_deg=90)
    overlay.draw_tracks(tracks, words_of)


def _no_words(_track: Track) -> str:
    return ""
