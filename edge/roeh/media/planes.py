"""Raw pictures as a camera's driver lays them: rows padded, chroma in planes or in pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
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

    Two operations on the masked part's rectangle: a fifteenth of what setting pixel by pixel
    takes (edge/design/cameras.md).

    Args:
        mask: (height, width), true where nothing may be seen.
        layout: of the pictures.
    """

    def __init__(self, mask: npt.NDArray[np.bool_], layout: PlaneLayout) -> None:
        size = layout.size
        if mask.shape != (size.height_px, size.width_px):
            raise ValueError(f"a mask of {mask.shape} for {size.width_px}x{size.height_px}")
        # A colour sample of four pixels is black when one of them is masked.
        quads = mask.reshape(size.height_px // 2, 2, size.width_px // 2, 2)
        chroma = np.asarray(quads.any(axis=(1, 3)), np.bool_)
        if layout.order == "nv12":
            chroma = np.repeat(chroma, 2, axis=1)
        self._layout = layout
        self._luma = _Black.of(mask, BLACK_LUMA)
        self._chroma = _Black.of(chroma, BLACK_CHROMA)

    def blacken(self, buffer: Octets1D) -> None:
        """Black what is masked, in place."""
        luma, *chroma = _stored_planes(buffer, self._layout)
        self._luma.lay_on(luma)
        for plane in chroma:
            self._chroma.lay_on(plane)


@dataclass(frozen=True, slots=True)
class _Black:
    """One plane's mask: the rectangle round it, what stays in it, and black elsewhere."""

    where: tuple[slice, slice]
    stays: UInt8Image
    black: UInt8Image

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_], black: int) -> _Black:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            nothing = np.empty((0, 0), np.uint8)
            return cls((slice(0, 0), slice(0, 0)), nothing, nothing)
        where = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        masked = mask[where]
        stays = np.where(masked, 0, 255).astype(np.uint8)
        return cls(where, stays, np.where(masked, black, 0).astype(np.uint8))

    def lay_on(self, plane: UInt8Image) -> None:
        """Black it, in place."""
        part = plane[self.where]
        if part.size:
            cv2.bitwise_and(part, self.stays, dst=part)
            cv2.bitwise_or(part, self.black, dst=part)


def _planes(buffer: Octets1D, layout: PlaneLayout) -> tuple[UInt8Image, UInt8Image, UInt8Image]:
    """Y, U and V as views, without padding."""
    luma, *chroma = _stored_planes(buffer, layout)
    if layout.order == "nv12":
        return luma, chroma[0][:, 0::2], chroma[0][:, 1::2]
    return luma, chroma[0], chroma[1]


def _stored_planes(buffer: Octets1D, layout: PlaneLayout) -> list[UInt8Image]:
    """Y and U, V or pairs of both, as views, without padding."""
    width, height, stride = layout.size.width_px, layout.size.height_px, layout.stride_bytes
    if buffer.size < layout.size_bytes:
        raise ValueError(f"{buffer.size} bytes hold no picture of {layout.size_bytes}")
    luma = buffer[: stride * height].reshape(height, stride)[:, :width]
    chroma = buffer[stride * height : layout.size_bytes]
    if layout.order == "nv12":
        return [luma, chroma.reshape(height // 2, stride)[:, :width]]
    both = chroma.reshape(2, height // 2, stride // 2)[:, :, : width // 2]
    return [luma, both[0], both[1]]
