"""The sensor that a calibration is about, and a picture of it for the report."""

from __future__ import annotations

from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, SensorSection
from roeh.core.errors import CalibrationFailed
from roeh.media.frames import UInt8Image
from roeh.media.masks import blackened, mask_of
from roeh.media.picture_file import read_picture
from roeh.sources.one_picture import live_picture

#: A camera on a network may take some seconds to its first picture.
_PATIENCE_S = 15.0


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


def live_picture_of(section: SensorSection, clock: Clock, heading_deg: float) -> UInt8Image:
    """A picture from the sensor's source, BGR, of its lens's size, masks black.

    Raises:
        RoehError: there is none.
    """
    picture = live_picture(section, clock=clock, heading_deg=heading_deg, patience_s=_PATIENCE_S)
    return blackened(picture, mask_of(section))


def picture_from(path: Path, section: SensorSection) -> UInt8Image:
    """A picture from a file, BGR, masks black.

    Raises:
        SourceUnreadable: it is none.
        CalibrationFailed: it is none of this sensor's.
    """
    picture = read_picture(path)
    size = (section.lens.width_px, section.lens.height_px)
    if (picture.shape[1], picture.shape[0]) != size:
        raise _unfit(
            f"a picture of {picture.shape[1]}x{picture.shape[0]} px, the lens of sensor "
            f"{section.name} is for {size[0]}x{size[1]}",
            path,
            "give a picture as this sensor's frames are",
        )
    return blackened(picture, mask_of(section))


def _unfit(what: str, path: Path, remedy: str) -> CalibrationFailed:
    return CalibrationFailed(what=what, which=str(path), remedy=remedy)
