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
        """Every `step_px`-th pixel's luma, (height // step, width // step)."""
        height_px, width_px = self.info.height_px, self.info.width_px
        rows, columns = height_px // step_px * step_px, width_px // step_px * step_px
        if self.info.pixel_format == "yuv420p":
            plane = self.pixels[:rows:step_px, :columns:step_px]
            return np.ascontiguousarray(plane)
        sampled = np.ascontiguousarray(self.pixels[:rows:step_px, :columns:step_px])
        return np.asarray(cv2.cvtColor(sampled, cv2.COLOR_BGR2GRAY), np.uint8)
