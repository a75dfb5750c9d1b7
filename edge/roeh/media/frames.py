"""A frame together with its pixels, and the views of them that detection asks for."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.types import Frame, PixelFormat

UInt8Image = npt.NDArray[np.uint8]


def pixel_shape(width_px: int, height_px: int, pixel_format: PixelFormat) -> tuple[int, ...]:
    """The shape of the array that holds such a picture.

    bgr24: (height, width, 3). yuv420p: (height * 3 / 2, width), planes Y, U, V one after
    another, as OpenCV's I420.
    """
    if pixel_format == "bgr24":
        return (height_px, width_px, 3)
    return (height_px * 3 // 2, width_px)


def pixel_bytes(width_px: int, height_px: int, pixel_format: PixelFormat) -> int:
    """Bytes that such a picture takes."""
    return int(np.prod(pixel_shape(width_px, height_px, pixel_format)))


class PixelFrame:
    """What is known of a frame, and its pixels.

    The pixels may lie in a slot that another process owns again later: copy what is to
    be kept. Colour conversion is done once, and only when somebody asks.
    """

    __slots__ = ("_bgr", "info", "pixels")

    def __init__(self, info: Frame, pixels: UInt8Image) -> None:
        expected = pixel_shape(info.width_px, info.height_px, info.pixel_format)
        if pixels.shape != expected:
            raise ValueError(f"pixels are {pixels.shape}, the frame says {expected}")
        self.info = info
        self.pixels = pixels
        self._bgr: UInt8Image | None = pixels if info.pixel_format == "bgr24" else None

    def bgr(self) -> UInt8Image:
        """(height, width, 3) blue, green, red; read only."""
        if self._bgr is None:
            self._bgr = np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_YUV2BGR_I420), np.uint8)
        return self._bgr

    def luma(self, step_px: int) -> UInt8Image:
        """The luma at a `step_px`-th of the size, (height // step, width // step).

        Interpolated, not sampled: averaging neighbours takes noise out, without which
        hardly anybody is found moving in full night.
        """
        info = self.info
        size = (info.width_px // step_px, info.height_px // step_px)
        rows, columns = size[1] * step_px, size[0] * step_px
        whole = self.pixels[:rows, :columns]
        small = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        if info.pixel_format == "yuv420p":
            return small
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
