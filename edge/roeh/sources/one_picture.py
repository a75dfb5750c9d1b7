"""One picture of a camera, live or from a file, at the size that its lens is for."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import cv2
import numpy as np

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import SensorSection
from roeh.core.errors import CameraMissing, SourceUnreadable
from roeh.core.types import Size
from roeh.media.decode import PictureFormat, VideoFailed, VideoInput
from roeh.media.frames import UInt8Image
from roeh.media.picture_file import read_picture
from roeh.optics.configured import sensor_from
from roeh.sources.factory import open_source

#: A camera's first pictures are exposed by guess.
_SETTLING_PICTURES = 5


def live_picture(
    section: SensorSection, *, clock: Clock, heading_deg: float, patience_s: float
) -> UInt8Image:
    """A picture that a camera gives once it has settled, (height, width, 3) blue green red.

    Raises:
        CameraMissing: none within `patience_s`, or its source ended without one.
        RoehError: what the source itself says is wrong.
    """
    stop = threading.Event()
    patience = threading.Timer(patience_s, stop.set)
    source = open_source(
        section.source, sensor=section, clock=clock, paced=False, heading_deg=heading_deg
    )
    last: UInt8Image | None = None
    with source, contextlib.closing(_Patience(patience)):
        for number, frame in enumerate(source.frames(stop), start=1):
            # A frame's pixels are the source's again with the next one.
            last = frame.read().bgr()
            if number == _SETTLING_PICTURES:
                break
    if last is None:
        raise CameraMissing(
            what=f"no picture within {patience_s:g} s" if stop.is_set() else "no picture",
            which=f"sensor {section.name}",
            remedy="see that it is switched on and that no other process has it",
        )
    return at_lens_size(last, section)


def file_picture(path: Path, section: SensorSection) -> UInt8Image:
    """A picture file, as this camera's.

    Raises:
        SourceUnreadable: it is none.
        LensError: it has another shape than the camera's pictures.
    """
    return at_lens_size(read_picture(path), section)


def clip_picture(path: Path, at_s: float, section: SensorSection) -> UInt8Image:
    """The last picture of a video file up to `at_s` after its beginning, as this camera's.

    Raises:
        SourceUnreadable: it is no video, or ends before.
        LensError: it has another shape than the camera's pictures.
    """
    shown: UInt8Image | None = None
    begin_ns: int | None = None
    try:
        with VideoInput(str(path.absolute()), options={}) as video:
            for picture in video.pictures():
                pts_ns = picture.pts_ns or 0
                begin_ns = pts_ns if begin_ns is None else begin_ns
                if shown is not None and pts_ns - begin_ns > at_s * NS_PER_S:
                    return at_lens_size(shown, section)
                layout = PictureFormat(picture.size, "bgr24")
                if shown is None or shown.shape != layout.shape():
                    shown = np.empty(layout.shape(), np.uint8)
                picture.write_into(shown, layout)
    except VideoFailed as failed:
        raise SourceUnreadable(
            what=failed.reason, which=f"{path}", remedy="give a video file, or a recorded segment"
        ) from None
    if shown is None or begin_ns is None or pts_ns - begin_ns + NS_PER_S < at_s * NS_PER_S:
        raise SourceUnreadable(
            what="no picture there", which=f"{path} at {at_s:g} s", remedy="give an earlier time"
        )
    return at_lens_size(shown, section)


class _Patience:
    """Ends with the source; `stop` is not set afterwards."""

    def __init__(self, timer: threading.Timer) -> None:
        self._timer = timer
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        self._timer.cancel()


def at_lens_size(picture: UInt8Image, section: SensorSection) -> UInt8Image:
    """A picture at the size that the sensor's lens is for.

    Raises:
        LensError: it has another shape.
    """
    height_px, width_px = picture.shape[:2]
    # Says so where it is another shape.
    sensor_from(section).scaled_to(width_px, height_px)
    size = Size(section.lens.width_px, section.lens.height_px)
    if (width_px, height_px) == (size.width_px, size.height_px):
        return picture
    how = cv2.INTER_AREA if width_px > size.width_px else cv2.INTER_LINEAR
    fitted = cv2.resize(picture, (size.width_px, size.height_px), interpolation=how)
    return np.asarray(fitted, np.uint8)
