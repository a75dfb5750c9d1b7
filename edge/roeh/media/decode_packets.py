"""Decoding what a camera's driver gives one buffer at a time, through PyAV."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error

from roeh.core.clock import NS_PER_S
from roeh.core.types import Size
from roeh.media.decode import DecodedPicture

_NANOSECONDS = Fraction(1, NS_PER_S)


class PacketDecoder:
    """Pictures out of buffers, each a whole coded or raw picture. One thread.

    A damaged one is refused, never made up: FFmpeg would fill what is missing with grey.

    Args:
        codec: FFmpeg's decoder ("h264", "mjpeg", "rawvideo").
        size: of raw pictures.
        pixel_format: FFmpeg's name of raw pixels; empty for compressed ones.
    """

    def __init__(self, codec: str, *, size: Size, pixel_format: str = "") -> None:
        # `explode` makes the decoder refuse a picture with an error anywhere in it.
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.options = {"err_detect": "explode"}
        context.thread_type = "NONE"
        context.thread_count = 1
        if pixel_format:
            context.width, context.height = size.width_px, size.height_px
            context.pix_fmt = pixel_format
        self._context = context
        self._refused = 0

    @property
    def refused(self) -> int:
        """Buffers that could not be decoded."""
        return self._refused

    def decode(self, content: bytes, t_ns: int) -> list[DecodedPicture]:
        """The pictures that this buffer completes; none, counted, where it is damaged.

        Args:
            content: one picture.
            t_ns: comes back as its picture's `pts_ns`.
        """
        packet = av.Packet(content)
        packet.pts = packet.dts = t_ns
        packet.time_base = _NANOSECONDS
        try:
            return [DecodedPicture(frame) for frame in self._context.decode(packet)]
        except av.error.FFmpegError:
            self._refused += 1
            return []
