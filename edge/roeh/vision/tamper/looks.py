"""What is kept of one picture to judge the camera by: how bright it is where, and in what light.

Small pictures of some seconds are averaged, which takes out noise, rain and whoever walks by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.media.frames import PixelFrame, UInt8Image
from roeh.optics.lens import Lens
from roeh.optics.remap import pixel_grid

Float32Image = npt.NDArray[np.float32]

#: Pictures are compared at this width.
WIDTH_PX = 256
#: Colours are counted in this few pixels across; even, as the planes of colour want it.
_COLOUR_WIDTH_PX = 64
#: A pixel of which any colour is at least this tells nothing: a laser's red is no white.
_WHITE = 245
_CALM_PX = 7


class Look(msgspec.Struct, frozen=True):
    """One picture, made small.

    Attributes:
        luma: (height, `WIDTH_PX`).
        white: which pixels are overexposed, (rows, columns) of a coarse grid.
        white_share: the same as a share of those that the lens shows.
        colour_levels: how much the colours differ where, on average; next to none in infrared.
    """

    luma: UInt8Image
    white: npt.NDArray[np.bool_]
    white_share: float
    colour_levels: float


class Sight(msgspec.Struct, frozen=True):
    """What a camera sees for some seconds.

    Attributes:
        luma: mean of the looks, (height, `WIDTH_PX`).
        noise: what the looks still differ by, of the same shape: half of what the mean of every
            other look differs from the mean of the rest.
        white: how much of the time which part was overexposed, of the same shape.
        white_share: mean of the looks.
    """

    luma: Float32Image
    noise: Float32Image
    white: Float32Image
    white_share: float

    def nearer_to(self, other: Sight, share: float) -> Sight:
        """This sight, by a share of the way towards another."""
        return Sight(
            luma=np.asarray(self.luma + share * (other.luma - self.luma), np.float32),
            noise=np.asarray(self.noise + share * (other.noise - self.noise), np.float32),
            white=np.asarray(self.white + share * (other.white - self.white), np.float32),
            white_share=self.white_share + share * (other.white_share - self.white_share),
        )


class Looker:
    """Makes looks of one camera's pictures.

    Args:
        lens: of the camera.
    """

    def __init__(self, lens: Lens) -> None:
        self._size = (WIDTH_PX, small_height_px(lens))
        height = max(2, round(_COLOUR_WIDTH_PX * lens.height_px / lens.width_px / 2) * 2)
        self._colour_size = (_COLOUR_WIDTH_PX, height)
        grid = pixel_grid(_COLOUR_WIDTH_PX, height)
        scale = np.asarray([lens.width_px / _COLOUR_WIDTH_PX, lens.height_px / height])
        shown = lens.inside((grid + 0.5) * scale - 0.5)
        self._shown = shown.reshape(height, _COLOUR_WIDTH_PX)
        self._shown_count = max(1, int(np.count_nonzero(shown)))

    def look(self, frame: PixelFrame) -> Look:
        """The picture made small; it may have any size of the lens's aspect."""
        luma = frame.luma(max(1, frame.info.width_px // WIDTH_PX))
        if luma.shape[1::-1] != self._size:
            luma = np.asarray(cv2.resize(luma, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        colours = self._colours(frame)
        white = (colours.max(axis=2) >= _WHITE) & self._shown
        # Blurred first: noise has colours, too.
        calm = cv2.blur(colours, (_CALM_PX, _CALM_PX))
        spread = calm.max(axis=2) - calm.min(axis=2)
        return Look(
            luma=luma,
            white=white,
            white_share=int(np.count_nonzero(white)) / self._shown_count,
            colour_levels=float(np.mean(spread[self._shown])),
        )

    def _colours(self, frame: PixelFrame) -> UInt8Image:
        """A few of its pixels, blue, green and red, without converting the rest."""
        info, (width, height) = frame.info, self._colour_size
        if info.pixel_format == "bgr24":
            return _sampled(frame.pixels, (width, height))
        half = (info.height_px // 2, info.width_px // 2)
        chroma = frame.pixels[info.height_px :].reshape(2, *half)
        planes = [
            _sampled(frame.pixels[: info.height_px], (width, height)).ravel(),
            *(_sampled(plane, (width // 2, height // 2)).ravel() for plane in chroma),
        ]
        packed = np.concatenate(planes).reshape(height * 3 // 2, width)
        return np.asarray(cv2.cvtColor(packed, cv2.COLOR_YUV2BGR_I420), np.uint8)


def small_height_px(lens: Lens) -> int:
    """The height of a small picture of this lens."""
    return max(2, round(WIDTH_PX * lens.height_px / lens.width_px))


def sight_of(looks: Sequence[Look]) -> Sight:
    """The mean of an even number of looks of one size."""
    halves = np.zeros((2, *looks[0].luma.shape), np.float32)
    for number, look in enumerate(looks):
        cv2.accumulate(look.luma, halves[number % 2])
    even, odd = halves / (len(looks) / 2)
    white = np.asarray(np.mean([look.white for look in looks], axis=0), np.float32)
    return Sight(
        luma=np.asarray((even + odd) / 2, np.float32),
        white=np.asarray(cv2.resize(white, even.shape[::-1]), np.float32),
        noise=np.asarray((even - odd) / 2, np.float32),
        white_share=math.fsum(look.white_share for look in looks) / len(looks),
    )


def _sampled(picture: UInt8Image, size: tuple[int, int]) -> UInt8Image:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST), np.uint8)
