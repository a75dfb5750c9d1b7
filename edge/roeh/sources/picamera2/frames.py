"""A Raspberry Pi camera: frames from one stream, coded pictures from the other.

What can never work is told when it is entered; how it is read stands in `reading`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.clock import Clock
from roeh.core.config import IrCutSection, Picamera2Source, SensorSection
from roeh.core.errors import CameraMissing, LensError
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.media.masks import mask_of
from roeh.sources.coded import CodedObserver, CodedStream
from roeh.sources.footage import fitted
from roeh.sources.light.ir_cut import IrCut
from roeh.sources.live_reader import LiveFrames
from roeh.sources.picamera2.binding import (
    Library,
    attached_cameras,
    has_hardware_encoder,
    load_library,
)
from roeh.sources.picamera2.camera import WantedStreams
from roeh.sources.picamera2.light_control import LightControl
from roeh.sources.picamera2.reading import BoardReading
from roeh.sources.protocol import SourceFrame, SourceObserver, WantedVideo, ignore_notices


class Picamera2Frames:
    """The `Source` of a Raspberry Pi camera. It is live.

    Args:
        section: which camera, how many pictures, how long a silence is a stall.
        sensor: lens, pose, masks, light.
        clock: what frames are timed by.
        observer: told of connection, stall (with the reason) and reconnection.
        coded: given the coded pictures; None: nothing is encoded.
        video: how they are to be encoded.
        library: gives picamera2.
        ir_cut: switches the infrared filter; None for the lines that `sensor.light` names.
        jitter: source of randomness for the back-off.
    """

    def __init__(
        self,
        section: Picamera2Source,
        *,
        sensor: SensorSection,
        clock: Clock,
        observer: SourceObserver = ignore_notices,
        coded: CodedObserver | None = None,
        video: WantedVideo | None = None,
        library: Callable[[], Library] = load_library,
        ir_cut: IrCut | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self.camera_id = sensor.name
        self.fps = section.fps
        lens_size = Size(sensor.lens.width_px, sensor.lens.height_px)
        self.format = PictureFormat.of_video(lens_size)
        self._section = section
        self._sensor = sensor
        self._clock = clock
        self._observer = observer
        video = video or WantedVideo()
        recorded = recorded_size(section, lens_size)
        self._mask = _mask(sensor, recorded) if video.is_masked else None
        self._coded = (
            None if coded is None else CodedStream(coded, is_masked=self._mask is not None)
        )
        self._wanted = WantedStreams(
            frames=lens_size,
            recorded=None if coded is None else recorded,
            fps=section.fps,
            bps=video.bps,
            gop_s=video.gop_s,
            encoder=section.encoder,
        )
        self._load = library
        cut = sensor.light.ir_cut
        self._ir_cut = ir_cut or (None if cut is None else _gpio_lines(cut, sensor.name))
        self._jitter = jitter
        self._live: LiveFrames | None = None

    def __enter__(self) -> Picamera2Frames:
        """Look whether all is there that cannot come back by itself.

        Raises:
            CameraMissing: picamera2, the camera, its encoder or the filter's lines.
            LensError: a picture that the camera cannot give.
        """
        section, which = self._section, f"sensor {self.camera_id}"
        for size in (self._wanted.frames, self._wanted.recorded):
            if size is not None:
                _check_size(size, self._wanted.frames, which)
        library = self._load()
        attached = attached_cameras(library)
        if section.camera >= len(attached):
            there = ", ".join(f"{n}: {one.model}" for n, one in enumerate(attached)) or "none"
            raise CameraMissing(
                what=f"no camera number {section.camera}",
                which=f"{which}: libcamera sees {there}",
                remedy="check the camera's cable with the power off, and `rpicam-hello "
                "--list-cameras`",
            )
        if section.encoder == "v4l2" and not has_hardware_encoder():
            raise CameraMissing(
                what="this board has no H.264 encoder of the Pi 4's kind",
                which=f"{which}: encoder v4l2",
                remedy='set encoder = "auto"',
            )
        if self._ir_cut is not None:
            self._ir_cut.__enter__()
        reading = BoardReading(
            section,
            library,
            sensor=self._sensor,
            wanted=self._wanted,
            mask=self._mask,
            coded=self._coded,
            light=LightControl(self._sensor.light, self._ir_cut, section.fps),
        )
        self._live = LiveFrames(
            reading,
            camera_id=self.camera_id,
            shown=f"camera {section.camera} ({attached[section.camera].model})",
            clock=self._clock,
            layout=self.format,
            observer=self._observer,
            coded=self._coded,
            jitter=self._jitter,
        )
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        live, self._live = self._live, None
        if live is None:
            return
        live.close()
        if self._ir_cut is not None:
            self._ir_cut.__exit__(None, None, None)

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The camera's frames until `stop`; `seq` skips what was not taken."""
        if self._live is None:
            raise RuntimeError("a source is used before it is entered")
        yield from self._live.frames(stop)


def recorded_size(section: Picamera2Source, lens_size: Size) -> Size:
    """The size in which pictures are encoded."""
    if section.record_width_px == 0 or section.record_height_px == 0:
        return lens_size
    return Size(section.record_width_px, section.record_height_px)


def _check_size(size: Size, lens_size: Size, which: str) -> None:
    """Raises LensError for what no stream of libcamera can be."""
    shown = f"{size.width_px}x{size.height_px}"
    fitted(size, lens_size, f"record_width_px, record_height_px of {which}")
    if size.width_px % 2 or size.height_px % 2:
        raise LensError(
            what="a picture with an odd side",
            which=f"{which}: {shown}",
            remedy="set even sides in the lens and in record_width_px, record_height_px",
        )
    if size.width_px < lens_size.width_px or size.height_px < lens_size.height_px:
        raise LensError(
            what="the recorded picture is smaller than the one for detection",
            which=f"{which}: {shown}",
            remedy="set record_width_px and record_height_px to the lens's size or more",
        )


def _mask(sensor: SensorSection, recorded: Size) -> npt.NDArray[np.bool_] | None:
    """The sensor's masks as large as what is recorded, a pixel more rather than one less."""
    mask = mask_of(sensor)
    if mask is None or mask.shape == (recorded.height_px, recorded.width_px):
        return mask
    size = (recorded.width_px, recorded.height_px)
    scaled = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled > 0, np.bool_)


def _gpio_lines(section: IrCutSection, camera_id: str) -> IrCut:
    """Filter and lamps on a GPIO chip.

    Raises:
        CameraMissing: this environment has no gpiod.
    """
    try:
        # Here and not above: who has no such lines needs no gpiod.
        from roeh.sources.light.gpio import GpioIrCut
    except ImportError as error:
        raise CameraMissing(
            what=f"the lines of the infrared filter cannot be switched ({error})",
            which=f"sensor {camera_id}: light.ir_cut",
            remedy="install the lock of a pole, requirements/pi.txt",
        ) from None
    return GpioIrCut(section, camera_id)
