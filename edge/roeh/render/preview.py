"""A small, short video of a span."""

from __future__ import annotations

import numpy as np

from roeh.core.rendering import MAX_PREVIEW_US, Finished, PreviewOrder
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.media.encode import BurntMask
from roeh.render.answers import Answers
from roeh.render.film import Film
from roeh.render.obscure import drawn_mask
from roeh.render.outcome import NoPicture
from roeh.render.recording import Recording

#: For 360 lines at 10 pictures a second; a preview is to be recognised, not measured.
_BPS = 500_000
_MAX_WIDTH_PX = 1280


def give_preview(order: PreviewOrder, recording: Recording, answers: Answers) -> None:
    """Pictures on an even grid of at most `fps`, each second's fragment as soon as it is made.

    Raises:
        NoPicture: none can be decoded.
    """
    to_utc_us = min(order.to_utc_us, order.from_utc_us + MAX_PREVIEW_US)
    film: Film | None = None
    for t_utc_us, picture in recording.pictures(recording.stored(order.from_utc_us, to_utc_us)):
        if not order.from_utc_us <= t_utc_us < to_utc_us:
            continue
        if film is None:
            size = _preview_size(picture.size, order.height_px)
            film = Film(
                size, fps=order.fps, bps=_BPS, from_utc_us=order.from_utc_us, give=answers.give
            )
            layout = PictureFormat(size, "yuv420p")
            pixels = np.empty(layout.shape(), np.uint8)
            mask = drawn_mask(order.masks, size)
            burnt = BurntMask(mask) if mask is not None else None
        if not film.wants(t_utc_us):
            continue
        picture.write_into(pixels, layout)
        if burnt is not None:
            burnt.blacken(pixels)
        film.add(t_utc_us, pixels)
    if film is None:
        raise NoPicture(f"{recording.damaged} groups of pictures cannot be decoded")
    film.end()
    answers.finish(
        Finished(
            pictures=film.pictures,
            damaged=recording.damaged,
            width_px=size.width_px,
            height_px=size.height_px,
            from_utc_us=film.first_utc_us,
            to_utc_us=film.last_utc_us,
        )
    )


def _preview_size(size: Size, height_px: int) -> Size:
    """At most that high, and never enlarged; sides even."""
    scale = min(1.0, height_px / size.height_px, _MAX_WIDTH_PX / size.width_px)
    return Size(_even(size.width_px * scale), _even(size.height_px * scale))


def _even(length_px: float) -> int:
    return max(16, round(length_px / 2) * 2)
