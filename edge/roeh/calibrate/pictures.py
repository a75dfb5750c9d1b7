"""Picture files of a calibration, read as the camera gave them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from roeh.core.errors import CalibrationFailed
from roeh.media.frames import UInt8Image

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def picture_paths(named: Iterable[Path]) -> tuple[Path, ...]:
    """The files, and all pictures of the directories, in the order of their names.

    Raises:
        CalibrationFailed: nothing there.
    """
    found: dict[Path, None] = {}
    for path in named:
        if path.is_dir():
            try:
                inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
            except OSError as error:
                raise _nothing(f"the directory cannot be read ({error.strerror})", path) from None
            if not inside:
                raise _nothing("no pictures in the directory", path)
            found.update(dict.fromkeys(inside))
        elif path.is_file():
            found[path] = None
        else:
            raise _nothing("no such file or directory", path)
    return tuple(found)


def read_gray(path: Path) -> UInt8Image | None:
    """(height, width), not turned by what its header says of how it was held; None: no picture."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if not content.size:
        return None
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(content, flags)
    except cv2.error:
        return None
    return None if picture is None else np.asarray(picture, np.uint8)


def _nothing(what: str, path: Path) -> CalibrationFailed:
    return CalibrationFailed(
        what=what, which=str(path), remedy=f"name pictures ({', '.join(PICTURE_SUFFIXES)})"
    )
