"""Raw pictures as a camera's driver lays them: rows padded, chroma in planes or in pairs."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.types import Size
from roeh.media.frames import UInt8Image

#: Black in limited range (ITU-R BT.601).
BLACK_LUMA, BLACK_CHROMA = 16, 128

#: A buffer of one dimension, as a driver maps it.
Octets1D = npt.NDArray[np.uint8]


class PlaneLayout(msgspec.Struct, frozen=True):
    """Where the samples of a 4:2:0 picture lie in a buffer.

    Attributes:
        size: of the picture, sides even.
        stride_bytes: from one row of luma to the next, even; rows of chroma follow, half
            as long in planes of their own (i420), as long in pairs (nv12).
        order: how chroma lies.
    """

    size: Size
    stride_bytes: int
    order: Literal["i420", "nv12"]

    @property
    def size_bytes(self) -> int:
        """What the picture takes; a buffer may be longer."""
        return self.stride_bytes * self.size.height_px * 3 // 2


def copy_as_i420(buffer: Octets1D, layout: PlaneLayout, out: UInt8Image) -> None:
    """Copy a picture out of a driver's buffer, without its padding.

    Args:
        buffer: of at least `layout.size_bytes`.
        layout: how it lies there.
        out: contiguous, (height * 3 / 2, width), planes Y, U, V one after another.
    """
    width, height = layout.size.width_px, layout.size.height_px
    luma, first, second = _planes(buffer, layout)
    flat = out.reshape(-1)
    chroma = width * height // 4
    np.copyto(flat[: 4 * chroma].reshape(height, width), luma)
    half = (height // 2, width // 2)
    np.copyto(flat[4 * chroma : 5 * chroma].reshape(half), first)
    np.copyto(flat[5 * chroma :].reshape(half), second)


class PlaneMask:
    """A privacy mask that blackens pictures where they lie.

    Args:
        mask: (height, width), true where nothing may be seen.
        layout: of the pictures.
    """

    def __init__(self, mask: npt.NDArray[np.bool_], layout: PlaneLayout) -> None:
        size = layout.size
        if mask.shape != (size.height_px, size.width_px):
            raise ValueError(f"a mask of {mask.shape} for {size.width_px}x{size.height_px}")
        # A colour sample of four pixels is black when one of them is masked.
        chroma = mask.reshape(size.height_px // 2, 2, size.width_px // 2, 2).any(axis=(1, 3))
        where = np.zeros(layout.size_bytes, np.uint8)
        luma, first, second = _planes(where, layout)
        luma[mask] = 1
        first[chroma] = 2
        second[chroma] = 2
        self._luma = np.flatnonzero(where == 1)
        self._chroma = np.flatnonzero(where == 2)

    def blacken(self, buffer: Octets1D) -> None:
        """Black what is masked, in place."""
        buffer[self._luma] = BLACK_LUMA
        buffer[self._chroma] = BLACK_CHROMA


def _planes(buffer: Octets1D, layout: PlaneLayout) -> tuple[UInt8Image, UInt8Image, UInt8Image]:
    """Y, U and V as views, without padding."""
    width, height, stride = layout.size.width_px, layout.size.height_px, layout.stride_bytes
    if buffer.size < layout.size_bytes:
        raise ValueError(f"{buffer.size} bytes hold no picture of {layout.size_bytes}")
    luma = buffer[: stride * height].reshape(height, stride)[:, :width]
    chroma = buffer[stride * height : layout.size_bytes]
    if layout.order == "nv12":
        pairs = chroma.reshape(height // 2, stride)[:, :width]
        return luma, pairs[:, 0::2], pairs[:, 1::2]
    both = chroma.reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    return luma, both[0], both[1]
