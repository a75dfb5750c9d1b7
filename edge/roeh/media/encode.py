"""H.264 from raw pictures: for sources that give no video which could be recorded as it comes.

Which encoder, and under which licence: edge/design/adr/0006-encoder.md. Every group is
closed and begins with an IDR picture; no picture is re-ordered; one thread.
"""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from roeh.core.clock import NS_PER_S
from roeh.core.errors import RuntimeMissing
from roeh.core.gop import TICKS_PER_S
from roeh.core.types import PixelFormat, Size
from roeh.media.compressed import (
    CompressedPacket,
    compressed_packet,
    format_of,
)
from roeh.media.frames import UInt8Image, pixel_shape

_X264 = "libx264"
#: Tried in this order: the encoder of a board's own chip first, it costs no CPU.
ENCODERS = ("h264_v4l2m2m", _X264)

_TICK = Fraction(1, TICKS_PER_S)
#: The next slower one takes three quarters more CPU for 0.8 dB (edge/design/adr/0006-encoder.md).
_PRESET = "ultrafast"
_TRIAL_PICTURES = 3
#: Black in limited range (ITU-R BT.601).
_BLACK_LUMA, _BLACK_CHROMA = 16, 128


class EncoderFailed(Exception):
    """An encoder that does not open here or does not give what it is asked for."""


class H264Encoder:
    """One camera's encoder; not for several threads at once.

    Args:
        size: of the pictures, sides even.
        fps: how many are expected each second.
        bps: bits a second at the most, over two seconds.
        gop_s: a key picture at least each so many seconds.
        name: FFmpeg's name of the encoder.

    Raises:
        EncoderFailed: it cannot be opened here.
    """

    def __init__(self, size: Size, *, fps: float, bps: int, gop_s: float, name: str) -> None:
        self.name = name
        self._size = size
        self._gop = round(gop_s * TICKS_PER_S)
        # A picture that comes a little early would otherwise put the key off by one.
        self._early = round(TICKS_PER_S / fps / 2)
        self._last_key: int | None = None
        self._context = _context(name, size, fps, bps, gop_s)
        self.format = format_of("h264", self._context, size)

    def encode(self, i420: UInt8Image, t_mono_ns: int, *, begins: bool) -> list[CompressedPacket]:
        """Encode one picture; what is ready by then, in decoding order.

        Args:
            i420: planes Y, U, V in limited range, of shape `i420_shape(size)`.
            t_mono_ns: when it was taken; grows from picture to picture. Packets are
                stamped with it.
            begins: whether it has to be a key picture.

        Raises:
            EncoderFailed: the encoder broke.
        """
        # x264 copies a picture before it returns; another encoder may keep it.
        wrap = VideoFrame.from_numpy_buffer if self.name == _X264 else VideoFrame.from_ndarray
        frame = wrap(i420, format="yuv420p")
        frame.time_base = _TICK
        # Upwards, so that the way back from ticks, downwards, is off by less than a tick.
        frame.pts = pts = -(-t_mono_ns * TICKS_PER_S // NS_PER_S)
        if begins or self._last_key is None or pts - self._last_key >= self._gop - self._early:
            frame.pict_type = PictureType.I
            self._last_key = pts
        return self._packets(frame)

    def flush(self) -> list[CompressedPacket]:
        """What it still holds; nothing may be encoded afterwards.

        Raises:
            EncoderFailed: the encoder broke.
        """
        return self._packets(None)

    def _packets(self, frame: VideoFrame | None) -> list[CompressedPacket]:
        try:
            return [compressed_packet(packet) for packet in self._context.encode(frame)]
        except av.error.FFmpegError as error:
            raise EncoderFailed(f"{self.name}: {error.strerror}") from None


def open_encoder(size: Size, *, fps: float, bps: int, gop_s: float) -> H264Encoder:
    """The first encoder that works here: seen by encoding a few pictures with it.

    Raises:
        RuntimeMissing: none does.
    """
    reasons = []
    for name in ENCODERS:
        try:
            _try_out(H264Encoder(size, fps=fps, bps=bps, gop_s=gop_s, name=name), size, fps)
            return H264Encoder(size, fps=fps, bps=bps, gop_s=gop_s, name=name)
        except EncoderFailed as failed:
            reasons.append(str(failed))
    raise RuntimeMissing(
        what=f"no H.264 encoder works here ({'; '.join(reasons)})",
        which=f"pictures of {size.width_px}x{size.height_px}",
        remedy="install PyAV's own wheel, or set record = false in [evidence]",
    )


def _try_out(encoder: H264Encoder, size: Size, fps: float) -> None:
    """Raises EncoderFailed unless every picture comes out again, a key picture first."""
    grey = np.full(i420_shape(size), 128, np.uint8)
    packets: list[CompressedPacket] = []
    for index in range(_TRIAL_PICTURES):
        t_mono_ns = round(index * NS_PER_S / fps)
        packets += encoder.encode(grey, t_mono_ns, begins=index == 0)
    packets += encoder.flush()
    if len(packets) != _TRIAL_PICTURES:
        raise EncoderFailed(f"{encoder.name}: {len(packets)} of {_TRIAL_PICTURES} pictures")


def _context(name: str, size: Size, fps: float, bps: int, gop_s: float) -> VideoCodecContext:
    try:
        context = av.CodecContext.create(name, "w")
        if not isinstance(context, VideoCodecContext):
            raise EncoderFailed(f"{name}: not of video")
        context.width, context.height = size.width_px, size.height_px
        context.pix_fmt = "yuv420p"
        context.time_base = _TICK
        context.framerate = Fraction(fps).limit_denominator(1000)
        context.bit_rate = bps
        # Key pictures are asked for one by one; this is for an encoder that is deaf to it.
        context.gop_size = max(1, round(gop_s * fps))
        context.max_b_frames = 0
        context.thread_count = 1
        context.flags |= Flags.global_header
        if name == _X264:
            context.options = _x264_options(bps)
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EncoderFailed(f"{name}: {reason}") from None
    return context


def _x264_options(bps: int) -> dict[str, str]:
    parameters = {
        "keyint": "infinite",
        "scenecut": "0",
        "open-gop": "0",
        "bframes": "0",
        "vbv-maxrate": str(bps // 1000),
        "vbv-bufsize": str(2 * bps // 1000),
    }
    return {
        "preset": _PRESET,
        # Each picture comes out at once: what is not encoded yet is lost with the power.
        "tune": "zerolatency",
        "forced-idr": "1",
        "x264-params": ":".join(f"{key}={value}" for key, value in parameters.items()),
    }


def encoded_size(size: Size) -> Size:
    """The size in which pictures are encoded: 4:2:0 needs even sides."""
    return Size(size.width_px + size.width_px % 2, size.height_px + size.height_px % 2)


def i420_shape(size: Size) -> tuple[int, ...]:
    """The shape of a picture for the encoder; sides even."""
    return pixel_shape(size.width_px, size.height_px, "yuv420p")


def write_i420(pixels: UInt8Image, pixel_format: PixelFormat, out: UInt8Image) -> None:
    """Write a frame's pixels as the encoder takes them; odd sides repeat their last line.

    Args:
        pixels: of a frame, as `pixel_shape` says.
        pixel_format: how they lie.
        out: of shape `i420_shape(encoded_size(...))`.
    """
    if pixel_format == "yuv420p":
        np.copyto(out, pixels)
        return
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420, dst=out)


class BurntMask:
    """A privacy mask that blackens pictures for the encoder.

    Args:
        mask: (height, width) of the frames, true where nothing may be seen.
    """

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        height, width = mask.shape
        even = np.pad(mask, ((0, height % 2), (0, width % 2)), mode="edge")
        # A colour sample of four pixels is black when one of them is masked.
        chroma = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).any(axis=(1, 3))
        self._luma = np.flatnonzero(even)
        planes = np.concatenate([chroma.reshape(-1), chroma.reshape(-1)])
        self._chroma = np.flatnonzero(planes) + even.size

    def blacken(self, i420: UInt8Image) -> None:
        """Black what is masked, in place."""
        flat = i420.reshape(-1)
        flat[self._luma] = _BLACK_LUMA
        flat[self._chroma] = _BLACK_CHROMA
