"""A copy of a span at full size in which regions and masks show nothing any more."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from roeh.core.durable_files import write_all
from roeh.core.rendering import Finished, RedactOrder
from roeh.core.types import Size
from roeh.media.decode import DecodedPicture, PictureFormat
from roeh.media.encode import BurntMask, encoded_size, i420_shape, write_i420
from roeh.media.frames import UInt8Image
from roeh.render.answers import Answers
from roeh.render.film import Film
from roeh.render.obscure import drawn_mask, rounded_out, wash
from roeh.render.outcome import NoPicture
from roeh.render.recording import Recording

_BLACK_LEVELS = (16, 128, 128)


def write_redacted(order: RedactOrder, recording: Recording, answers: Answers, output: int) -> None:
    """Every picture of the span, obscured before it is encoded.

    Raises:
        NoPicture: none can be decoded.
    """
    groups = recording.stored(order.from_utc_us, order.to_utc_us)
    written = 0

    def give(content: bytes) -> None:
        nonlocal written
        write_all(output, content)
        written += len(content)

    film: Film | None = None
    for t_utc_us, picture in recording.pictures(groups):
        if not order.from_utc_us <= t_utc_us < order.to_utc_us:
            continue
        if film is None:
            size = picture.size
            copy = _Copy(order, size)
            film = Film(
                copy.encoded,
                fps=recording.fps(groups),
                bps=order.bps,
                from_utc_us=order.from_utc_us,
                give=give,
            )
        # One of another size (a camera set up anew) is scaled to the first one's.
        film.add(t_utc_us, copy.obscured(picture))
    if film is None:
        raise NoPicture(f"{recording.damaged} groups of pictures cannot be decoded")
    film.end()
    answers.size_bytes = written
    answers.finish(
        Finished(
            pictures=film.pictures,
            damaged=recording.damaged,
            width_px=copy.encoded.width_px,
            height_px=copy.encoded.height_px,
            from_utc_us=film.first_utc_us,
            to_utc_us=film.last_utc_us,
            obscured=copy.regions,
        )
    )


class _Copy:
    """Turns decoded pictures into what is encoded; one buffer for all of them."""

    def __init__(self, order: RedactOrder, size: Size) -> None:
        self.encoded = encoded_size(size)
        self.regions = rounded_out(order.regions, self.encoded)
        self._layout = PictureFormat.of_video(size)
        self._decoded = np.empty(self._layout.shape(), np.uint8)
        self._i420 = np.empty(i420_shape(self.encoded), np.uint8)
        mask = drawn_mask(order.masks, self.encoded)
        self._burnt = BurntMask(mask) if mask is not None else None

    def obscured(self, picture: DecodedPicture) -> UInt8Image:
        """The picture as it may be seen; valid until the next one."""
        picture.write_into(self._decoded, self._layout)
        write_i420(self._decoded, self._layout.pixel_format, self._i420)
        # Black first: a wash beside a mask must not take its colours from behind it.
        if self._burnt is not None:
            self._burnt.blacken(self._i420)
        wash(self._planes, self.regions, _BLACK_LEVELS)
        return self._i420

    @functools.cached_property
    def _planes(self) -> Sequence[UInt8Image]:
        width, height = self.encoded.width_px, self.encoded.height_px
        flat = self._i420.reshape(-1)
        luma, chroma = width * height, width * height // 4
        return (
            flat[:luma].reshape(height, width),
            flat[luma : luma + chroma].reshape(height // 2, width // 2),
            flat[luma + chroma :].reshape(height // 2, width // 2),
        )
