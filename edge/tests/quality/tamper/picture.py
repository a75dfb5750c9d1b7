"""What the acts look like: one clip, each act by day and by night, with its name."""

from __future__ import annotations

import cv2
import numpy as np

from roeh.media.frames import UInt8Image
from tests.quality.tamper.acts import ORDINARY, TAMPERS
from tests.quality.tamper.clips import Clip
from tests.quality.tamper.light import Exposure
from tests.quality.tamper.trial import BEFORE, Camera

_SIDE_PX, _WORDS_PX, _COLUMNS = 104, 14, 10
_EXPOSURES = (
    Exposure(gain=0.95, noise=1.0),
    Exposure(gain=1.0, noise=2.0, is_infrared=True, tells=True),
)
#: The acts go on for so many pictures before they are drawn.
_STEP = 8


def strip(clip: Clip) -> bytes:
    """A PNG: two rows of tampers, two of ordinary days."""
    rows = []
    for acts in (TAMPERS, ORDINARY):
        rows.append(np.hstack([_words(name) for name in list(acts)[:_COLUMNS]]))
        for exposure in _EXPOSURES:
            camera = Camera(clip, exposure)
            pictures = [
                camera.picture(make(clip, np.random.default_rng([clip.seed, 9])), BEFORE + _STEP)[0]
                for make in list(acts.values())[:_COLUMNS]
            ]
            rows.append(np.hstack([_small(picture) for picture in pictures]))
    return cv2.imencode(".png", np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def _small(picture: UInt8Image) -> UInt8Image:
    small = cv2.resize(picture, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    # Fewer shades make a smaller file and look the same.
    return np.asarray(small // 22 * 22, np.uint8)


def _words(name: str) -> UInt8Image:
    cell = np.full((_WORDS_PX, _SIDE_PX, 3), 255, np.uint8)
    at, black = (3, _WORDS_PX - 4), (0, 0, 0)
    cv2.putText(cell, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.28, black, 1, cv2.LINE_AA)
    return cell
