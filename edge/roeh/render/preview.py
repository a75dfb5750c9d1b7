"""A small, short video of a span."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from roeh.core.rendering import MAX_PREVIEW_US, Finished, PreviewOrder
from roeh.core.types import Size
from roeh.media.decode import DecodedPicture, PictureFormat
from roeh.media.encode import BurntMask
from roeh.media.frames import UInt8Image
from roeh.render.answers import Answers
from roeh.render.dewarp import Dewarper, as_i420
from roeh.render.film import Film
from roeh.render.obscure import drawn_mask
from roeh.render.outcome import NoPicture
from roeh.render.recording import Recording

#: For 360 lines at 10 pictures a second; a preview is to be recognised, not measured.
_BPS = 500_000
_BPS_PX = 640 * 360
_MAX_WIDTH_PX = 1280

_Draw = Callable[[DecodedPicture, int], UInt8Image]


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
            draw = _drawer(order, picture.size)
            # The size of all of them is that of the first.
            first = draw(picture, t_utc_us)
            size = Size(first.shape[1], first.shape[0] * 2 // 3)
            film = Film(
                size,
                fps=order.fps,
                bps=_bps(order, size),
                from_utc_us=order.from_utc_us,
                give=answers.give,
            )
        if not film.wants(t_utc_us):
            continue
        film.add(t_utc_us, draw(picture, t_utc_us))
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


def _drawer(order: PreviewOrder, recorded: Size) -> _Draw:
    """What makes a picture of the film of each picture of the recording: I420."""
    dewarper = Dewarper.of(order.view, order.masks, recorded)
    if dewarper is not None:
        return lambda picture, t_utc_us: as_i420(dewarper.draw(picture, t_utc_us))
    size = _preview_size(recorded, order.height_px)
    layout = PictureFormat(size, "yuv420p")
    pixels = np.empty(layout.shape(), np.uint8)
    mask = drawn_mask(order.masks, size)
    burnt = BurntMask(mask) if mask is not None else None

    def draw(picture: DecodedPicture, _t_utc_us: int) -> UInt8Image:
        picture.write_into(pixels, layout)
        if burnt is not None:
            burnt.blacken(pixels)
        return pixels

    return draw


def _bps(order: PreviewOrder, size: Size) -> int:
    if order.view is None:
        return _BPS
    return round(_BPS * max(1.0, size.width_px * size.height_px / _BPS_PX))


def _preview_size(size: Size, height_px: int) -> Size:
    """At most that high, and never enlarged; sides even."""
    scale = min(1.0, height_px / size.height_px, _MAX_WIDTH_PX / size.width_px)
    return Size(_even(size.width_px * scale), _even(size.height_px * scale))


def _even(length_px: float) -> int:
    return max(16, round(length_px / 2) * 2)
