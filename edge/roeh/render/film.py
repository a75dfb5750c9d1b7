"""Pictures to a fragmented MP4, on a time scale that begins with the span asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from roeh.bitstream.codec_config import codec_config_from_extradata
from roeh.bitstream.mp4_write import fragment, init_segment
from roeh.bitstream.nal import from_annex_b, join_length_prefixed
from roeh.core.gop import TICKS_PER_S, AccessUnit
from roeh.core.types import Size
from roeh.media.compressed import CompressedPacket
from roeh.media.encode import H264Encoder, i420_shape
from roeh.media.frames import UInt8Image

#: Of Debian's and PyAV's FFmpeg; a board's own encoder is a device, which no child can open.
ENCODER = "libx264"
_US_PER_S = 1_000_000
#: A pause in the recording longer than this is shown as one.
MAX_PAUSE_US = 1_000_000
#: Cameras are never quite even: so much too early still counts.
_MAX_EARLY_US = 20_000
#: Where the clock stepped back, pictures follow each other this closely.
_SHORTEST_US = 1_000
#: Between black and grey: nobody takes it for a picture of the street.
_SLATE_LUMA, _NEUTRAL_CHROMA = 48, 128


class Film:
    """Encodes pictures and hands on whole fragments.

    Args:
        size: of the pictures, sides even.
        fps: how many are expected a second.
        bps: bits a second at the most.
        from_utc_us: where the film's own time is zero.
        give: takes the bytes of the file, in order.
    """

    def __init__(
        self,
        size: Size,
        *,
        fps: float,
        bps: int,
        from_utc_us: int,
        give: Callable[[bytes], None],
    ) -> None:
        self.pictures = 0
        self.first_utc_us = self.last_utc_us = 0
        self._size = size
        self._step_us = round(_US_PER_S / fps)
        self._from_utc_us = from_utc_us
        # Where the last picture ends, where one more may begin, and where one is wanted.
        self._end_us = self._free_us = self._due_us = 0
        self._give = give
        self._sequence = 0
        self._units: list[AccessUnit] = []
        self._encoder = H264Encoder(size, fps=fps, bps=bps, gop_s=1.0, name=ENCODER)

    def wants(self, t_utc_us: int) -> bool:
        """Whether it is time for a picture again, on a grid of `fps`."""
        early_us = min(self._step_us // 4, _MAX_EARLY_US)
        return t_utc_us - self._from_utc_us >= self._due_us - early_us

    def add(self, t_utc_us: int, i420: UInt8Image) -> None:
        """The next picture; a pause before it shows as an empty grey one."""
        at_us = max(t_utc_us - self._from_utc_us, self._free_us)
        if not self._free_us and at_us <= MAX_PAUSE_US:
            at_us = 0  # players want a film to begin at its beginning
        if at_us - self._end_us > MAX_PAUSE_US:
            self._encode(self._end_us, self._slate(), begins=True)
        self._encode(at_us, i420, begins=False)
        self._due_us = ((at_us + self._step_us // 2) // self._step_us + 1) * self._step_us
        if not self.pictures:
            self.first_utc_us = t_utc_us
        self.last_utc_us = t_utc_us
        self.pictures += 1

    def end(self) -> None:
        """What is still held."""
        self._take(self._encoder.flush())
        self._write(_ticks(self._end_us))

    def _encode(self, at_us: int, i420: UInt8Image, *, begins: bool) -> None:
        self._take(self._encoder.encode(i420, at_us * 1000, begins=begins))
        self._end_us = at_us + self._step_us
        self._free_us = at_us + _SHORTEST_US

    def _take(self, packets: list[CompressedPacket]) -> None:
        for packet in packets:
            nals = from_annex_b(packet.content)
            pts = packet.pts or 0
            is_key = any(nal[0] & 0x1F == 5 for nal in nals)
            if is_key and self._units:
                self._write(pts)
            self._units.append(AccessUnit(join_length_prefixed(nals), pts, pts, is_key))

    def _write(self, end_ticks: int) -> None:
        if not self._units:
            return
        if not self._sequence:
            size = self._size
            extradata = self._encoder.format.extradata
            config = codec_config_from_extradata("h264", extradata, size.width_px, size.height_px)
            self._give(init_segment(config))
        self._sequence += 1
        first = self._units[0].dts
        end = max(end_ticks, self._units[-1].dts + 1)
        self._give(fragment(self._sequence, first, self._units, end))
        self._units = []

    def _slate(self) -> UInt8Image:
        empty = np.full(i420_shape(self._size), _NEUTRAL_CHROMA, np.uint8)
        empty[: self._size.height_px] = _SLATE_LUMA
        return empty


def _ticks(t_us: int) -> int:
    return t_us * TICKS_PER_S // _US_PER_S
