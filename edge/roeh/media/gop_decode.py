"""Decoding of access units that our own parser took out of a file: no demuxer of FFmpeg's."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from roeh.bitstream.codec_config import decoder_record
from roeh.bitstream.malformed import Malformed
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig
from roeh.media.decode import DecodedPicture

_US_PER_S = 1_000_000
_MICROSECOND = Fraction(1, _US_PER_S)
_DECODERS = {"h264": "h264", "h265": "hevc"}
#: No sensor of ours has more; a header may promise a picture of any size.
MAX_PICTURE_PX = 64_000_000


class GopDecoder:
    """Decodes groups of pictures of one format, in order; one thread.

    Raises:
        Malformed: parameter sets that no decoder takes.
    """

    def __init__(self, config: CodecConfig) -> None:
        self.damaged_units = 0
        self._context = _context(config)

    def pictures(self, units: tuple[AccessUnit, ...], t_first_us: int) -> Iterator[DecodedPicture]:
        """The pictures of a group that are ready; the last ones may come with the next group.

        Args:
            units: in decoding order.
            t_first_us: when the first of them was taken: `pts_ns` of a picture counts on
                the same scale.
        """
        start = units[0].pts
        for unit in units:
            packet = Packet(unit.nal_units)
            packet.time_base = _MICROSECOND
            packet.pts = t_first_us + (unit.pts - start) * _US_PER_S // TICKS_PER_S
            yield from self._decoded(packet)

    def flush(self) -> Iterator[DecodedPicture]:
        """What is still held; the next group begins anew."""
        yield from self._decoded(None)
        self._context.flush_buffers()

    def _decoded(self, packet: Packet[Stream] | None) -> list[DecodedPicture]:
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError:
            self.damaged_units += 1
            return []
        for frame in frames:
            frame.time_base = _MICROSECOND
        return [DecodedPicture(frame) for frame in frames]


def _context(config: CodecConfig) -> VideoCodecContext:
    context = av.CodecContext.create(_DECODERS[config.codec], "r")
    if not isinstance(context, VideoCodecContext):
        raise Malformed(f"{config.codec}: not video")
    context.extradata = decoder_record(config)
    context.thread_type = "NONE"
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PICTURE_PX)}
    try:
        context.open()
    except (av.error.FFmpegError, ValueError):
        raise Malformed("parameter sets that the decoder does not take") from None
    return context
