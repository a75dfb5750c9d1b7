"""Network cameras over RTSP: connect, watch, reconnect.

A thread of its own reads the camera, so that a silent camera or a name that does not
resolve never holds up whoever iterates. Pictures are given only from a key picture on,
and again only from one after any damage: what FFmpeg makes up in between is grey.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import RtspSource
from roeh.core.errors import LensError
from roeh.core.gop import TICKS_PER_S, Discontinuity, StreamEnd
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
from roeh.sources.backoff import Backoff
from roeh.sources.camera_address import CameraAddress, camera_address
from roeh.sources.coded import CodedObserver, CodedStream
from roeh.sources.footage import fitted
from roeh.sources.mailbox import Mailbox
from roeh.sources.protocol import (
    SourceFrame,
    SourceNotice,
    SourceObserver,
    SourceState,
    ignore_notices,
)
from roeh.sources.timeline import LiveTimeline, frame_at, reading_at

# How long the iterating thread sleeps at most before it looks at `stop`.
_LOOK_S = 0.1
_SILENT_SHARE = 0.9
# How long leaving waits for the reader; a silent one ends by itself at its timeout.
_LEAVE_S = 1.0


class RtspFrames:
    """The `Source` of a network camera. It is live: frames come when the camera gives them.

    Entering it does no network: a camera that is away is waited for, and said so.

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
        # Not for secrets: it only keeps a site's poles from reconnecting in step.
        self._jitter = jitter or random.Random()  # noqa: S311
        self._address: CameraAddress | None = None
        self._readers: list[_CameraReader] = []

    def __enter__(self) -> RtspFrames:
        """Read the password.

        Raises:
            ConfigError: there is a password file and it cannot be used.
        """
        self._address = camera_address(self._section)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._readers:
            self._readers.pop().leave()

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The camera's frames until `stop`; `seq` skips what came too fast to be taken.

        Raises:
            LensError: the camera's picture cannot be this lens's.
        """
        if self._address is None:
            raise RuntimeError("a source is used before it is entered")
        mailbox = Mailbox()
        reader = _CameraReader(
            self._section,
            self._address,
            mailbox,
            camera_id=self.camera_id,
            clock=self._clock,
            layout=self.format,
            jitter=self._jitter,
            coded=self._coded,
        )
        if stop.is_set():
            return
        self._readers.append(reader)
        reader.start()
        try:
            while not stop.is_set():
                for item in mailbox.take(_LOOK_S):
                    if isinstance(item, SourceFrame):
                        yield item
                        if stop.is_set():
                            return
                    elif isinstance(item, LensError):
                        raise item
                    else:
                        self._observer(item)
        finally:
            reader.leave()


class _CameraReader(threading.Thread):
    """Reads one camera into a mailbox until told to leave."""

    def __init__(
        self,
        section: RtspSource,
        address: CameraAddress,
        mailbox: Mailbox,
        *,
        camera_id: str,
        clock: Clock,
        layout: PictureFormat,
        jitter: random.Random,
        coded: CodedStream | None,
    ) -> None:
        super().__init__(name=f"rtsp-{camera_id}", daemon=True)
        self._section = section
        self._address = address
        self._mailbox = mailbox
        self._camera_id = camera_id
        self._clock = clock
        self._layout = layout
        self._coded = coded
        self._backoff = Backoff(jitter)
        self._leaving = threading.Event()
        self._seq = 0
        self._stall_ns = section.stall_timeout_s * NS_PER_S
        self._last_mono_ns = self._last_packet_ns = self._silence_ns = 0
        self._ever_connected = False
        self._stalled_because = ""

    def leave(self) -> None:
        """Ask it to end, and wait a little for it."""
        self._leaving.set()
        if self.is_alive():
            self.join(_LEAVE_S)

    def run(self) -> None:
        """Connect, read, and again."""
        while not self._leaving.is_set():
            try:
                with self._open() as video:
                    self._read(video)
                trouble, reason = VideoTrouble.OTHER, self._ending()
            except VideoFailed as failed:
                trouble, reason = failed.trouble, failed.reason
            except LensError as error:
                self._mailbox.put(error)
                return
            if self._leaving.is_set():
                return
            if self._coded is not None:
                self._coded.end(StreamEnd.SOURCE_STALLED)
            self._stall(reason)
            slowly = trouble is VideoTrouble.REFUSED
            if self._clock.wait(self._backoff.next_s(slowly=slowly), self._leaving):
                return

    def _open(self) -> VideoInput:
        stall_s = self._section.stall_timeout_s
        options = {
            "rtsp_transport": self._section.transport,
            "timeout": str(round(stall_s * 1_000_000)),
            "allowed_media_types": "video",
            # The stream's description tells what is needed: do not wait to count pictures.
            "fpsprobesize": "0",
            "analyzeduration": "1000000",
        }
        return VideoInput(self._address.opened, options=options, timeout_s=stall_s)

    def _read(self, video: VideoInput) -> None:
        """Give the pictures of one connection.

        Raises:
            VideoFailed: the connection broke or fell silent.
            LensError: the picture cannot be this lens's.
        """
        timeline = LiveTimeline(self._last_mono_ns)
        size: Size | None = None
        awaiting_key = True
        last_picture_ns = self._clock.mono_ns()
        self._last_packet_ns = last_picture_ns
        if self._coded is not None:
            self._coded.begin(video.compressed_format, Discontinuity.SOURCE_RECONNECTED)
        for packet in video.packets():
            # The last, empty one says that nothing more comes.
            if self._leaving.is_set() or not packet.size:
                return
            arrival_ns = self._clock.mono_ns()
            self._silence_ns = arrival_ns - self._last_packet_ns
            self._last_packet_ns = arrival_ns
            blind_ns = arrival_ns - last_picture_ns
            if self._silence_ns < self._stall_ns / 2 and blind_ns > self._stall_ns:
                self._stall("the camera sends, but no picture that can be shown")
            pictures: list[DecodedPicture] = []
            if packet.is_keyframe or not awaiting_key:
                damaged = video.damaged_packets
                pictures = video.decode(packet)
                awaiting_key = video.damaged_packets > damaged
            if self._coded is not None:
                self._hand_over(self._coded, video, compressed_packet(packet), timeline, arrival_ns)
            for picture in pictures:
                if picture.is_corrupt:
                    awaiting_key = True
                    break
                if picture.size != size:
                    size = picture.size
                    fitted(size, self._layout.size, self._address.shown)
                last_picture_ns = arrival_ns
                self._seen(picture)
                self._give(picture, timeline.place(picture.pts_ns, arrival_ns))

    def _hand_over(
        self,
        coded: CodedStream,
        video: VideoInput,
        read: CompressedPacket,
        timeline: LiveTimeline,
        arrival_ns: int,
    ) -> None:
        """The packet as it came: what the decoder thinks of it does not matter here."""
        taken_ns = timeline.locate(_stamp_ns(read), arrival_ns)
        coded.take(read, video.compressed_format.size, reading_at(self._clock, taken_ns))

    def _ending(self) -> str:
        """Why the packets ended: FFmpeg takes a silence of the connection for its end."""
        # It gives the last packet only then, so the silence may lie before that one.
        silent_ns = max(self._silence_ns, self._clock.mono_ns() - self._last_packet_ns)
        if silent_ns > _SILENT_SHARE * self._stall_ns:
            return VideoTrouble.SILENT.value
        return "the camera ended the stream"

    def _give(self, picture: DecodedPicture, t_mono_ns: int) -> None:
        self._last_mono_ns = t_mono_ns
        at = reading_at(self._clock, t_mono_ns)
        info = frame_at(self._camera_id, self._seq, at, self._layout)
        self._seq += 1
        self._mailbox.put(SourceFrame(info, partial(picture.write_into, wanted=self._layout)))

    def _seen(self, picture: DecodedPicture) -> None:
        """There is a picture: whatever was wrong is over."""
        self._backoff.reset()
        if self._ever_connected and not self._stalled_because:
            return
        size = f"{picture.size.width_px}x{picture.size.height_px}"
        if self._ever_connected:
            state, detail = SourceState.RECONNECTED, f"pictures again, {size}"
        else:
            state, detail = SourceState.CONNECTED, f"connected, {size}"
        self._ever_connected, self._stalled_because = True, ""
        self._tell(state, f"{detail} from {self._address.shown}")

    def _stall(self, reason: str) -> None:
        """There are no pictures, and why; each reason is told once."""
        if reason != self._stalled_because:
            self._stalled_because = reason
            self._tell(SourceState.STALLED, f"{reason}: {self._address.shown}, trying again")

    def _tell(self, state: SourceState, detail: str) -> None:
        self._mailbox.put(SourceNotice(self._camera_id, state, detail, self._clock.mono_ns()))


def _stamp_ns(packet: CompressedPacket) -> int | None:
    stamp = packet.dts if packet.pts is None else packet.pts
    return None if stamp is None else stamp * NS_PER_S // TICKS_PER_S
