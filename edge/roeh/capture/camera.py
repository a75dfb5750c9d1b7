"""One camera: its frames from the source into detect's slots."""

from __future__ import annotations

import threading

import numpy as np

from roeh.capture.recording import CameraRecording
from roeh.core.clock import NS_PER_S, Clock, thread_cpu_ns
from roeh.core.config import SensorSection
from roeh.core.errors import RoehError, SourceUnreadable, one_line
from roeh.core.flows import FRAMES
from roeh.core.gop import StreamEnd
from roeh.core.ipc.slots import FrameRing, FrameServer
from roeh.core.log import log_error, log_for
from roeh.core.types import Size
from roeh.media.frames import UInt8Image, pixel_bytes, pixel_shape
from roeh.sources.factory import open_source
from roeh.sources.pace import OfferPace
from roeh.sources.protocol import SourceFrame, SourceNotice, SourceState, WantedVideo

#: No frame for this long, and the pole is blind on this camera whatever the source says.
STALL_S = 5.0

_JOIN_TIMEOUT_S = 3.0

_log = log_for("capture")


class Camera:
    """Reads one source in a thread of its own until it ends or is told to stop."""

    def __init__(
        self,
        section: SensorSection,
        clock: Clock,
        server: FrameServer,
        *,
        detect_fps: float,
        heading_deg: float,
        stop: threading.Event,
        recording: CameraRecording | None,
        video: WantedVideo | None = None,
    ) -> None:
        self.name = section.name
        self._recording = recording
        self.failure: RoehError | None = None
        self._clock = clock
        self._server = server
        self._pace = OfferPace(detect_fps)
        self._stop_after_ns = int(section.stop_after_s * NS_PER_S)
        self._stop = stop
        self._notice: SourceNotice | None = None
        self._scratch: UInt8Image | None = None
        self._ring: FrameRing | None = None
        #: Frames whose pixels could not be had.
        self._lost = 0
        self._last_frame_mono_ns = clock.mono_ns()
        self._frames = self._offered = self._not_offered = 0
        self._cpu_source_ns = self._cpu_offer_ns = self._age_ns = 0
        self._source = open_source(
            section.source,
            sensor=section,
            clock=clock,
            paced=True,
            heading_deg=heading_deg,
            observer=self._observe,
            coded=recording,
            video=video,
        )
        self._thread = threading.Thread(target=self._run, name=f"camera-{self.name}", daemon=True)

    def start(self) -> None:
        """Open the source in the caller's thread; what is wrong with it is `failure` at once."""
        try:
            self._source.__enter__()
        except RoehError as error:
            self.failure = error
            return
        self._thread.start()

    def tell_failure(self) -> None:
        """Log what is wrong with it for good, with its name: an error may be about a library."""
        if self.failure is not None:
            _log.error("%s: %s: %s", self.name, self.failure.code, one_line(str(self.failure)))

    @property
    def running(self) -> bool:
        """Whether more frames may come."""
        return self._thread.is_alive()

    @property
    def frames(self) -> int:
        """Frames read so far."""
        return self._frames

    @property
    def is_trying_again(self) -> bool:
        """Whether its source has told that there are no pictures, and asks for them anew."""
        notice = self._notice
        return notice is not None and notice.state is SourceState.STALLED and not notice.hangs

    def blind_detail(self) -> str:
        """Why the pole does not see with this camera; empty when it does."""
        if self.failure is not None:
            return f"{self.name}: {self.failure}"
        notice = self._notice
        if notice is not None and notice.state is SourceState.STALLED:
            return f"{self.name}: {notice.detail}"
        since_s = (self._clock.mono_ns() - self._last_frame_mono_ns) / NS_PER_S
        if since_s > STALL_S:
            return f"{self.name}: no frame for more than {STALL_S:.0f} s"
        return ""

    @property
    def recording(self) -> CameraRecording | None:
        """What records it; None when nothing is recorded."""
        return self._recording

    def counters(self) -> dict[str, float]:
        """Cumulative counts and CPU times of this camera."""
        return {
            f"frames_{self.name}": self._frames,
            f"frames_offered_{self.name}": self._offered,
            f"{FRAMES.counter}_{self.name}": self._not_offered,
            # How old pictures were when offered, all together: what the camera itself takes.
            f"age_offered_{self.name}_s": self._age_ns / 1e9,
            f"cpu_source_{self.name}_s": self._cpu_source_ns / 1e9,
            f"cpu_offer_{self.name}_s": self._cpu_offer_ns / 1e9,
        }

    def join(self) -> None:
        """Wait for the thread to end; one that hangs in a read ends with the process."""
        if self._thread.ident is not None:
            self._thread.join(_JOIN_TIMEOUT_S)

    def finish_recording(self, drain_s: float) -> None:
        """Once it has ended: hand over what is still to be recorded, for at most `drain_s`."""
        if self._recording is not None:
            ended = StreamEnd.CAPTURE_STOPPED if self._stop.is_set() else StreamEnd.SOURCE_ENDED
            self._recording.close(ended, drain_s)

    def _observe(self, notice: SourceNotice) -> None:
        self._notice = notice
        if notice.state is SourceState.STALLED and self._recording is not None:
            self._recording.source_gives_none(StreamEnd.SOURCE_STALLED)
        log = _log.warning if notice.state is SourceState.STALLED else _log.info
        log("%s %s: %s", notice.camera_id, notice.state.value, notice.detail)

    def _run(self) -> None:
        try:
            self._offer_all()
        except RoehError as error:
            self.failure = error
            # At once: other cameras may go on for long.
            self.tell_failure()
        finally:
            self._source.__exit__(None, None, None)
            if self._recording is not None and not self._stop.is_set():
                self._recording.source_gives_none(StreamEnd.SOURCE_ENDED)

    def _offer_all(self) -> None:
        first_ns: int | None = None
        mark_ns = thread_cpu_ns()
        for frame in self._source.frames(self._stop):
            read_ns = thread_cpu_ns()
            first_ns = frame.info.t_mono_ns if first_ns is None else first_ns
            if 0 < self._stop_after_ns <= frame.info.t_mono_ns - first_ns:
                return
            self._frames += 1
            self._last_frame_mono_ns = self._clock.mono_ns()
            wanted = self._pace.wants(frame.info.t_mono_ns)
            buffer = self._claim_for_recording(frame)
            try:
                if wanted:
                    self._offer(frame, buffer)
                elif buffer is not None:
                    self._record(frame, buffer)
            except SourceUnreadable as lost:
                # Of this frame: the source itself tells when there are no more.
                self._lose(lost, buffer)
            self._cpu_source_ns += read_ns - mark_ns
            mark_ns = thread_cpu_ns()
            self._cpu_offer_ns += mark_ns - read_ns

    def _lose(self, lost: SourceUnreadable, buffer: UInt8Image | None) -> None:
        """Go on without a frame whose pixels cannot be had; said once."""
        if buffer is not None and self._recording is not None:
            self._recording.give_back(buffer)
        if not self._lost:
            log_error(_log, lost)
        self._lost += 1

    def _ring_of(self, size_bytes: int) -> FrameRing:
        """For frames of that size: a source's format may be known only with its first picture."""
        if self._ring is not None and self._ring.slot_bytes != size_bytes:
            self._ring.close()
            self._ring = None
        if self._ring is None:
            self._ring = self._server.open_ring(self.name, size_bytes)
        return self._ring

    def _offer(self, frame: SourceFrame, buffer: UInt8Image | None) -> None:
        """Offer a frame to detect; where `buffer` is one, record it too."""
        info = frame.info
        size_bytes = pixel_bytes(info.width_px, info.height_px, info.pixel_format)
        ring = self._ring_of(size_bytes)
        slot = ring.claim()
        if slot is None:
            self._not_offered += self._server.connected
            if buffer is not None:
                self._record(frame, buffer)
            return
        shape = pixel_shape(info.width_px, info.height_px, info.pixel_format)
        pixels = np.frombuffer(ring.memory(slot), np.uint8).reshape(shape)
        try:
            frame.pixels_into(pixels)
            if self._recording is not None and buffer is not None:
                # Out of the slot while it is ours: a picture is drawn only once.
                self._recording.frame(buffer, info, pixels)
        except BaseException:
            ring.give_back(slot)
            raise
        if ring.offer(slot, info, size_bytes):
            self._offered += 1
            self._age_ns += self._clock.mono_ns() - info.t_mono_ns

    def _claim_for_recording(self, frame: SourceFrame) -> UInt8Image | None:
        """A buffer, if this frame is to be encoded and the encoder keeps up."""
        if self._recording is None or not self._recording.takes_frames:
            return None
        info = frame.info
        return self._recording.claim(Size(info.width_px, info.height_px), self._source.fps)

    def _record(self, frame: SourceFrame, buffer: UInt8Image) -> None:
        """Encode a frame that detect does not get."""
        info = frame.info
        shape = pixel_shape(info.width_px, info.height_px, info.pixel_format)
        if self._scratch is None or self._scratch.shape != shape:
            self._scratch = np.empty(shape, np.uint8)
        frame.pixels_into(self._scratch)
        if self._recording is not None:
            self._recording.frame(buffer, info, self._scratch)
