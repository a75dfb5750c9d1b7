"""USB cameras and whatever else the kernel offers as a V4L2 capture device."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType

from roeh.bitstream.nal import from_annex_b, is_key_slice
from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import LightSection, V4l2Source
from roeh.core.errors import SourceUnreadable
from roeh.core.gop import TICKS_PER_S, Discontinuity
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.media.decode import PictureFormat
from roeh.media.decode_packets import PacketDecoder
from roeh.sources.coded import CodedObserver, CodedStream
from roeh.sources.footage import fitted, serves
from roeh.sources.live_reader import LOOK_S, CameraAway, LiveFrames, LiveOutput
from roeh.sources.pace import OfferPace
from roeh.sources.protocol import SourceFrame, SourceObserver, ignore_notices
from roeh.sources.timeline import MIN_STEP_NS, reading_at
from roeh.sources.v4l2.device import (
    DeviceAway,
    FilledBuffer,
    Negotiated,
    NotACamera,
    V4l2Device,
)
from roeh.sources.v4l2.formats import without_padding
from roeh.sources.v4l2.videodev2 import Kernel

#: A driver's stamp farther from now is of another clock than ours, whatever it says.
_MAX_AGE_NS = 2 * NS_PER_S
#: A camera whose pictures are this much faster than asked for is thinned out.
_MUCH_FASTER = 1.2


class V4l2Frames:
    """The `Source` of a V4L2 camera. It is live: frames come when the camera gives them.

    A camera that is unplugged or in use when it is entered is waited for, and said so.

    Args:
        section: the device, what it is to send, how long a silence is a stall.
        camera_id: the sensor it is.
        clock: CLOCK_MONOTONIC of this machine, which the kernel stamps pictures by; with
            any other one frames are timed by when they are read.
        lens_size: the picture that the sensor's lens is for; all frames have it.
        light: of it the mains frequency, set where the camera has a choice.
        observer: told of connection, stall (with the reason) and reconnection.
        coded: given the compressed pictures where the camera sends H.264.
        is_masked: whether masks are to be burnt into what is recorded: H.264 of the camera's
            own cannot be masked, so `video = "auto"` takes it only from one that has no other.
        jitter: source of randomness for the back-off.
        kernel: what does the system calls.
    """

    def __init__(
        self,
        section: V4l2Source,
        *,
        camera_id: str,
        clock: Clock,
        lens_size: Size,
        light: LightSection | None = None,
        observer: SourceObserver = ignore_notices,
        coded: CodedObserver | None = None,
        is_masked: bool = False,
        jitter: random.Random | None = None,
        kernel: Kernel | None = None,
    ) -> None:
        self.camera_id = camera_id
        self.format = PictureFormat.of_video(lens_size)
        self.fps = section.fps
        stream = None if coded is None else CodedStream(coded)
        self._camera = _Camera(
            section,
            self.format,
            light or LightSection(),
            coded=stream,
            is_masked=is_masked,
            kernel=kernel,
        )
        self._live = LiveFrames(
            self._camera,
            camera_id=camera_id,
            shown=section.device,
            clock=clock,
            layout=self.format,
            observer=observer,
            coded=stream,
            jitter=jitter,
        )

    def __enter__(self) -> V4l2Frames:
        """Ask the camera for its picture, and let it go again.

        Raises:
            SourceUnreadable: what stands at that path is no camera, or may not be opened,
                or has no format that we read.
            LensError: it has no picture of the lens's shape.
        """
        try:
            with self._camera.opened() as device:
                self.fps = self._camera.agree(device).fps
        except DeviceAway:
            # Told as STALLED once the frames are asked for.
            pass
        except NotACamera as found:
            raise SourceUnreadable(
                what=found.what,
                which=f"sensor {self.camera_id}: {self._camera.path}",
                remedy=found.remedy,
            ) from None
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.close()

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The camera's frames until `stop`; `seq` skips what was missed."""
        return self._live.frames(stop)


class _Camera:
    """How a V4L2 device is read."""

    def __init__(
        self,
        section: V4l2Source,
        layout: PictureFormat,
        light: LightSection,
        *,
        coded: CodedStream | None,
        is_masked: bool,
        kernel: Kernel | None,
    ) -> None:
        self._is_masked = is_masked
        self.path = section.device
        self._section = section
        self._layout = layout
        self._mains_hz = light.mains_hz
        self._coded = coded
        self._kernel = kernel

    def opened(self) -> V4l2Device:
        """The device.

        Raises:
            NotACamera: something else is there, or it may not be opened.
            DeviceAway: unplugged, in use.
        """
        return V4l2Device(self.path, self._kernel)

    def agree(self, device: V4l2Device) -> Negotiated:
        """Ask for the lens's picture in the best way that the camera has of sending it.

        Raises:
            NotACamera: it has no format that we read.
            LensError: it has none of the lens's shape.
            DeviceAway: another program streams from it, or it went.
        """
        wanted = self._layout.size
        offers = device.offers(self._section.video, wanted)
        if not offers:
            raise NotACamera(
                f"{device.name} sends no picture in a format of video = "
                f'"{self._section.video}" that is known here',
                'set the source\'s video to "auto", or use a camera with H.264, MJPEG or YUYV',
            )
        if self._is_masked and self._section.video == "auto":
            offers = [offer for offer in offers if offer.coding.video != "h264"] or offers
        fitting = [offer for offer in offers if serves(offer.size, wanted)]
        exact = [offer for offer in fitting if offer.size == wanted]
        chosen = device.choose((exact or fitting or offers)[0], self._section.fps)
        fitted(chosen.size, wanted, device.name)
        return chosen

    def read(self, output: LiveOutput) -> None:
        """One connection.

        Raises:
            CameraAway: it is not there, not a camera, or gives no picture.
            LensError: it has no picture of the lens's shape.
        """
        try:
            with self.opened() as device:
                agreed = self.agree(device)
                device.set_mains(self._mains_hz)
                device.start()
                _Stream(self._section, agreed, device, output, self._coded).run()
        except DeviceAway as away:
            raise CameraAway(away.reason) from None
        except NotACamera as found:
            raise CameraAway(f"{found.what} ({found.remedy})") from None


class _Stream:
    """The pictures of one connection."""

    def __init__(
        self,
        section: V4l2Source,
        agreed: Negotiated,
        device: V4l2Device,
        output: LiveOutput,
        coded: CodedStream | None,
    ) -> None:
        self._device = device
        self._agreed = agreed
        self._output = output
        self._coded = coded
        self._stall_s = section.stall_timeout_s
        coding = agreed.coding
        self._decoder = PacketDecoder(
            coding.codec, size=agreed.size, pixel_format=coding.pixel_format
        )
        self._is_h264 = coding.video == "h264"
        # Every picture of H.264 is needed for the next one; others can be left out unseen.
        is_thinned = not self._is_h264 and agreed.fps > section.fps * _MUCH_FASTER
        self._pace = OfferPace(section.fps) if is_thinned else None
        self._awaiting_key = self._is_h264
        self._next_sequence: int | None = None
        self._missed = 0

    def run(self) -> None:
        """Read until the output is left.

        Raises:
            DeviceAway: unplugged, or its driver gave up.
            CameraAway: no picture for as long as a stall.
        """
        output, clock = self._output, self._output.clock
        if self._coded is not None:
            codec = "h264" if self._is_h264 else self._agreed.coding.fourcc
            video = CompressedFormat(codec=codec, extradata=b"", size=self._agreed.size)
            self._coded.begin(video, Discontinuity.SOURCE_RECONNECTED)
        last_given, last_buffer_ns = output.given, clock.mono_ns()
        last_picture_ns = last_buffer_ns
        while not output.leaving.is_set():
            buffer = self._device.take(LOOK_S)
            now_ns = clock.mono_ns()
            if buffer is not None:
                last_buffer_ns = now_ns
                self._handle(buffer, now_ns)
                if output.given > last_given:
                    last_given, last_picture_ns = output.given, now_ns
            if now_ns - last_buffer_ns > self._stall_s * NS_PER_S:
                raise CameraAway("the camera gives no pictures")
            if now_ns - last_picture_ns > self._stall_s * NS_PER_S:
                raise CameraAway("the camera sends, but no picture that can be shown")

    def _handle(self, buffer: FilledBuffer, now_ns: int) -> None:
        lost = 0 if self._next_sequence is None else buffer.sequence - self._next_sequence
        self._next_sequence = buffer.sequence + 1
        # A driver that counts anew lost nothing that we know of.
        self._missed += max(0, lost)
        taken_ns = self._time_of(buffer, now_ns)
        if self._is_h264:
            self._record(buffer, taken_ns, is_broken=lost > 0)
            if lost > 0:
                self._awaiting_key = True
        if self._pace is not None and not self._pace.wants(taken_ns):
            return
        self._show(buffer, taken_ns)

    def _record(self, buffer: FilledBuffer, taken_ns: int, *, is_broken: bool) -> None:
        """The packet as it came."""
        if self._coded is None:
            return
        if is_broken:
            self._coded.lost()
        stamp = taken_ns * TICKS_PER_S // NS_PER_S
        packet = CompressedPacket(
            content=buffer.content, dts=stamp, pts=stamp, is_damaged=buffer.is_damaged
        )
        self._coded.take(packet, self._agreed.size, reading_at(self._output.clock, taken_ns))

    def _show(self, buffer: FilledBuffer, taken_ns: int) -> None:
        """Decode and give the picture, if it is whole."""
        output, layout = self._output, self._output.layout
        if buffer.is_damaged:
            self._awaiting_key = self._is_h264
        if buffer.is_damaged or (self._awaiting_key and not _begins_a_group(buffer.content)):
            self._missed += 1
            return
        refused = self._decoder.refused
        agreed = self._agreed
        content = without_padding(buffer.content, agreed.coding, agreed.size, agreed.row_bytes)
        pictures = self._decoder.decode(content, taken_ns)
        self._awaiting_key = self._is_h264 and self._decoder.refused > refused
        self._missed += self._decoder.refused - refused
        for picture in pictures:
            if picture.is_corrupt:
                self._awaiting_key = self._is_h264
                self._missed += 1
                continue
            fitted(picture.size, layout.size, self._agreed.coding.fourcc)
            missed, self._missed = self._missed, 0
            output.give(
                max(picture.pts_ns or taken_ns, output.last_mono_ns + MIN_STEP_NS),
                partial(picture.write_into, wanted=layout),
                size=picture.size,
                missed=missed,
            )

    def _time_of(self, buffer: FilledBuffer, now_ns: int) -> int:
        """When the picture was taken: the kernel's stamp where it is of our clock."""
        stamp_ns = buffer.t_mono_ns
        if stamp_ns is None or not 0 <= now_ns - stamp_ns <= _MAX_AGE_NS:
            stamp_ns = now_ns
        return stamp_ns


def _begins_a_group(content: bytes) -> bool:
    """Whether decoding of H.264 can start at this picture."""
    return any(is_key_slice("h264", nal) for nal in from_annex_b(content))
