"""Picture files of a calibration, read as the camera gave them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from roeh.core.errors import CalibrationFailed, SourceUnreadable
from roeh.media.frames import UInt8Image
from roeh.media.picture_file import PICTURE_SUFFIXES, read_picture


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
        return read_picture(path, is_gray=True)
    except SourceUnreadable:
        return None


def _nothing(what: str, path: Path) -> CalibrationFailed:
    return CalibrationFailed(
        what=what, which=str(path), remedy=f"name pictures ({', '.join(PICTURE_SUFFIXES)})"
    )
