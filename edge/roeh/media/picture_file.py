"""Picture files, read as a camera wrote them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from roeh.core.errors import SourceUnreadable
from roeh.media.frames import UInt8Image

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

#: How a JPEG and a PNG file begin and end; some cameras write a little more after it.
_FILE_MARKS = ((b"\xff\xd8", b"\xff\xd9"), (b"\x89PNG", b"IEND"))
_TAIL_BYTES = 65536


def read_picture(path: Path, *, is_gray: bool = False, is_turned: bool = False) -> UInt8Image:
    """The picture in a file.

    Args:
        path: of a JPEG, PNG, WebP, BMP or TIFF file.
        is_gray: without colours.
        is_turned: upright by what its header says of how it was held; a lens's model is of
            the picture as it is stored.

    Returns:
        (height, width, 3) blue green red, or (height, width) gray.

    Raises:
        SourceUnreadable: it is none, or ends early.
    """
    flags = cv2.IMREAD_GRAYSCALE if is_gray else cv2.IMREAD_COLOR
    if not is_turned:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        encoded = path.read_bytes()
        is_whole = bool(encoded) and not _ends_early(encoded)
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags) if is_whole else None
    except OSError as error:
        raise _refused(f"not a picture that can be read ({error.strerror})", path) from None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise _refused("not a picture", path)
    return np.asarray(pixels, np.uint8)


def _ends_early(encoded: bytes) -> bool:
    """Whether a JPEG or PNG file stops before its end: their libraries would print about it."""
    for start, end in _FILE_MARKS:
        if encoded.startswith(start):
            return end not in encoded[-_TAIL_BYTES:]
    return False


def _refused(what: str, path: Path) -> SourceUnreadable:
    return SourceUnreadable(
        what=what, which=str(path), remedy="give a JPEG, PNG, WebP, BMP or TIFF file"
    )
