"""How a Raspberry Pi camera is read: one connection, in the thread that alone calls its driver.

Everything arrives in one queue: pictures, coded pictures from the encoder's thread, and
requests whose frame nobody has any more. So every request is given back by this thread.
"""

from __future__ import annotations

import contextlib
import queue

import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.config import Picamera2Source, SensorSection
from roeh.core.errors import LensError
from roeh.core.gop import TICKS_PER_S, Discontinuity, StreamEnd
from roeh.core.log import log_for
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.media.frames import UInt8Image
from roeh.media.planes import Octets1D, PlaneLayout, PlaneMask, copy_as_i420
from roeh.optics.configured import sensor_from
from roeh.sources.coded import CodedStream
from roeh.sources.light.metering import GroundMeter
from roeh.sources.live_reader import LOOK_S, CameraAway, LiveOutput
from roeh.sources.picamera2.binding import Library
from roeh.sources.picamera2.boot_stamps import BootStamps
from roeh.sources.picamera2.camera import (
    BoardCamera,
    Broken,
    CameraFailed,
    Captured,
    CapturedRequest,
    Encoded,
    Event,
    WantedStreams,
)
from roeh.sources.picamera2.held_pictures import HeldRequests
from roeh.sources.picamera2.light_control import LightControl
from roeh.sources.timeline import reading_at

#: A call into the driver that takes so many times `stall_timeout_s` will not come back.
_HANGS_AFTER_STALLS = 3
#: Within which capture's report and the last group have left this process.
_HEARD_S = 1.5
_US_PER_S = 1_000_000

_log = log_for("sources")


class _Dropped(msgspec.Struct, frozen=True):
    """Nobody has the frame of this request any more."""

    request: CapturedRequest


class BoardReading:
    """The `LiveCamera` of one camera.

    Args:
        section: which camera, how long a silence is a stall.
        library: picamera2.
        sensor: its lens and pose, for metering.
        wanted: the streams.
        mask: (height, width) of what is recorded, true where it is black; None for nothing.
        coded: given the coded pictures; None when nothing is encoded.
        light: follows the light.
    """

    def __init__(
        self,
        section: Picamera2Source,
        library: Library,
        *,
        sensor: SensorSection,
        wanted: WantedStreams,
        mask: npt.NDArray[np.bool_] | None,
        coded: CodedStream | None,
        light: LightControl,
    ) -> None:
        self._section = section
        self._library = library
        self._sensor = sensor
        self._wanted = wanted
        self._mask = mask
        self._coded = coded
        self._light = light

    def read(self, output: LiveOutput) -> None:
        """From opening to closing.

        Raises:
            CameraAway: there are no pictures, or no more of them.
            LensError: the camera gives pictures of another size than asked for.
        """
        try:
            self._read(output)
        except CameraFailed as failed:
            raise CameraAway(str(failed)) from None

    def _read(self, output: LiveOutput) -> None:
        letters: queue.SimpleQueue[Event | _Dropped] = queue.SimpleQueue()
        within_s = _HANGS_AFTER_STALLS * self._section.stall_timeout_s
        with output.calling("opening", within_s):
            camera = BoardCamera(self._library, self._section.camera, letters.put)
        connection: _Connection | None = None
        try:
            with output.calling("starting", within_s):
                connection = self._start(camera, output, letters)
            self._watch(connection, output, letters, within_s)
        except CameraFailed as failed:
            self._tell(output, str(failed))
            raise
        finally:
            with output.calling("stopping", within_s):
                _give_back(camera, connection, letters)

    def _tell(self, output: LiveOutput, reason: str) -> None:
        """Say what is wrong, and let it be heard: stopping may hang this whole process.

        libcamera's binding holds the interpreter's lock while it stops a camera (0.4.0). If its
        own thread stands still, nothing in this process runs any more.
        """
        output.stalled(reason)
        if self._coded is not None:
            self._coded.end(StreamEnd.SOURCE_STALLED)
        heard_s = min(_HEARD_S, self._section.stall_timeout_s / 2)
        output.clock.wait(heard_s, output.leaving)

    def _start(
        self,
        camera: BoardCamera,
        output: LiveOutput,
        letters: queue.SimpleQueue[Event | _Dropped],
    ) -> _Connection:
        """Configure and start it.

        Raises:
            CameraFailed: it refuses, or its pictures are not understood here.
            LensError: it gives pictures of another size than asked for.
        """
        camera.configure(self._wanted)
        frames, main = camera.layout(camera.frame_stream), camera.layout("main")
        _check_size(frames.size, self._wanted.frames, self._sensor.name)
        _check_size(main.size, self._wanted.recorded or self._wanted.frames, self._sensor.name)
        self._light.begin(camera)
        connection = _Connection(
            camera,
            frames,
            GroundMeter(
                sensor_from(self._sensor), frames, whole=self._sensor.light.metering == "whole"
            ),
            BootStamps(output.clock, output.last_mono_ns),
            HeldRequests(lambda request: letters.put(_Dropped(request))),
        )
        if self._coded is not None and self._wanted.recorded is not None:
            self._coded.begin(
                CompressedFormat("h264", b"", self._wanted.recorded),
                Discontinuity.SOURCE_RECONNECTED,
            )
        burnt = None
        if self._mask is not None and self._wanted.recorded is not None:
            burnt = PlaneMask(self._mask, main).blacken
        camera.start(burnt)
        _log.info("%s: encoded by %s", self._sensor.name, camera.encoder_name or "nobody")
        return connection

    def _watch(
        self,
        connection: _Connection,
        output: LiveOutput,
        letters: queue.SimpleQueue[Event | _Dropped],
        within_s: float,
    ) -> None:
        """Take what comes until it is to leave.

        Raises:
            CameraFailed: nothing comes, or what comes is broken.
        """
        stall_ns = self._section.stall_timeout_s * NS_PER_S
        with output.calling("capturing", within_s):
            connection.camera.capture()
        last_ns = coded_ns = output.clock.mono_ns()
        while not output.leaving.is_set():
            try:
                letter = letters.get(timeout=LOOK_S)
            except queue.Empty:
                if output.clock.mono_ns() - last_ns >= stall_ns:
                    raise CameraFailed(
                        f"no picture for {self._section.stall_timeout_s:g} s"
                    ) from None
                continue
            if isinstance(letter, Captured):
                last_ns = output.clock.mono_ns()
                try:
                    if self._wanted.recorded is not None and last_ns - coded_ns >= stall_ns:
                        raise CameraFailed("pictures come, and the encoder gives none")
                    with output.calling("capturing", within_s):
                        connection.camera.capture()
                        self._give(connection, output, letter.request, last_ns)
                except BaseException:
                    letter.request.release()
                    raise
            elif isinstance(letter, Encoded):
                coded_ns = output.clock.mono_ns()
                self._hand_over(letter, connection, output)
            elif isinstance(letter, Broken):
                raise CameraFailed(letter.reason)
            else:
                connection.held.give_back(letter.request)

    def _give(
        self,
        connection: _Connection,
        output: LiveOutput,
        request: CapturedRequest,
        arrival_ns: int,
    ) -> None:
        """A picture for whoever iterates."""
        metadata = request.metadata()
        t_mono_ns = connection.stamps.place(metadata.stamp_ns, arrival_ns)
        light = self._light.light_of(metadata)
        if light is not None:
            luma = connection.mean_luma(request)
            self._light.see(connection.camera, light, luma, t_mono_ns)
        picture = connection.held.hold(request, connection.copy, output.layout.shape())
        output.give(
            t_mono_ns,
            picture.write_into,
            size=self._wanted.frames,
            missed=connection.missed_before(request.number),
            light=light,
        )

    def _hand_over(self, coded: Encoded, connection: _Connection, output: LiveOutput) -> None:
        if self._coded is None or self._wanted.recorded is None:
            return
        ticks = coded.stamp_us * TICKS_PER_S // _US_PER_S
        taken_ns = connection.stamps.locate(coded.stamp_us * NS_PER_US)
        self._coded.take(
            CompressedPacket(coded.content, dts=ticks, pts=ticks),
            self._wanted.recorded,
            reading_at(output.clock, taken_ns),
        )


class _Connection:
    """What holds from opening to closing."""

    def __init__(
        self,
        camera: BoardCamera,
        layout: PlaneLayout,
        meter: GroundMeter,
        stamps: BootStamps,
        held: HeldRequests,
    ) -> None:
        self.camera = camera
        self.stamps = stamps
        self.held = held
        self._stream = camera.frame_stream
        self._layout = layout
        self._meter = meter
        self._last_number: int | None = None

    def copy(self, request: CapturedRequest, out: UInt8Image) -> None:
        """The pixels of a request, without padding."""
        request.look(self._stream, lambda buffer: copy_as_i420(buffer, self._layout, out))

    def mean_luma(self, request: CapturedRequest) -> float:
        """How bright the ground is in it."""
        found: list[float] = []

        def measure(buffer: Octets1D) -> None:
            found.append(self._meter.mean_luma(buffer))

        request.look(self._stream, measure)
        return found[0]

    def missed_before(self, number: int) -> int:
        """Pictures of the camera since the last one asked about."""
        last, self._last_number = self._last_number, number
        return 0 if last is None else max(number - last - 1, 0)


def _check_size(given: Size, wanted: Size, sensor: str) -> None:
    if given != wanted:
        raise LensError(
            what="the camera gives pictures of another size than asked for",
            which=f"sensor {sensor}: {given.width_px}x{given.height_px} instead of "
            f"{wanted.width_px}x{wanted.height_px}",
            remedy="set the lens's size, and record_width_px, record_height_px, to what it has",
        )


def _give_back(
    camera: BoardCamera,
    connection: _Connection | None,
    letters: queue.SimpleQueue[Event | _Dropped],
) -> None:
    """Give everything back, whatever state the driver is in."""
    for wrong in camera.halt():
        _log.warning("stopping a camera: %s", wrong)
    with contextlib.suppress(queue.Empty):
        while True:
            letter = letters.get_nowait()
            if isinstance(letter, Captured | _Dropped):
                letter.request.release()
    try:
        if connection is not None:
            connection.held.settle(0)
    finally:
        # A camera that stays open could not be opened again.
        for wrong in camera.close():
            _log.warning("closing a camera: %s", wrong)
