"""Cameras behind GStreamer: a Jetson's CSI sensors, or GStreamer's own test picture.

GStreamer runs in a child (`child.py`), which is ended and started again when no frame
comes, when it ends by itself, and when it says what it may not.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from types import TracebackType

import numpy as np
import numpy.typing as npt

from roeh.core.clock import NS_PER_S, Clock, SystemClock
from roeh.core.config import GstreamerSource, SensorSection
from roeh.core.errors import ConfigError
from roeh.core.gop import TICKS_PER_S, Discontinuity
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.media.decode import PictureFormat
from roeh.media.masks import mask_of
from roeh.optics.configured import sensor_from
from roeh.sources.coded import CodedObserver, CodedStream
from roeh.sources.gstreamer.ground_region import ground_region
from roeh.sources.gstreamer.mask import OverlaidMask
from roeh.sources.gstreamer.pipeline import (
    HARDWARE_ENCODER,
    SOFTWARE_ENCODER,
    Camera,
    Pipeline,
    build,
    needed_elements,
)
from roeh.sources.gstreamer.process import ChildProgram, GstreamerProcess, usable_elements
from roeh.sources.gstreamer.protocol import (
    ChildGarbage,
    ChildWords,
    CodedGiven,
    FrameWritten,
)
from roeh.sources.live_reader import CameraAway, LiveFrames, LiveOutput
from roeh.sources.protocol import SourceFrame, SourceObserver, WantedVideo, ignore_notices
from roeh.sources.timeline import reading_at

# How often a silent child is looked at.
_LOOK_S = 0.05
# A camera may take so long from its start to the first picture.
_START_S = 10.0


class GstreamerFrames:
    """The `Source` of a camera behind GStreamer. It is live: frames come when they come.

    Args:
        section: which camera, through which elements.
        sensor: whose pictures they are: lens, light, pose, masks.
        clock: what frames are timed by.
        observer: told of connection, stall (with the reason) and reconnection.
        coded: given the coded pictures, by the thread that reads the child.
        video: what is to be encoded for it.
        jitter: source of randomness for the back-off.
        program: the child's.
    """

    def __init__(
        self,
        section: GstreamerSource,
        *,
        sensor: SensorSection,
        clock: Clock,
        observer: SourceObserver = ignore_notices,
        coded: CodedObserver | None = None,
        video: WantedVideo | None = None,
        jitter: random.Random | None = None,
        program: ChildProgram | None = None,
    ) -> None:
        self.camera_id = sensor.name
        self.format = PictureFormat.of_video(Size(sensor.lens.width_px, sensor.lens.height_px))
        self.fps = section.fps
        self._sensor = sensor
        metering = None
        if sensor.light.metering == "ground" and section.element != "videotestsrc":
            metering = ground_region(sensor_from(sensor))
        self._camera = Camera(section, sensor.light, self.format, metering)
        video = video or WantedVideo()
        mask = mask_of(sensor) if video.is_masked else None
        self._reader = _ChildReader(
            self._camera,
            video=None if coded is None else video,
            coded=None if coded is None else CodedStream(coded, is_masked=mask is not None),
            mask=mask,
            program=program or ChildProgram(),
        )
        self._live = LiveFrames(
            self._reader,
            camera_id=sensor.name,
            shown=shown(section),
            clock=clock,
            layout=self.format,
            observer=observer,
            coded=self._reader.coded,
            jitter=jitter,
        )

    def __enter__(self) -> GstreamerFrames:
        """Look whether all that is needed is installed.

        Raises:
            CameraMissing: GStreamer, its binding or an element is not there.
            LensError: what is recorded would show another field of view than the lens.
            ConfigError: an infrared filter is to follow a camera that tells no exposure.
        """
        if self._sensor.light.ir_cut is not None:
            raise ConfigError(
                what="the infrared filter cannot follow a camera behind GStreamer,"
                " which tells neither exposure nor gain",
                which=f"sensor {self.camera_id}, light.ir_cut",
                remedy="remove ir_cut there and let the camera's module switch its filter",
            )
        self._reader.prepare()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.close()

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The camera's frames until `stop`; `seq` skips what came and was not taken."""
        return self._live.frames(stop)


def shown(section: GstreamerSource) -> str:
    """What a person knows the camera by."""
    if section.element == "videotestsrc":
        return "GStreamer's test picture"
    return f"camera {section.camera} of {section.element}"


class _ChildReader:
    """Runs one child after another, each one connection."""

    def __init__(
        self,
        camera: Camera,
        *,
        video: WantedVideo | None,
        coded: CodedStream | None,
        mask: npt.NDArray[np.bool_] | None,
        program: ChildProgram,
    ) -> None:
        self._program = program
        self.coded = coded
        self._camera = camera
        self._video = video
        self._mask = mask if video is not None else None
        self._encoders: tuple[str, ...] = ()
        self._burnt: OverlaidMask | None = None

    def prepare(self) -> None:
        """Find what is there.

        Raises:
            CameraMissing, LensError: as `GstreamerFrames` says.
        """
        camera, is_coded = self._camera, self._video is not None
        needed = needed_elements(camera, is_coded=is_coded, is_masked=self._mask is not None)
        named = camera.section.encoder
        wanted = (HARDWARE_ENCODER, SOFTWARE_ENCODER) if named == "auto" else (named,)
        if self._mask is not None:
            self._burnt = OverlaidMask.of(self._mask, camera.record_size)
        self._encoders = usable_elements(self._program, needed, wanted if is_coded else ())
        # What cannot be built is told here.
        self._pipeline()

    def read(self, output: LiveOutput) -> None:
        """One child, from its start to its end."""
        pipeline = self._pipeline()
        png = self._burnt.png if self._burnt is not None else b""
        try:
            child = GstreamerProcess(pipeline, self._camera.layout, png, program=self._program)
        except OSError as error:
            raise CameraAway(f"GStreamer's child cannot be started ({error.strerror})") from None
        with child:
            connection = _Connection(child, output, self._camera, pipeline, self.coded)
            try:
                connection.run()
            except CameraAway as away:
                child.is_hanging = True
                if len(self._encoders) > 1 and connection.is_encoder_failing:
                    # The element may be there without the hardware: an Orin Nano has none.
                    self._encoders = self._encoders[1:]
                    reason = f"{away.reason}, from now on {self._encoders[0]} encodes"
                    raise CameraAway(reason) from None
                raise

    def _pipeline(self) -> Pipeline:
        return build(
            self._camera,
            self._video,
            encoder=self._encoders[0] if self._encoders else "",
            mask_at=None if self._burnt is None else (self._burnt.x_px, self._burnt.y_px),
        )


class _Connection:
    """What one child says, set against our clock."""

    def __init__(
        self,
        child: GstreamerProcess,
        output: LiveOutput,
        camera: Camera,
        pipeline: Pipeline,
        coded: CodedStream | None,
    ) -> None:
        self._child = child
        self._output = output
        self._layout = camera.layout
        self._stall_ns = camera.section.stall_timeout_s * NS_PER_S
        self._coded = coded if pipeline.coded is not None else None
        self._record_size = camera.record_size
        self._encoder = pipeline.encoder
        self._numbered = -1
        #: Whether it is the encoder that does not work.
        self.is_encoder_failing = False
        # The child's stamps are of the kernel's clock; a simulated one stands elsewhere.
        self._ahead_ns = output.clock.mono_ns() - SystemClock().mono_ns()

    def run(self) -> None:
        """Until told to leave, or the child has to go.

        Raises:
            CameraAway: why.
        """
        if self._coded is not None:
            described = CompressedFormat(codec="h264", extradata=b"", size=self._record_size)
            self._coded.begin(described, Discontinuity.SOURCE_RECONNECTED)
        frame_due = _Due(self._output.clock, max(_START_S * NS_PER_S, self._stall_ns))
        coded_due: _Due | None = None
        while not self._output.leaving.is_set():
            messages = self._child.receive(_LOOK_S)
            if messages is None:
                raise CameraAway(self._child.ending())
            try:
                for message in messages:
                    if isinstance(message, ChildWords):
                        self.is_encoder_failing = message.text.startswith(self._encoder or "-")
                        raise CameraAway(message.text, is_slow=message.is_unfit)
                    if isinstance(message, CodedGiven):
                        self._record(message)
                        coded_due = _Due(self._output.clock, self._stall_ns)
                        continue
                    if not isinstance(message, FrameWritten):
                        continue
                    self._give(message)
                    frame_due = _Due(self._output.clock, self._stall_ns)
                    if coded_due is None and self._coded is not None:
                        coded_due = frame_due
            except ChildGarbage as garbage:
                raise CameraAway(f"the camera's process said nonsense ({garbage})") from None
            if frame_due.is_over():
                raise CameraAway(f"no picture for {frame_due.wait_ns / NS_PER_S:g} s")
            if coded_due is not None and coded_due.is_over():
                self.is_encoder_failing = True
                seconds = coded_due.wait_ns / NS_PER_S
                raise CameraAway(f"{self._encoder} gave no picture for {seconds:g} s")

    def _give(self, frame: FrameWritten) -> None:
        lease = self._child.lease(frame.slot)
        t_mono_ns = frame.taken_ns + self._ahead_ns
        missed = frame.number - self._numbered - 1
        self._numbered = frame.number
        if t_mono_ns > self._output.last_mono_ns:
            self._output.give(t_mono_ns, lease.write_into, size=self._layout.size, missed=missed)

    def _record(self, given: CodedGiven) -> None:
        if self._coded is None:
            return
        packet = CompressedPacket(
            content=given.content, dts=_ticks(given.decoded_ns), pts=_ticks(given.taken_ns)
        )
        at = reading_at(self._output.clock, given.taken_ns + self._ahead_ns)
        self._coded.take(packet, self._record_size, at)


class _Due:
    """When something has to have come."""

    def __init__(self, clock: Clock, wait_ns: float) -> None:
        self.wait_ns = wait_ns
        self._clock = clock
        self._at_ns = clock.mono_ns() + wait_ns

    def is_over(self) -> bool:
        """Whether it has not."""
        return self._clock.mono_ns() > self._at_ns


def _ticks(at_ns: int) -> int:
    return (2 * at_ns * TICKS_PER_S + NS_PER_S) // (2 * NS_PER_S)
