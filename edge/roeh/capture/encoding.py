"""A thread that encodes the frames of one camera, and never holds up the one that reads.

The reading thread writes a frame's pixels into a free buffer, if there is one. When the
encoder cannot keep up there is none: the frame is left out of the recording, and counted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.clock import NS_PER_S, Clock, ClockReading, thread_cpu_ns
from roeh.core.config import EvidenceSection
from roeh.core.errors import RoehError
from roeh.core.gop import TICKS_PER_S, Discontinuity, StreamEnd
from roeh.core.log import log_error, log_for
from roeh.core.types import Frame, Size
from roeh.media.compressed import CompressedPacket
from roeh.media.encode import (
    BurntMask,
    EncoderFailed,
    H264Encoder,
    encoded_size,
    i420_shape,
    open_encoder,
    write_i420,
)
from roeh.media.frames import UInt8Image
from roeh.sources.coded import CodedObserver, CodedStream
from roeh.sources.timeline import moved, reading_at

#: Frames that may wait for the encoder, the one it works on among them.
_BUFFERS = 6
_JOIN_S = 3.0

_log = log_for("capture")


class _Waiting(msgspec.Struct, frozen=True):
    """A frame to be encoded."""

    i420: UInt8Image
    at: ClockReading
    size: Size


class FrameEncoding:
    """Encodes one camera's frames and tells the pictures like a camera that did so itself.

    Args:
        camera_id: whose frames these are.
        settings: bit rate and distance of key pictures.
        fps: frames expected each second.
        mask: (height, width), true where what is recorded is black; None for nothing.
        observer: told in the encoding thread.
        clock: gives each picture its UTC.
        opener: opens an encoder.
    """

    def __init__(
        self,
        camera_id: str,
        settings: EvidenceSection,
        *,
        fps: float,
        mask: npt.NDArray[np.bool_] | None,
        observer: CodedObserver,
        clock: Clock,
        opener: Callable[..., H264Encoder] = open_encoder,
    ) -> None:
        self._open_encoder = opener
        self._settings = settings
        self._fps = fps
        self._clock = clock
        self._mask = None if mask is None else BurntMask(mask)
        self._stream = CodedStream(observer, is_masked=mask is not None)
        self._encoder: H264Encoder | None = None
        self._encoder_size: Size | None = None
        self._last_at: ClockReading | None = None
        self._begins = True
        self._free: list[UInt8Image] = []
        self._made = 0
        self._work: queue.SimpleQueue[_Waiting | StreamEnd | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._not_encoded = 0
        self._cpu_ns = 0
        self._failure = ""
        #: Why the last picture was not encoded, though the next one may be.
        self._fails_because = ""
        self._thread = threading.Thread(target=self._run, name=f"encode-{camera_id}", daemon=True)
        self._thread.start()

    @property
    def not_encoded(self) -> int:
        """Frames that the encoder had no time for, or could not encode."""
        return self._not_encoded

    @property
    def cpu_ns(self) -> int:
        """CPU time that encoding took."""
        return self._cpu_ns

    @property
    def failure(self) -> str:
        """Why nothing is encoded; empty when it is."""
        return self._failure or self._fails_because

    def claim(self, size: Size) -> UInt8Image | None:
        """A buffer for a frame of that size, to be given to `put`; None when none is free.

        Call `put` or `give_back` with it.
        """
        shape = i420_shape(encoded_size(size))
        with self._lock:
            if self._free and self._free[-1].shape != shape:
                self._made -= len(self._free)
                self._free.clear()
            if self._free:
                return self._free.pop()
            if self._failure or self._made >= _BUFFERS:
                self._not_encoded += 1
                return None
            self._made += 1
        return np.empty(shape, np.uint8)

    def put(self, buffer: UInt8Image, info: Frame, pixels: UInt8Image) -> None:
        """Encode this frame, whose pixels are copied now, when its turn comes."""
        write_i420(pixels, info.pixel_format, buffer)
        size = encoded_size(Size(info.width_px, info.height_px))
        self._work.put(_Waiting(buffer, reading_at(self._clock, info.t_mono_ns), size))

    def give_back(self, buffer: UInt8Image) -> None:
        """There is no frame for it after all."""
        with self._lock:
            self._free.append(buffer)
            self._not_encoded += 1

    def end(self, reason: StreamEnd) -> None:
        """No more frames for now."""
        self._work.put(reason)

    def close(self) -> None:
        """Encode what waits, and end."""
        self._work.put(None)
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            before_ns = thread_cpu_ns()
            if isinstance(work, StreamEnd):
                self._drop_encoder()
                self._stream.end(work)
            else:
                self._encode(work)
            self._cpu_ns += thread_cpu_ns() - before_ns
        self._drop_encoder()

    def _encode(self, waiting: _Waiting) -> None:
        try:
            encoder = self._encoder_for(waiting.size)
            if self._mask is not None:
                self._mask.blacken(waiting.i420)
            packets = encoder.encode(waiting.i420, waiting.at.t_mono_ns, begins=self._begins)
        except RoehError as error:
            # Nothing here encodes: said once, and no frame is copied for nothing any more.
            log_error(_log, error)
            self._failure = str(error)
            return
        except EncoderFailed as failed:
            if not self._fails_because:
                _log.warning("%s; the encoder is opened anew", failed)
            self._fails_because = str(failed)
            self._not_encoded += 1
            self._encoder = None
            return
        finally:
            with self._lock:
                self._free.append(waiting.i420)
        self._begins, self._fails_because = False, ""
        self._last_at = waiting.at
        self._hand_over(packets)

    def _encoder_for(self, size: Size) -> H264Encoder:
        if size != self._encoder_size:
            self._drop_encoder()
        if self._encoder is None:
            self._encoder = self._open_encoder(
                size,
                fps=self._fps,
                bps=self._settings.encode_bps,
                gop_s=self._settings.encode_gop_s,
            )
            self._encoder_size = size
            self._begins = True
            self._stream.begin(self._encoder.format, Discontinuity.SOURCE_RESTARTED)
        return self._encoder

    def _drop_encoder(self) -> None:
        """Take what the encoder still holds, and let it go; the next frame opens another."""
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        try:
            self._hand_over(encoder.flush())
        except EncoderFailed as failed:
            _log.warning("%s", failed)

    def _hand_over(self, packets: Sequence[CompressedPacket]) -> None:
        at, size = self._last_at, self._encoder_size
        for packet in packets:
            if at is None or size is None or packet.pts is None:
                continue
            # The stamp is the frame's own time, to a tick.
            taken_ns = packet.pts * NS_PER_S // TICKS_PER_S
            self._stream.take(packet, size, moved(at, taken_ns))
