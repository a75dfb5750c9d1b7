"""Network cameras over RTSP: connect, watch, reconnect.

Pictures are given only from a key picture on, and again only from one after any damage:
what FFmpeg makes up in between is grey.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import RtspSource
from roeh.core.gop import TICKS_PER_S, Discontinuity
from roeh.core.log import log_for
from roeh.core.types import Size
from roeh.media.compressed import CompressedPacket, compressed_packet
from roeh.media.decode import (
    DEFAULT_FPS,
    DecodedPicture,
    PictureFormat,
    VideoFailed,
    VideoInput,
    VideoTrouble,
)
from roeh.sources.coded import CodedObserver, CodedStream
from roeh.sources.footage import fitted
from roeh.sources.live_reader import CameraAway, LiveFrames, LiveOutput
from roeh.sources.network.camera_address import CameraAddress, camera_address
from roeh.sources.protocol import SourceFrame, SourceObserver, ignore_notices
from roeh.sources.timeline import LiveTimeline, reading_at

_log = log_for("sources")

_SILENT_SHARE = 0.9
# A read of a silent camera ends by itself at its timeout; nothing but a socket hangs on it.
_LEAVE_S = 1.0
_NOT_RTSP = "it hangs up or does not answer as RTSP wants it"
_REASONS = {
    VideoTrouble.NOTHING_THERE: "the camera offers no video there",
    VideoTrouble.NOT_VIDEO: "the camera offers no video there",
}


class RtspFrames:
    """The `Source` of a network camera. It is live: frames come when the camera gives them.

    Entering it does no network: a camera that is away is waited for, and said so. So is one
    whose picture has another shape than its lens: it was set to that, and may be set back.

    Args:
        section: address, transport, how long a silence is a stall.
        camera_id: the sensor it is.
        clock: what frames are timed by, the stamps of the camera set against it.
        lens_size: the picture that the sensor's lens is for; all frames have it.
        observer: told of connection, stall (with the reason) and reconnection.
        coded: given the compressed pictures by the thread that reads them, whether or not
            frames are taken.
        jitter: source of randomness for the back-off.
    """

    def __init__(
        self,
        section: RtspSource,
        *,
        camera_id: str,
        clock: Clock,
        lens_size: Size,
        observer: SourceObserver = ignore_notices,
        coded: CodedObserver | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self.camera_id = camera_id
        self.format = PictureFormat.of_video(lens_size)
        self.fps = DEFAULT_FPS
        self._section = section
        self._clock = clock
        self._observer = observer
        self._coded = None if coded is None else CodedStream(coded)
        self._jitter = jitter
        self._live: LiveFrames | None = None

    def __enter__(self) -> RtspFrames:
        """Read the password.

        Raises:
            ConfigError: there is a password file and it cannot be used.
        """
        address = camera_address(self._section)
        self._live = LiveFrames(
            _Camera(self._section, address, self._coded),
            camera_id=self.camera_id,
            shown=address.shown,
            clock=self._clock,
            layout=self.format,
            observer=self._observer,
            coded=self._coded,
            jitter=self._jitter,
            leave_s=_LEAVE_S,
        )
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.close()

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The camera's frames until `stop`; `seq` skips what came too fast to be taken."""
        if self._live is None:
            raise RuntimeError("a source is used before it is entered")
        return self._live.frames(stop)


class _Camera:
    """How a network camera is read."""

    def __init__(
        self, section: RtspSource, address: CameraAddress, coded: CodedStream | None
    ) -> None:
        self._section = section
        self._address = address
        self._coded = coded
        self._is_warned = False

    def read(self, output: LiveOutput) -> None:
        """One connection.

        Raises:
            CameraAway: it does not answer, broke off or fell silent.
            LensError: its picture cannot be this lens's.
        """
        stall_s = self._section.stall_timeout_s
        options = {
            "rtsp_transport": self._section.transport,
            "timeout": str(round(stall_s * 1_000_000)),
            "allowed_media_types": "video",
            # The stream's description tells what is needed: do not wait to count pictures.
            "fpsprobesize": "0",
            "analyzeduration": "1000000",
        }
        began_ns = output.clock.mono_ns()
        try:
            with VideoInput(self._address.opened, options=options, timeout_s=stall_s) as video:
                began_ns = output.clock.mono_ns()
                self._warn_of(video.compressed_format.codec, output.camera_id)
                _Stream(video, output, self._address.shown, stall_s, self._coded).run()
        except VideoFailed as failed:
            took_ns = output.clock.mono_ns() - began_ns
            is_silent = took_ns > _SILENT_SHARE * stall_s * NS_PER_S
            # A camera locks the account out that guesses on.
            is_slow = failed.trouble is VideoTrouble.REFUSED
            raise CameraAway(_plain(failed, is_silent=is_silent), is_slow=is_slow) from None

    def _warn_of(self, codec: str, camera_id: str) -> None:
        """Say once what neither the camera nor the decoder will say."""
        if codec == "hevc" and self._section.transport == "udp" and not self._is_warned:
            self._is_warned = True
            _log.warning(
                "%s: H.265 over UDP: pictures that lost packets are not told from whole ones; "
                'set transport = "tcp", or H.264 in the camera',
                camera_id,
            )


class _Stream:
    """The pictures of one connection."""

    def __init__(
        self,
        video: VideoInput,
        output: LiveOutput,
        shown: str,
        stall_s: float,
        coded: CodedStream | None,
    ) -> None:
        self._video = video
        self._output = output
        self._shown = shown
        self._stall_ns = stall_s * NS_PER_S
        self._coded = coded
        self._timeline = LiveTimeline(output.last_mono_ns)
        self._size: Size | None = None
        self._awaiting_key = True
        self._silence_ns = 0
        self._last_picture_ns = self._last_packet_ns = output.clock.mono_ns()

    def run(self) -> None:
        """Read until the output is left.

        Raises:
            VideoFailed: the connection broke or fell silent.
            CameraAway: it ended.
            LensError: the picture cannot be this lens's.
        """
        video, output = self._video, self._output
        if self._coded is not None:
            self._coded.begin(video.compressed_format, Discontinuity.SOURCE_RECONNECTED)
        for packet in video.packets():
            if output.leaving.is_set():
                return
            # The last, empty one says that nothing more comes.
            if not packet.size:
                break
            arrival_ns = output.clock.mono_ns()
            self._watch(arrival_ns)
            pictures: list[DecodedPicture] = []
            if packet.is_keyframe or not self._awaiting_key:
                damaged = video.damaged_packets
                pictures = video.decode(packet)
                self._awaiting_key = video.damaged_packets > damaged
            if self._coded is not None:
                self._hand_over(self._coded, compressed_packet(packet), arrival_ns)
            self._show(pictures, arrival_ns)
        raise CameraAway(self._ending())

    def _watch(self, arrival_ns: int) -> None:
        """Say it when packets come and no picture does."""
        self._silence_ns = arrival_ns - self._last_packet_ns
        self._last_packet_ns = arrival_ns
        blind_ns = arrival_ns - self._last_picture_ns
        if self._silence_ns < self._stall_ns / 2 and blind_ns > self._stall_ns:
            self._output.stalled("the camera sends, but no picture that can be shown")

    def _hand_over(self, coded: CodedStream, read: CompressedPacket, arrival_ns: int) -> None:
        """The packet as it came: what the decoder thinks of it does not matter here."""
        taken_ns = self._timeline.locate(_stamp_ns(read), arrival_ns)
        size = self._video.compressed_format.size
        coded.take(read, size, reading_at(self._output.clock, taken_ns))

    def _show(self, pictures: list[DecodedPicture], arrival_ns: int) -> None:
        output = self._output
        for picture in pictures:
            if picture.is_corrupt:
                self._awaiting_key = True
                return
            if picture.size != self._size:
                self._size = picture.size
                fitted(picture.size, output.layout.size, self._shown)
            self._last_picture_ns = arrival_ns
            output.give(
                self._timeline.place(picture.pts_ns, arrival_ns),
                partial(picture.write_into, wanted=output.layout),
                size=picture.size,
            )

    def _ending(self) -> str:
        """Why the packets ended: FFmpeg takes a silence of the connection for its end."""
        # It gives the last packet only then, so the silence may lie before that one.
        since_ns = self._output.clock.mono_ns() - self._last_packet_ns
        if max(self._silence_ns, since_ns) > _SILENT_SHARE * self._stall_ns:
            return VideoTrouble.SILENT.value
        return "the camera ended the stream"


def _plain(failed: VideoFailed, *, is_silent: bool) -> str:
    """What FFmpeg calls the same for a camera that is silent, hangs up or sends anything."""
    if failed.trouble is VideoTrouble.GARBLED:
        return VideoTrouble.SILENT.value if is_silent else _NOT_RTSP
    return _REASONS.get(failed.trouble, failed.reason)


def _stamp_ns(packet: CompressedPacket) -> int | None:
    stamp = packet.dts if packet.pts is None else packet.pts
    return None if stamp is None else stamp * NS_PER_S // TICKS_PER_S
