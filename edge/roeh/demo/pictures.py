"""What a demo leaves to look at: the polar picture and the thumbnails that arrived."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import cv2

from roeh.core.config import NodeConfig
from roeh.core.errors import OutputRefused
from roeh.demo.control_room import Arrival
from roeh.demo.overview import polar_picture

PICTURE_FILE = "polar.png"
THUMBNAILS_DIR = "thumbnails"

#: Our own names, so that nothing else is ever removed.
_OWN_NAME = re.compile(r"\d{4,}-[a-z0-9-]+\.jpg")


def prepare(directory: Path) -> None:
    """Make the directory, without the thumbnails of a demo before.

    Raises:
        OutputRefused: it cannot be written.
    """
    thumbnails = directory / THUMBNAILS_DIR
    try:
        thumbnails.mkdir(parents=True, exist_ok=True)
        for old in thumbnails.iterdir():
            if _OWN_NAME.fullmatch(old.name):
                old.unlink()
        (directory / PICTURE_FILE).unlink(missing_ok=True)
        probe = directory / f"{PICTURE_FILE}.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _refused(error, directory) from None


def write(
    directory: Path,
    config: NodeConfig,
    arrivals: Mapping[str, Arrival],
    thumbnails: Mapping[str, bytes],
) -> Path:
    """Write both; the path of the polar picture.

    Raises:
        OutputRefused: the directory cannot be written.
    """
    alerts = [arrival.alert for arrival in arrivals.values()]
    picture = polar_picture(config, Path(config.detect.track_log), alerts)
    _, encoded = cv2.imencode(".png", picture)
    path = directory / PICTURE_FILE
    try:
        for alert in alerts:
            jpeg = thumbnails.get(alert.id)
            if jpeg is not None:
                name = f"{alert.seq:04d}-{alert.rule}.jpg"
                (directory / THUMBNAILS_DIR / name).write_bytes(jpeg)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise _refused(error, directory) from None
    return path


def _refused(error: OSError, directory: Path) -> OutputRefused:
    return OutputRefused(
        what=f"the demo's pictures cannot be written ({error.strerror})",
        which=str(directory),
        remedy="run the demo from a directory that you can write, or give --keep DIR",
    )
