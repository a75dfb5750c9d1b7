"""Video files: any that FFmpeg reads, at their own pace or as fast as asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType

import msgspec

from roeh.core.clock import NS_PER_S, Clock, ClockReading
from roeh.core.gop import TICKS_PER_S, Discontinuity, StreamEnd
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.sources.coded import CodedObserver, CodedStream
from roeh.sources.footage import Footage, FootagePacket, fitted
from roeh.sources.protocol import (
    SourceFrame,
    SourceNotice,
    SourceObserver,
    SourceState,
    ignore_notices,
)
from roeh.sources.timeline import MAX_LEAP_NS, Pacer, frame_at, moved


class _Shown(msgspec.Struct, frozen=True):
    """A picture that was given: when it was taken, and its stamp in the footage."""

    at: ClockReading
    pts_ns: int | None

    def taken_at(self, read: FootagePacket) -> ClockReading:
        """When the picture of a packet that was read about then was taken."""
        packet = read.packet
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None or self.pts_ns is None:
            return self.at
        apart_ns = stamp * NS_PER_S // TICKS_PER_S - self.pts_ns
        # Farther apart they lie on two sides of a splice.
        if abs(apart_ns) > MAX_LEAP_NS:
            return self.at
        return moved(self.at, self.at.t_mono_ns + apart_ns)


class FileFrames:
    """The `Source` of a video file.

    Args:
        path: of the file.
        camera_id: the sensor it stands for.
        clock: times start where it stands when the first frame is asked for.
        paced: whether frames come at the footage's own pace.
        loop: whether the file starts again at its end.
        lens_size: the picture that the sensor's lens is for; None takes the file's.
        observer: told of the end and its reason.
        coded: given the compressed pictures, each no later than its frame.
    """

    def __init__(
        self,
        path: str,
        *,
        camera_id: str,
        clock: Clock,
        paced: bool,
        loop: bool = False,
        lens_size: Size | None = None,
        observer: SourceObserver = ignore_notices,
        coded: CodedObserver | None = None,
    ) -> None:
        self.camera_id = camera_id
        self._footage = Footage(path, loop=loop, keeps_packets=coded is not None)
        self._coded = None if coded is None else CodedStream(coded)
        self._coded_began = False
        self._shown: _Shown | None = None
        self._clock = clock
        self._pacer = Pacer(clock, paced=paced)
        self._lens_size = lens_size
        self._observer = observer
        self._format: PictureFormat | None = None

    def __enter__(self) -> FileFrames:
        """Open the file.

        Raises:
            SourceUnreadable: it is not there or is not video.
            LensError: its pictures cannot be this lens's.
        """
        self._footage.__enter__()
        try:
            self._format = fitted(self._footage.facts.size, self._lens_size, self._footage.path)
        except BaseException:
            self._footage.close()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._footage.close()

    @property
    def format(self) -> PictureFormat:
        """Size and layout of all frames."""
        if self._format is None:
            raise RuntimeError("a source is used before it is entered")
        return self._format

    @property
    def fps(self) -> float:
        """Frames a second as the file declares them."""
        return self._footage.facts.fps

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The file's frames; every one is decoded, whether its pixels are wanted or not."""
        self._notify(SourceState.CONNECTED, f"reading {self._footage.path}")
        for seq, shot in enumerate(self._footage.pictures()):
            at = self._pacer.wait_until(shot.since_ns, stop)
            if at is None:
                return
            if self._coded is not None:
                self._hand_over(self._coded, _Shown(at, shot.picture.pts_ns))
            info = frame_at(self.camera_id, seq, at, self.format)
            yield SourceFrame(info, partial(shot.picture.write_into, wanted=self.format))
        if self._coded is not None:
            if self._shown is not None:
                self._hand_over(self._coded, self._shown)
            self._coded.end(StreamEnd.SOURCE_ENDED)
        self._notify(SourceState.ENDED, self._footage.note)

    def _hand_over(self, coded: CodedStream, shown: _Shown) -> None:
        """The packets read up to a picture."""
        packets = self._footage.take_packets()
        again = [index for index, read in enumerate(packets) if read.begins_again]
        for index, read in enumerate(packets):
            if not self._coded_began or read.begins_again:
                self._coded_began = True
                coded.begin(read.video, Discontinuity.SOURCE_RESTARTED)
            if read.follows_loss:
                coded.lost()
            # What was left of the run before has its stamps of that run.
            near = self._shown if again and index < again[0] and self._shown else shown
            coded.take(read.packet, read.video.size, near.taken_at(read))
        self._shown = shown

    def _notify(self, state: SourceState, detail: str) -> None:
        self._observer(SourceNotice(self.camera_id, state, detail, self._clock.mono_ns()))
