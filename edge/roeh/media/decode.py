"""Decoding with FFmpeg, through PyAV: the product's one way into compressed video.

One thread a decoder: it is the cheapest in CPU-seconds (edge/design/sources.md), and a
pole has other work for its cores. A picture's pixels are moved only when asked for, and
then straight into the place where they are wanted.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

import av
import av.error
import cv2
import msgspec
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from roeh.core.clock import NS_PER_S
from roeh.core.types import PixelFormat, Size
from roeh.media.compressed import CompressedFormat, CompressedPacket, compressed_packet, format_of
from roeh.media.frames import UInt8Image, pixel_shape

PacketTap = Callable[[CompressedPacket], None]

DEFAULT_FPS = 25.0
# FFmpeg renders any text as a picture; to us that is a file that is not video.
_TEXT_DEMUXERS = frozenset({"tty", "bin", "xbin", "adf", "idf"})
_TURNS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    -90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    -180: cv2.ROTATE_180,
}
# ITU-R BT.601: limited range has luma in 16..235 and chroma in 16..240.
_LUMA_TO_LIMITED = (219 / 255, 16.0)
_CHROMA_TO_LIMITED = (224 / 255, 128 * (1 - 224 / 255))


class PictureFormat(msgspec.Struct, frozen=True):
    """Size and layout of the pictures that a source gives."""

    size: Size
    pixel_format: PixelFormat

    @classmethod
    def of_video(cls, size: Size) -> PictureFormat:
        """yuv420p where it can be: its planes need even sides, so odd ones become bgr24."""
        even = size.width_px % 2 == 0 and size.height_px % 2 == 0
        return cls(size, "yuv420p" if even else "bgr24")

    def shape(self) -> tuple[int, ...]:
        """The shape of the array that holds such a picture."""
        return pixel_shape(self.size.width_px, self.size.height_px, self.pixel_format)


class DecodedPicture:
    """One decoded picture, its pixels still where the decoder put them.

    Attributes:
        size: as it is to be seen, a turned one set upright.
        pts_ns: presentation time in the stream's own count; None where it has none.
        is_key: whether it can be decoded without any other.
        is_corrupt: whether the decoder says that parts are missing.
    """

    __slots__ = ("_frame", "_turn", "is_corrupt", "is_key", "pts_ns", "size")

    def __init__(self, frame: VideoFrame) -> None:
        self._frame = frame
        self._turn = _TURNS.get(frame.rotation)
        self.size = self._stored_size(Size(frame.width, frame.height))
        self.is_key = frame.key_frame
        self.is_corrupt = frame.is_corrupt
        self.pts_ns = _pts_ns(frame)

    def write_into(self, out: UInt8Image, wanted: PictureFormat) -> None:
        """Write the pixels, upright, scaled to the wanted size, in the wanted layout.

        Args:
            out: C-contiguous, of the shape `wanted.shape()`.
            wanted: yuv420p is written in limited range, as OpenCV expects it.
        """
        if self._turn is None:
            _write(self._frame, out, wanted)
            return
        stored = PictureFormat(self._stored_size(wanted.size), wanted.pixel_format)
        lying = np.empty(stored.shape(), np.uint8)
        _write(self._frame, lying, stored)
        for source, target in zip(_planes(lying, stored), _planes(out, wanted), strict=True):
            cv2.rotate(source, self._turn, dst=target)

    def _stored_size(self, upright: Size) -> Size:
        if self._turn in {cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE}:
            return Size(upright.height_px, upright.width_px)
        return upright


class VideoTrouble(enum.Enum):
    """What can be wrong with a video that cannot be opened or read on."""

    NOT_VIDEO = "it is not a video"
    REFUSED = "the camera refuses the user name or password"
    NOT_FOUND = "the camera has no stream of that name"
    SILENT = "no answer in time"
    UNABLE = "the camera says that it cannot serve now"
    NOTHING_THERE = "there is nothing to be read from it"
    GARBLED = "what comes makes no sense"
    OTHER = "it cannot be read"


class VideoFailed(Exception):
    """A video cannot be opened or read on; for the source to put into its own words.

    It never carries the address, which may hold a password, and neither do its causes.
    """

    def __init__(self, trouble: VideoTrouble, reason: str) -> None:
        super().__init__(trouble, reason)
        self.trouble = trouble
        self.reason = reason


class VideoInput:
    """An opened video, file or network; a context manager.

    Args:
        address: what FFmpeg opens; may hold credentials and is never shown.
        options: FFmpeg's.
        timeout_s: for opening and for every read; None waits for ever.

    Raises:
        VideoFailed: there is no video to be had.
    """

    def __init__(
        self,
        address: str,
        *,
        options: Mapping[str, str],
        timeout_s: float | None = None,
    ) -> None:
        self.damaged_packets = 0
        failure: VideoFailed | None = None
        try:
            self._container = av.open(address, options=dict(options), timeout=timeout_s)
        except av.error.FFmpegError as error:
            failure = _failure(error)
        # Raised out here, or Python would chain FFmpeg's error, which shows the address.
        if failure is not None:
            raise failure
        streams = self._container.streams.video
        if not streams or self._container.format.name in _TEXT_DEMUXERS:
            self._container.close()
            raise VideoFailed(VideoTrouble.NOT_VIDEO, VideoTrouble.NOT_VIDEO.value)
        self._stream = streams[0]
        self._stream.thread_type = "NONE"
        self._stream.codec_context.thread_count = 1

    def __enter__(self) -> VideoInput:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the decoder and the connection back."""
        self._container.close()

    @property
    def fps(self) -> float:
        """Pictures a second as the stream declares them; 25 where it does not."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else DEFAULT_FPS

    @property
    def declared_duration_s(self) -> float | None:
        """How long the video says it is; None where it does not say."""
        known_s = []
        if self._stream.duration is not None and self._stream.time_base is not None:
            known_s.append(float(self._stream.duration * self._stream.time_base))
        if self._stream.frames:
            known_s.append(self._stream.frames / self.fps)
        if not known_s and self._container.duration is not None:
            known_s.append(self._container.duration / av.time_base)
        return max(known_s, default=None)

    @property
    def compressed_format(self) -> CompressedFormat:
        """What the packets hold; the size follows the last one that was decoded."""
        context = self._stream.codec_context
        # The stream's codec, not the decoder's name: there may be several decoders.
        size = Size(context.width, context.height)
        return format_of(context.codec.canonical_name, context, size)

    def seek(self, start_s: float) -> None:
        """Go on from the last key picture before `start_s`; where it cannot, stay."""
        with contextlib.suppress(av.error.FFmpegError):
            self._container.seek(round(start_s * av.time_base))

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Compressed pictures in the order of the file, a last empty one that flushes.

        Raises:
            VideoFailed: reading failed.
        """
        packets = self._container.demux(self._stream)
        packet: Packet[VideoStream] | None = None
        failure: VideoFailed | None = None
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                failure = _failure(error)
            if failure is not None:
                raise failure
            if packet is None:
                return
            yield packet

    def decode(self, packet: Packet[VideoStream]) -> list[DecodedPicture]:
        """The pictures that this packet completes; none, counted, if it is damaged."""
        try:
            return [DecodedPicture(frame) for frame in self._stream.decode(packet)]
        except av.error.FFmpegError:
            self.damaged_packets += 1
            return []

    def pictures(self, tap: PacketTap | None = None) -> Iterator[DecodedPicture]:
        """All pictures; where reading fails they end, and the failure is counted.

        `tap` is called with each packet after it was decoded, before its pictures.
        """
        try:
            for packet in self.packets():
                decoded = self.decode(packet)
                if tap is not None and packet.size:
                    tap(compressed_packet(packet))
                yield from decoded
        except VideoFailed:
            self.damaged_packets += 1


def _failure(error: av.error.FFmpegError) -> VideoFailed:
    """FFmpeg's error without the address in it."""
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return VideoFailed(VideoTrouble.REFUSED, VideoTrouble.REFUSED.value)
    if isinstance(error, av.error.HTTPNotFoundError):
        return VideoFailed(VideoTrouble.NOT_FOUND, VideoTrouble.NOT_FOUND.value)
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return VideoFailed(VideoTrouble.SILENT, VideoTrouble.SILENT.value)
    trouble = VideoTrouble.OTHER
    if isinstance(error, av.error.HTTPServerError):
        return VideoFailed(VideoTrouble.UNABLE, VideoTrouble.UNABLE.value)
    if isinstance(error, av.error.InvalidDataError):
        trouble = VideoTrouble.GARBLED
    elif isinstance(error, av.error.PermissionError):
        trouble = VideoTrouble.NOTHING_THERE
    return VideoFailed(trouble, error.strerror or trouble.value)


def _pts_ns(frame: VideoFrame) -> int | None:
    pts = frame.dts if frame.pts is None else frame.pts
    if pts is None or frame.time_base is None:
        return None
    return int(pts * frame.time_base.numerator * NS_PER_S // frame.time_base.denominator)


def _planes(pixels: UInt8Image, layout: PictureFormat) -> list[UInt8Image]:
    """The planes of a picture as views: one for bgr24; Y, U and V for yuv420p."""
    if layout.pixel_format == "bgr24":
        return [pixels]
    width, height = layout.size.width_px, layout.size.height_px
    flat = pixels.reshape(-1)
    luma, chroma = width * height, width * height // 4
    return [
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(height // 2, width // 2),
        flat[luma + chroma :].reshape(height // 2, width // 2),
    ]


def _stored_plane(plane: VideoPlane, shape: tuple[int, ...]) -> UInt8Image:
    """A view of a decoder's plane without the padding at the end of its rows."""
    row_bytes = int(np.prod(shape[1:]))
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    trimmed: UInt8Image = rows[: shape[0], :row_bytes].reshape(shape)
    return trimmed


def _write(frame: VideoFrame, out: UInt8Image, wanted: PictureFormat) -> None:
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name == "yuvj420p"
    same_size = (frame.width, frame.height) == (wanted.size.width_px, wanted.size.height_px)
    planar = frame.format.name in {"yuv420p", "yuvj420p"}
    if wanted.pixel_format == "bgr24" or not (planar and same_size):
        frame = frame.reformat(
            width=wanted.size.width_px,
            height=wanted.size.height_px,
            format=wanted.pixel_format,
            dst_color_range=ColorRange.MPEG if wanted.pixel_format == "yuv420p" else None,
            threads=1,
        )
        full_range = False
    targets = _planes(out, wanted)
    sources = [
        _stored_plane(plane, target.shape)
        for plane, target in zip(frame.planes, targets, strict=True)
    ]
    if not full_range:
        for source, target in zip(sources, targets, strict=True):
            np.copyto(target, source)
        return
    levels = (_LUMA_TO_LIMITED, _CHROMA_TO_LIMITED, _CHROMA_TO_LIMITED)
    for source, target, (gain, offset) in zip(sources, targets, levels, strict=True):
        cv2.convertScaleAbs(source, dst=target, alpha=gain, beta=offset)
