"""The sensor that a calibration is about, and a picture of it for the report."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, SensorSection
from roeh.core.errors import CalibrationFailed
from roeh.media.frames import UInt8Image
from roeh.media.masks import mask_of
from roeh.sources.factory import open_source

#: A camera's first pictures are exposed by guess.
_SETTLING_PICTURES = 5


def section_of(config: NodeConfig, name: str) -> SensorSection:
    """The sensor of that name; the only one where none is named.

    Raises:
        CalibrationFailed: there is none, or there are several.
    """
    if not name and len(config.sensors) == 1:
        return config.sensors[0]
    for section in config.sensors:
        if section.name == name:
            return section
    raise CalibrationFailed(
        what="no such sensor" if name else "the node has several sensors",
        which=name or f"node {config.node.name}",
        remedy=f"name one with --sensor: {', '.join(each.name for each in config.sensors)}",
    )


def live_picture(section: SensorSection, clock: Clock, heading_deg: float) -> UInt8Image:
    """A picture from the sensor's source, BGR, of its lens's size, masks black.

    Raises:
        SourceUnreadable, CameraMissing: there is none.
    """
    stop = threading.Event()
    with open_source(
        section.source, sensor=section, clock=clock, paced=False, heading_deg=heading_deg
    ) as source:
        last = None
        for number, frame in enumerate(source.frames(stop), start=1):
            last = frame
            if number == _SETTLING_PICTURES:
                break
        if last is None:
            raise CalibrationFailed(
                what="the source gives no picture",
                which=f"sensor {section.name}",
                remedy="look at it with roeh doctor, or give a file with --picture",
            )
        picture = last.read().bgr()
    return masked(picture, section)


def picture_from(path: Path, section: SensorSection) -> UInt8Image:
    """A picture from a file, BGR, masks black.

    Raises:
        CalibrationFailed: it is none, or none of this sensor's.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise _unfit(f"cannot be read ({error.strerror})", path, "name a picture") from None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    found = cv2.imdecode(content, flags) if content.size else None
    if found is None:
        raise _unfit("not a picture", path, "name a picture file, PNG or JPEG")
    picture = np.asarray(found, np.uint8)
    size = (section.lens.width_px, section.lens.height_px)
    if (picture.shape[1], picture.shape[0]) != size:
        raise _unfit(
            f"a picture of {picture.shape[1]}x{picture.shape[0]} px, the lens of sensor "
            f"{section.name} is for {size[0]}x{size[1]}",
            path,
            "give a picture as this sensor's frames are",
        )
    return masked(picture, section)


def masked(picture: UInt8Image, section: SensorSection) -> UInt8Image:
    """The picture with the sensor's privacy masks black."""
    mask = mask_of(section)
    if mask is None:
        return picture
    picture = picture.copy()
    picture[mask] = 0
    return picture


def _unfit(what: str, path: Path, remedy: str) -> CalibrationFailed:
    return CalibrationFailed(what=what, which=str(path), remedy=remedy)
