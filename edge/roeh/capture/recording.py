"""What of one camera goes to evidence: its own compressed video, or its frames encoded.

Nothing here waits for evidence, and nothing that detection gets passes through here:
groups go into a ring in memory, and a thread of its own empties that.
"""

from __future__ import annotations

import threading

import msgspec

from roeh.capture.encoding import FrameEncoding
from roeh.capture.gops import GopBuilder
from roeh.capture.ring import GopRing
from roeh.capture.sender import GopSender
from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import EvidenceSection, SensorSection
from roeh.core.errors import PeerGone
from roeh.core.flows import ACCESS_UNITS
from roeh.core.gop import MAX_GOP_BYTES, MAX_GOP_UNITS, Discontinuity, Gop, StreamEnd
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_for
from roeh.core.types import Frame, Size
from roeh.media.frames import UInt8Image
from roeh.media.masks import mask_of
from roeh.sources.coded import CodedPicture

#: A camera with more between two key pictures is named: a power cut loses as much.
LONG_GOP_S = 2.0
#: Jitter of a camera that keeps to `LONG_GOP_S`.
_LENGTH_TOLERANCE_S = 0.25

_log = log_for("capture")


class RecordingCounters(msgspec.Struct, frozen=True):
    """What recording counted, and what it holds now."""

    gops_sent: int
    gops_dropped: int
    ring_bytes: int
    gop_longest_s: float
    cpu_encode_s: float
    frames_not_encoded: int

    def joined(self, other: RecordingCounters) -> RecordingCounters:
        """Those of two cameras together."""
        return RecordingCounters(
            gops_sent=self.gops_sent + other.gops_sent,
            gops_dropped=self.gops_dropped + other.gops_dropped,
            ring_bytes=self.ring_bytes + other.ring_bytes,
            gop_longest_s=max(self.gop_longest_s, other.gop_longest_s),
            cpu_encode_s=self.cpu_encode_s + other.cpu_encode_s,
            frames_not_encoded=self.frames_not_encoded + other.frames_not_encoded,
        )

    def named(self, camera: str) -> dict[str, float]:
        """For a report: each name with its camera, the unit at its end."""
        return {
            f"gops_sent_{camera}": self.gops_sent,
            f"{ACCESS_UNITS.counter}_{camera}": self.gops_dropped,
            f"ring_{camera}_bytes": self.ring_bytes,
            f"gop_longest_{camera}_s": self.gop_longest_s,
            f"cpu_encode_{camera}_s": self.cpu_encode_s,
            f"frames_not_encoded_{camera}": self.frames_not_encoded,
        }


class CameraRecording:
    """The `CodedObserver` of one camera, and the taker of its frames where it has no video.

    Args:
        section: the sensor, its masks.
        settings: of recording.
        capture_id: of this run of capture.
        client: of its own, to evidence.
        clock: for time and waits.
    """

    def __init__(
        self,
        section: SensorSection,
        settings: EvidenceSection,
        *,
        capture_id: str,
        client: StreamClient,
        clock: Clock,
    ) -> None:
        self._name = section.name
        self._section = section
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._builder = GopBuilder(
            section.name, capture_id, max_bytes=min(MAX_GOP_BYTES, settings.ring_bytes // 2)
        )
        self._ring = GopRing(settings.ring_bytes)
        self._sender = GopSender(section.name, self._ring, client, clock)
        self._encoding: FrameEncoding | None = None
        self._is_open = True
        #: Whether anything was given since the stream ended the last time.
        self._is_streaming = False
        self._takes_frames = False
        self._refused_because = ""
        self._warned = False
        self._sender.start()

    def picture(self, picture: CodedPicture) -> None:
        """A coded picture, from the source or from the encoder."""
        with self._lock:
            if not self._is_open or self._refuses(is_masked=picture.is_masked):
                return
            self._is_streaming = True
            self._put(self._builder.add(picture))

    def damaged(self) -> None:
        """A coded picture was lost."""
        with self._lock:
            if self._is_open:
                self._put(self._builder.damaged())

    def ended(self, reason: StreamEnd) -> None:
        """No more coded pictures for now."""
        with self._lock:
            self._end(reason)

    def begins(self, codec: str, *, is_coded: bool) -> None:
        """The source begins: what is not recorded as it comes is encoded from its frames."""
        if self._takes_frames == is_coded:
            how = "as it comes" if is_coded else "as H.264 encoded here"
            _log.info("%s: recorded %s (%s)", self._name, how, codec)
        with self._lock:
            self._takes_frames = not is_coded
            self._refused_because = ""

    @property
    def takes_frames(self) -> bool:
        """Whether `frame` is to be called with every frame."""
        return self._takes_frames and not self._refused_because

    def claim(self, size: Size, fps: float) -> UInt8Image | None:
        """A buffer for the next frame, for `frame` or `give_back`; None when it is left out."""
        if self._encoding is None:
            mask = mask_of(self._section) if self._settings.mask_recording else None
            with self._lock:
                if self._refuses(is_masked=mask is not None):
                    return None
            self._encoding = FrameEncoding(
                self._name,
                self._settings,
                fps=fps,
                mask=mask,
                observer=_FromEncoder(self),
                clock=self._clock,
            )
        return self._encoding.claim(size)

    def frame(self, buffer: UInt8Image, info: Frame, pixels: UInt8Image) -> None:
        """A frame to be encoded; its pixels are copied before this returns."""
        if self._encoding is not None:
            self._encoding.put(buffer, info, pixels)

    def give_back(self, buffer: UInt8Image) -> None:
        """The frame that a buffer was claimed for cannot be had."""
        if self._encoding is not None:
            self._encoding.give_back(buffer)

    def source_gives_none(self, reason: StreamEnd) -> None:
        """No more frames for now; ends what is encoded from them, behind what waits."""
        if self._encoding is not None:
            self._encoding.end(reason)
        elif reason is StreamEnd.SOURCE_ENDED:
            self.ended(reason)

    def close(self, reason: StreamEnd, drain_s: float) -> None:
        """Send the open group and what the ring holds, for at most `drain_s`."""
        if self._encoding is not None:
            self._encoding.close()
        with self._lock:
            self._end(reason)
            self._is_open = False
        self._sender.close(drain_s)

    def trouble(self) -> str:
        """What a person should know, in a line; empty when all is well."""
        if self._refused_because:
            return f"{self._name}: {self._refused_because}"
        if self._encoding is not None and self._encoding.failure:
            return f"{self._name}: NOT RECORDED: {self._encoding.failure}"
        if self._builder.is_dropping:
            return (
                f"{self._name}: NOT RECORDED: no key picture within {MAX_GOP_UNITS} pictures or "
                f"{self._builder.max_bytes / 2**20:.1f} MiB: set the camera to one each "
                f"{LONG_GOP_S:.0f} s"
            )
        unstored = self._sender.trouble
        # While evidence is away nobody hears this, and its supervisor knows.
        if unstored and not unstored.startswith(PeerGone.code):
            return f"{self._name}: recorded and not stored: {unstored}"
        return ""

    def remark(self) -> str:
        """What is not wrong but worth knowing; empty mostly."""
        longest_s = self._builder.longest_ns / NS_PER_S
        if longest_s <= LONG_GOP_S + _LENGTH_TOLERANCE_S:
            return ""
        return (
            f"{self._name}: up to {longest_s:.1f} s between key pictures, so a power cut loses "
            f"as much: set the camera to one each {LONG_GOP_S:.0f} s"
        )

    def counters(self) -> RecordingCounters:
        """Cumulative counts, and what is held now."""
        encoding = self._encoding
        return RecordingCounters(
            gops_sent=self._sender.sent,
            gops_dropped=self._ring.dropped + self._builder.dropped,
            ring_bytes=self._ring.size_bytes,
            gop_longest_s=self._builder.longest_ns / NS_PER_S,
            cpu_encode_s=encoding.cpu_ns / NS_PER_S if encoding else 0.0,
            frames_not_encoded=encoding.not_encoded if encoding else 0,
        )

    def _end(self, reason: StreamEnd) -> None:
        if not self._is_open or not self._is_streaming:
            return
        self._is_streaming = False
        self._put(self._builder.end(Discontinuity.SOURCE_RECONNECTED))
        self._ring.put(reason)

    def _put(self, gop: Gop | None) -> None:
        if gop is not None:
            self._ring.put(gop)

    def _refuses(self, *, is_masked: bool) -> bool:
        """Whether masks forbid to record; what they cannot do is said once."""
        if is_masked or not self._section.masks:
            return False
        if self._settings.refuse_unmasked:
            self._refused_because = (
                "NOT RECORDED: privacy masks are set, its recording cannot be masked, and "
                "refuse_unmasked is on"
            )
            self._warn(self._refused_because)
            return True
        self._warn("recorded WITHOUT its privacy masks; they hold for analysis and thumbnails")
        return False

    def _warn(self, line: str) -> None:
        """Say it once, not with every connection."""
        if not self._warned:
            self._warned = True
            _log.warning("%s: %s", self._name, line)


class _FromEncoder:
    """The `CodedObserver` of the encoder: heard as long as the source has no video of its own."""

    def __init__(self, recording: CameraRecording) -> None:
        self._recording = recording

    def picture(self, picture: CodedPicture) -> None:
        if self._recording.takes_frames:
            self._recording.picture(picture)

    def damaged(self) -> None:
        if self._recording.takes_frames:
            self._recording.damaged()

    def ended(self, reason: StreamEnd) -> None:
        if self._recording.takes_frames:
            self._recording.ended(reason)

    def begins(self, codec: str, *, is_coded: bool) -> None:
        """That is the source's to say."""
