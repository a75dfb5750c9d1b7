"""The formats of V4L2 that we read, and how their pixels lie in a buffer. Pure.

Source: the kernel's "Video for Linux API", chapter "Image Formats", and for padding its
struct v4l2_pix_format: bytesperline is of the first plane, the others follow from it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from roeh.core.types import Size

#: What a camera may be asked to send.
Video = Literal["auto", "h264", "mjpeg", "raw"]


class PictureCoding(msgspec.Struct, frozen=True):
    """A format of V4L2 that we read.

    Attributes:
        fourcc: its code.
        video: how node.toml calls it.
        codec: FFmpeg's decoder.
        pixel_format: FFmpeg's name of raw pixels; empty for compressed ones.
        pixel_bits: what a pixel takes in the first plane; 0 for compressed ones.
    """

    fourcc: str
    video: Literal["h264", "mjpeg", "raw"]
    codec: str
    pixel_format: str = ""
    pixel_bits: int = 0


#: In the order in which "auto" takes them.
CODINGS = (
    PictureCoding("H264", "h264", "h264"),
    PictureCoding("MJPG", "mjpeg", "mjpeg"),
    PictureCoding("JPEG", "mjpeg", "mjpeg"),
    PictureCoding("YU12", "raw", "rawvideo", "yuv420p", 8),
    PictureCoding("NV12", "raw", "rawvideo", "nv12", 8),
    PictureCoding("YUYV", "raw", "rawvideo", "yuyv422", 16),
    PictureCoding("UYVY", "raw", "rawvideo", "uyvy422", 16),
    PictureCoding("RGB3", "raw", "rawvideo", "rgb24", 24),
    PictureCoding("BGR3", "raw", "rawvideo", "bgr24", 24),
    PictureCoding("GREY", "raw", "rawvideo", "gray", 8),
)


def without_padding(content: bytes, coding: PictureCoding, size: Size, row_bytes: int) -> bytes:
    """Raw pixels as they lie without what a driver adds at the end of rows and buffers.

    Args:
        content: the buffer; too short a one comes back too short.
        coding: compressed pictures come back as they are.
        size: of the picture.
        row_bytes: from one row of the first plane to the next; 0 for no padding.
    """
    if not coding.pixel_bits:
        return content
    wanted_bytes = size.width_px * coding.pixel_bits // 8
    row_bytes = max(row_bytes, wanted_bytes)
    kept: list[bytes] = []
    start = 0
    for rows, halves in _planes(coding, size.height_px):
        step, length = row_bytes // halves, wanted_bytes // halves
        if step == length:
            kept.append(content[start : start + rows * step])
        else:
            kept.extend(content[at : at + length] for at in range(start, start + rows * step, step))
        start += rows * step
    return b"".join(kept)


def _planes(coding: PictureCoding, height_px: int) -> list[tuple[int, int]]:
    """(rows, by how much shorter than the first plane's they are) of each plane."""
    planes = [(height_px, 1)]
    if coding.fourcc == "NV12":
        planes.append((height_px // 2, 1))
    if coding.fourcc == "YU12":
        planes.extend([(height_px // 2, 2)] * 2)
    return planes
