"""The clips that the bench runs on, made from footage at hand; never kept in the repository."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from roeh.media.frames import UInt8Image

WIDTH_PX, HEIGHT_PX, FPS = 1280, 720, 15

#: Read noise of a night-time street camera, grey levels.
_NOISE_SIGMA = 2.0
_SEED = 7


def encode_clip(path: Path, pictures: Iterator[UInt8Image]) -> Path:
    """Write pictures (720, 1280, 3) as H.264 at 15 frames a second, 4 Mbit/s at most."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.options = {
            "preset": "medium", "bf": "0", "g": str(2 * FPS), "crf": "23",
            "maxrate": "4M", "bufsize": "4M",
        }  # fmt: skip
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def busy_pictures(footage: Path, count: int) -> Iterator[UInt8Image]:
    """The footage's first `count` pictures, cut to 16:9 and scaled to 720p."""
    given = 0
    with av.open(str(footage)) as container:
        for frame in container.decode(video=0):
            if given == count:
                return
            given += 1
            yield _as_720p(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))


def quiet_pictures(footage: Path, count: int) -> Iterator[UInt8Image]:
    """The same street with nobody in it: the footage's median, with a camera's noise."""
    street = _empty_street(footage)
    random = np.random.default_rng(_SEED)
    # Noise costs more to make than to encode, so a few fields are used in turn.
    fields = [random.normal(0.0, _NOISE_SIGMA, street.shape) for _ in range(8)]
    for number in range(count):
        noisy = street + fields[number % len(fields)]
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def _empty_street(footage: Path) -> UInt8Image:
    kept = [
        picture for number, picture in enumerate(busy_pictures(footage, 700)) if not number % 25
    ]
    return np.asarray(np.median(np.stack(kept), axis=0), np.uint8)


def _as_720p(picture: UInt8Image) -> UInt8Image:
    height_px, width_px = picture.shape[:2]
    wanted_px = min(height_px, width_px * HEIGHT_PX // WIDTH_PX)
    top = (height_px - wanted_px) // 2
    scaled = cv2.resize(
        picture[top : top + wanted_px], (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(scaled, np.uint8)
