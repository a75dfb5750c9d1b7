"""One camera of this board, opened through picamera2: what it is told, and what it gives.

What it relies on, found in picamera2 0.3.38:

- Frames are handled in a thread of its own, which ends without a word when anything in it
  raises: nothing of ours that it calls may.
- A capture that is asked for and not awaited takes its request all the same when it comes:
  who gives up waiting has to give that request back.
- `stop` waits for that thread for ever; `stop_preview` ends it whatever state it is in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from roeh.core.log import log_for
from roeh.core.types import Size
from roeh.media.planes import Octets1D, PlaneLayout
from roeh.sources.picamera2.binding import (
    Library,
    forget_cameras,
    has_hardware_encoder,
    line_of,
)

#: Raw buffers a camera has: one in the sensor's hands, one in the encoder's, two held.
BUFFERS = 6
#: What the encoder of VC4 takes, each side.
_ENCODER_MAX_PX = 1920
_ORDERS: dict[str, Literal["i420", "nv12"]] = {"YUV420": "i420", "NV12": "nv12"}
_US_PER_S = 1_000_000

EncoderChoice = Literal["auto", "v4l2", "libav"]

_log = log_for("sources")


class CameraFailed(Exception):
    """A call into the driver failed; the text is one line for a person."""


class Metadata(msgspec.Struct, frozen=True):
    """What the driver tells of one picture; None where it does not.

    Attributes:
        stamp_ns: CLOCK_BOOTTIME when the sensor began its first row.
        exposure_us: for how long it gathered light.
        gain: analogue times digital.
    """

    stamp_ns: int | None
    exposure_us: int | None
    gain: float | None


class Range(msgspec.Struct, frozen=True):
    """What a control takes."""

    least: float
    most: float


class WantedStreams(msgspec.Struct, frozen=True):
    """What a camera is to give.

    Attributes:
        frames: size of the pictures for detection.
        recorded: size of those that are encoded; None for no encoding.
        fps: pictures a second.
        bps: bits a second of the encoder.
        gop_s: seconds from key picture to key picture.
        encoder: which one.
    """

    frames: Size
    recorded: Size | None
    fps: float
    bps: int
    gop_s: float
    encoder: EncoderChoice


class CapturedRequest:
    """One picture's buffers, until they are given back: once, whoever asks how often."""

    def __init__(self, library: Library, request: Any, number: int) -> None:  # noqa: ANN401 - no types
        self.number = number
        self._library = library
        self._request = request

    def metadata(self) -> Metadata:
        """What the driver tells of it."""
        with _driver("reading a picture's metadata"):
            found: Mapping[str, Any] = self._request.get_metadata()
        exposure, gain = found.get("ExposureTime"), found.get("AnalogueGain")
        stamp = found.get("SensorTimestamp")
        return Metadata(
            stamp_ns=int(stamp) if stamp else None,
            exposure_us=int(exposure) if exposure else None,
            gain=float(gain) * float(found.get("DigitalGain") or 1.0) if gain else None,
        )

    def look(self, stream: str, see: Callable[[Octets1D], None]) -> None:
        """Show a stream's buffer to `see`, which must not keep it."""
        with (
            _driver("mapping a picture"),
            self._library.MappedArray(self._request, stream, reshape=False, write=False) as mapped,
        ):
            see(mapped.array)

    def release(self) -> None:
        """Give the buffers back to the driver; one that is gone takes nothing and is told."""
        request, self._request = self._request, None
        if request is None:
            return
        try:
            request.release()
        except Exception as error:  # noqa: BLE001 - the others have to be given back all the same
            _log.warning("giving a picture back failed: %s", line_of(error))


class Captured(msgspec.Struct, frozen=True):
    """A picture came."""

    request: CapturedRequest


class Encoded(msgspec.Struct, frozen=True):
    """A coded picture came; `stamp_us` is its sensor's stamp, CLOCK_BOOTTIME."""

    content: bytes
    stamp_us: int


class Broken(msgspec.Struct, frozen=True):
    """What ran in picamera2's thread failed, and must not go on."""

    reason: str


Event = Captured | Encoded | Broken


class BoardCamera:
    """One camera, opened; everything it gives comes as events.

    Args:
        library: picamera2.
        number: of the camera, as `attached_cameras` counts.
        events: where they are put, from threads of picamera2.

    Raises:
        CameraFailed: it cannot be opened now.
    """

    def __init__(self, library: Library, number: int, put: Callable[[Event], None]) -> None:
        self._library = library
        self._put = put
        self._encoder: Any = None
        self._mask: Callable[[Octets1D], None] | None = None
        self._numbers = 0
        self.encoder_name = ""
        with _driver("opening the camera"):
            try:
                self._camera: Any = library.Picamera2(number)
            except Exception:
                forget_cameras(library)
                raise

    def configure(self, wanted: WantedStreams) -> None:
        """Set up both streams.

        Raises:
            CameraFailed: the camera refuses.
        """
        with _driver("configuring the camera"):
            self._configure(wanted)

    def start(self, mask: Callable[[Octets1D], None] | None) -> None:
        """Begin to give pictures.

        Args:
            mask: blackens what may not be recorded in a buffer of the stream `main`.

        Raises:
            CameraFailed: the camera refuses.
        """
        self._mask = mask
        with _driver("starting the camera"):
            self._start()

    @property
    def frame_stream(self) -> str:
        """The stream that frames come from."""
        return "lores" if self._camera.camera_configuration().get("lores") else "main"

    def layout(self, stream: str) -> PlaneLayout:
        """How the pictures of a stream lie, as configured.

        Raises:
            CameraFailed: in a way that is not known here.
        """
        found: Mapping[str, Any] = self._camera.camera_configuration()[stream]
        order = _ORDERS.get(found["format"])
        if order is None:
            raise CameraFailed(f"its pictures are {found['format']}, not YUV420 or NV12")
        width, height = found["size"]
        return PlaneLayout(Size(width, height), int(found["stride"]), order)

    def range_of(self, control: str) -> Range | None:
        """What a control takes; None where the camera has none of that name."""
        found = self._camera.camera_controls.get(control)
        return None if found is None else Range(float(found[0]), float(found[1]))

    def set_controls(self, controls: Mapping[str, float]) -> None:
        """Ask for controls, from the next picture that is asked for on; unknown ones are left."""
        with _driver("setting controls"):
            known = self._camera.camera_controls
            self._camera.set_controls({key: one for key, one in controls.items() if key in known})

    def capture(self) -> None:
        """Ask for the next picture."""
        with _driver("asking for a picture"):
            self._camera.capture_request(wait=False, signal_function=self._captured)

    def halt(self) -> list[str]:
        """End its threads; requests may be given back afterwards, and nothing comes any more.

        Returns:
            What went wrong, mostly nothing.
        """
        camera = self._camera
        steps: list[Callable[[], object]] = [camera.cancel_all_and_flush]
        if self._encoder is not None:
            steps.append(camera.stop_encoder)
        steps.append(camera.stop_preview)
        return _all_of(steps)

    def close(self) -> list[str]:
        """Give the camera back, once all requests are.

        Returns:
            What went wrong, mostly nothing.
        """
        return _all_of([self._camera.close])

    def _configure(self, wanted: WantedStreams) -> None:
        camera = self._camera
        frame_us = round(_US_PER_S / wanted.fps)
        controls: dict[str, Any] = {}
        if "FrameDurationLimits" in camera.camera_controls:
            controls["FrameDurationLimits"] = (frame_us, frame_us)
        frames = {"size": (wanted.frames.width_px, wanted.frames.height_px), "format": "YUV420"}
        recorded = frames
        if wanted.recorded is not None:
            size = (wanted.recorded.width_px, wanted.recorded.height_px)
            recorded = {"size": size, "format": "YUV420"}
        camera.configure(
            camera.create_video_configuration(
                main=recorded,
                lores=None if wanted.recorded is None else frames,
                buffer_count=BUFFERS,
                controls=controls,
                display=None,
                encode="main",
                queue=False,
            )
        )
        if wanted.recorded is not None:
            self._encoder = self._new_encoder(wanted, wanted.recorded)

    def _new_encoder(self, wanted: WantedStreams, size: Size) -> Any:  # noqa: ANN401 - no types
        in_hardware = wanted.encoder == "v4l2" or (
            wanted.encoder == "auto"
            and has_hardware_encoder()
            and max(size.width_px, size.height_px) <= _ENCODER_MAX_PX
        )
        group = max(1, round(wanted.gop_s * wanted.fps))
        if in_hardware:
            self.encoder_name = "the board's encoder"
            encoder = self._library.hardware_encoder()
            return encoder(bitrate=wanted.bps, repeat=True, iperiod=group)
        self.encoder_name = "libav"
        return self._library.LibavH264Encoder(
            bitrate=wanted.bps,
            repeat=True,
            iperiod=group,
            framerate=max(1, round(wanted.fps)),
        )

    def _start(self) -> None:
        camera = self._camera
        camera.pre_callback = self._before_all
        if self._encoder is not None:
            receiver = _receiver(self._library, self._encoded)
            camera.start_encoder(self._encoder, receiver, name="main")
        camera.start()

    def _before_all(self, request: Any) -> None:  # noqa: ANN401 - no types
        """In picamera2's thread, before a picture is given to the encoder or to us."""
        self._numbers += 1
        if self._mask is None:
            return
        try:
            with self._library.MappedArray(request, "main", reshape=False) as mapped:
                self._mask(mapped.array)
        except Exception as error:  # noqa: BLE001 - it would end picamera2's thread
            self._break(f"masks cannot be burnt in: {line_of(error)}")

    def _captured(self, job: Any) -> None:  # noqa: ANN401 - no types
        try:
            request = job.get_result()
        except Exception as error:  # noqa: BLE001 - likewise
            self._break(f"capturing failed: {line_of(error)}")
        else:
            self._put(Captured(CapturedRequest(self._library, request, self._numbers)))

    def _encoded(self, frame: Any, timestamp: int | None) -> None:  # noqa: ANN401 - no types
        first_us = self._encoder.firsttimestamp
        if timestamp is None or first_us is None:
            self._break("the encoder gives pictures without a time")
        else:
            self._put(Encoded(bytes(frame), first_us + timestamp))

    def _break(self, reason: str) -> None:
        """Before the picture can be encoded: whoever reads the events stops at this one."""
        self._put(Broken(reason))


def _receiver(library: Library, take: Callable[[Any, int | None], None]) -> Any:  # noqa: ANN401 - no types
    """An output of picamera2's kind that hands pictures on."""

    class _Receiver(library.Output):  # type: ignore[misc,name-defined] # untyped, made at run time
        def outputframe(
            self,
            frame: Any,  # noqa: ANN401 - no types
            keyframe: bool = True,
            timestamp: int | None = None,
            packet: Any = None,  # noqa: ANN401 - no types
            audio: bool = False,
        ) -> None:
            del keyframe, packet
            if not audio:
                take(frame, timestamp)

    return _Receiver()


@contextlib.contextmanager
def _driver(doing: str) -> Iterator[None]:
    """Whatever a call into a library without types raises, as one thing."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a library without types raises
        raise CameraFailed(f"{doing} failed: {line_of(error)}") from None


def _all_of(steps: list[Callable[[], object]]) -> list[str]:
    """Take each step, whatever becomes of those before."""
    wrong = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the camera has to be given back all the same
            wrong.append(line_of(error))
    return wrong
