"""Ordinary footage hung round the pole and seen through the sensor's own lens.

Real people at several azimuths without a real pole. What is exact and what is not:
edge/design/sources.md.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from types import TracebackType

import cv2
import numpy as np

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import PanoramaSource, PanoramaView
from roeh.core.types import Size
from roeh.media.decode import DecodedPicture, PictureFormat
from roeh.media.frames import UInt8Image
from roeh.optics.rig import Rig, Sensor
from roeh.sources.drawn.pane import Pane
from roeh.sources.drawn.sight import SightField
from roeh.sources.drawn.street import calm_picture
from roeh.sources.footage import Footage, FootagePicture
from roeh.sources.protocol import (
    SourceFrame,
    SourceNotice,
    SourceObserver,
    SourceState,
    ignore_notices,
)
from roeh.sources.timeline import Pacer, frame_at


class PanoramaFrames:
    """The `Source` that re-projects footage into a sensor's picture.

    Each view has a decoder of its own, so that it may begin elsewhere in the footage.

    Args:
        section: the footage and its views; the first view lies under the later ones.
        sensor: whose picture is drawn; frames have its lens's size, bgr24.
        clock: times start where it stands when the first frame is asked for.
        paced: whether frames come at `section.fps`.
        observer: told of the end and its reason.
    """

    def __init__(
        self,
        section: PanoramaSource,
        *,
        sensor: Sensor,
        clock: Clock,
        paced: bool,
        observer: SourceObserver = ignore_notices,
    ) -> None:
        self.camera_id = sensor.name
        self.fps = section.fps
        self.format = PictureFormat(Size(sensor.lens.width_px, sensor.lens.height_px), "bgr24")
        self._section = section
        self._sensor = sensor
        self._clock = clock
        self._pacer = Pacer(clock, paced=paced)
        self._observer = observer
        self._hangings: list[Hanging] = []
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> PanoramaFrames:
        """Open the footage and compute where each view lands.

        Raises:
            SourceUnreadable: the footage is not there or is not video.
        """
        section = self._section
        with contextlib.ExitStack() as opened:
            footage = [
                opened.enter_context(Footage(section.path, loop=section.loop, start_s=view.start_s))
                for view in section.views
            ]
            # Headings do not matter here: views hang on the pole, not on the compass.
            rig = Rig((self._sensor,), heading_deg=0.0, heading_sigma_deg=0.0)
            sight = SightField(rig, self._sensor)
            self._ground = calm_picture(sight)
            self._hangings = [
                Hanging(one, sight, view) for one, view in zip(footage, section.views, strict=True)
            ]
            self._exit = opened.pop_all()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit.close()

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The drawn frames; without looping they end with the first footage to end."""
        self._notify(SourceState.CONNECTED, f"re-projecting {self._section.path}")
        step_ns = NS_PER_S / self.fps
        for hanging in self._hangings:
            hanging.start()
        seq = 0
        while True:
            since_ns = round(seq * step_ns)
            shown = [hanging.at(since_ns) for hanging in self._hangings]
            pictures = [picture for picture in shown if picture is not None]
            if len(pictures) < len(shown):
                break
            at = self._pacer.wait_until(since_ns, stop)
            if at is None:
                return
            info = frame_at(self.camera_id, seq, at, self.format)
            yield SourceFrame(info, partial(self._draw, pictures))
            seq += 1
        notes = {hanging.footage.note for hanging in self._hangings} - {""}
        self._notify(SourceState.ENDED, "; ".join(sorted(notes)))

    def _draw(self, pictures: list[DecodedPicture], out: UInt8Image) -> None:
        np.copyto(out, self._ground)
        for hanging, picture in zip(self._hangings, pictures, strict=True):
            hanging.draw(picture, out)

    def _notify(self, state: SourceState, detail: str) -> None:
        self._observer(SourceNotice(self.camera_id, state, detail, self._clock.mono_ns()))


class Hanging:
    """One view: its footage, where that lands, and the picture that is on show."""

    def __init__(self, footage: Footage, sight: SightField, view: PanoramaView) -> None:
        size = footage.facts.size
        self.footage = footage
        self._pane = Pane.of(
            sight,
            size,
            azimuth_deg=view.azimuth_deg,
            hfov_deg=view.hfov_deg,
            tilt_deg=view.tilt_deg,
        )
        self._layout = PictureFormat.of_video(size)
        self._planes = np.empty(self._layout.shape(), np.uint8)
        self._bgr = np.empty((size.height_px, size.width_px, 3), np.uint8)

    def start(self) -> None:
        """Begin at the footage's start."""
        self._pictures = self.footage.pictures()
        self._shown: DecodedPicture | None = None
        self._next: FootagePicture | None = next(self._pictures, None)

    def at(self, since_ns: int) -> DecodedPicture | None:
        """The picture on show at that time, which only moves forward; None past the end."""
        while self._next is not None and self._next.since_ns <= since_ns:
            self._shown = self._next.picture
            self._next = next(self._pictures, None)
            if self._next is None:
                # The last picture stays for the time it was made for.
                return self._shown
        return self._shown if self._next is not None else None

    def draw(self, picture: DecodedPicture, out: UInt8Image) -> None:
        """Draw a picture of the footage into the sensor's."""
        if self._layout.pixel_format == "yuv420p":
            picture.write_into(self._planes, self._layout)
            cv2.cvtColor(self._planes, cv2.COLOR_YUV2BGR_I420, dst=self._bgr)
        else:
            picture.write_into(self._bgr, self._layout)
        self._pane.draw(self._bgr, out)
