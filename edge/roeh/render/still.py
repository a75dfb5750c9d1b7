"""One picture as JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from roeh.core.rendering import Finished, StillOrder
from roeh.media.decode import DecodedPicture, PictureFormat
from roeh.media.frames import UInt8Image
from roeh.render.answers import Answers
from roeh.render.dewarp import Dewarper
from roeh.render.obscure import drawn_mask
from roeh.render.outcome import NoPicture
from roeh.render.recording import Recording, Stored

_QUALITY = 85


def give_still(order: StillOrder, recording: Recording, answers: Answers) -> None:
    """Decode no more than the group of pictures that holds it.

    Raises:
        NoPicture: nothing of that group can be decoded.
    """
    shown = _picture(order.at_utc_us, recording)
    if shown is None:
        raise NoPicture(f"{recording.damaged} groups of pictures cannot be decoded")
    t_utc_us, picture = shown
    dewarper = Dewarper.of(order.view, order.masks, picture.size, order.max_side_px)
    pixels = _whole(order, picture) if dewarper is None else dewarper.draw(picture, t_utc_us)
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    answers.give(encoded.tobytes())
    answers.finish(
        Finished(
            pictures=1,
            damaged=recording.damaged,
            width_px=pixels.shape[1],
            height_px=pixels.shape[0],
            from_utc_us=t_utc_us,
            to_utc_us=t_utc_us,
            is_view=dewarper is not None,
        )
    )


def _whole(order: StillOrder, picture: DecodedPicture) -> UInt8Image:
    """The camera's picture, masked, no larger than is wanted."""
    size = picture.size
    pixels = np.empty((size.height_px, size.width_px, 3), np.uint8)
    picture.write_into(pixels, PictureFormat(size, "bgr24"))
    mask = drawn_mask(order.masks, size)
    if mask is not None:
        pixels[mask] = 0
    scale = min(1.0, order.max_side_px / max(size.width_px, size.height_px))
    if scale == 1.0:
        return pixels
    shape = (max(1, round(size.width_px * scale)), max(1, round(size.height_px * scale)))
    return np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA), np.uint8)


def _picture(at_utc_us: int, recording: Recording) -> tuple[int, DecodedPicture] | None:
    """The last one at or before that time, else the first one after it."""
    shown: tuple[int, DecodedPicture] | None = None
    for t_utc_us, picture in recording.pictures(_groups(at_utc_us, recording)):
        if shown is not None and t_utc_us > at_utc_us:
            return shown
        shown = t_utc_us, picture
    return shown


def _groups(at_utc_us: int, recording: Recording) -> list[Stored]:
    """The one with that time, or the nearest before; the first after only where there is none.

    One that is damaged is not stood in for by another: a picture of another moment misleads.
    """
    groups = recording.stored(-(2**62), 2**62)
    before = [group for group in groups if group.fragment.t_first_utc_us <= at_utc_us]
    after = [group for group in groups if group.fragment.t_first_utc_us > at_utc_us]
    return before[-1:] or after[:1]
