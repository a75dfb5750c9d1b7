"""What the camera sees, as coded pictures: `python -m street_camera.footage DIRECTORY`.

Run by the product's own environment, which decodes and encodes. Real people, the footage of
`roeh demo`; where that cannot be had, a minute of drawn ones. Made once, kept by what it is
made from; its path is written to standard output.

The file: pictures one after the other, each its length in bytes (4, big endian) and one access
unit of H.264 (Annex B) with its parameter sets where it is a key picture.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from roeh.core.clock import SystemClock
from roeh.core.config import ComposedSource, LensSection, SensorSection
from roeh.core.errors import SourceUnreadable
from roeh.demo.footage import fetch_footage
from roeh.sources.factory import open_source

#: Of the demo's footage; drawn people are drawn likewise, so that one configuration fits both.
WIDTH_PX, HEIGHT_PX = 768, 576
FPS = 10
_DRAWN_S = 60
#: A key picture each second: what a power cut may cost.
_KEY_EVERY = FPS
_CRF = "28"
#: Part of the kept file's name: another encoding is another file.
_ENCODING = "2"


def footage(directory: Path) -> Path:
    """The file, made first where it is not there."""
    try:
        source: Path | None = fetch_footage()
    except SourceUnreadable as error:
        print(f"{error.line()}; people are drawn instead", file=sys.stderr)
        source = None
    content = b"drawn" if source is None else source.read_bytes()
    key = hashlib.sha256(content).hexdigest()[:16]
    path = directory / f"{key}-{_ENCODING}.h264"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.new")
        beside.write_bytes(_encoded(_drawn() if source is None else _decoded(source)))
        beside.replace(path)
    return path


def _encoded(pictures: Iterator[av.VideoFrame]) -> bytes:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.gop_size = _KEY_EVERY
    # One thread, one slice a picture: GStreamer's payloader puts parameter sets before every slice
    # of a key picture, and a second slice behind them would be no part of it any more.
    encoder.options = {"preset": "fast", "tune": "zerolatency", "crf": _CRF, "threads": "1"}
    out = bytearray()
    for number, picture in enumerate(pictures):
        picture.pts = number
        for packet in encoder.encode(picture):
            out += struct.pack(">I", packet.size) + bytes(packet)
    return bytes(out)


def _decoded(source: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(source)) as container:
        for frame in container.decode(video=0):
            yield frame.reformat(WIDTH_PX, HEIGHT_PX, "yuv420p")


def _drawn() -> Iterator[av.VideoFrame]:
    """An ordinary camera over a square whose paving people step on and off all the time."""
    drawn = ComposedSource(seed=2, people=10, fps=float(FPS))
    lens = LensSection(model="pinhole", width_px=WIDTH_PX, height_px=HEIGHT_PX, fov_deg=60.0)
    sensor = SensorSection(source=drawn, lens=lens, height_m=5.0, tilt_deg=25.0)
    with open_source(drawn, sensor=sensor, clock=SystemClock(), paced=False) as street:
        for frame in itertools.islice(street.frames(threading.Event()), FPS * _DRAWN_S):
            pixels: NDArray[np.uint8] = frame.read().pixels
            yield av.VideoFrame.from_ndarray(pixels, format="bgr24")


if __name__ == "__main__":
    print(footage(Path(sys.argv[1])))
