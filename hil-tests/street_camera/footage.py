"""A minute of drawn people as coded pictures: `python -m street_camera.footage FILE`.

Run by the product's own environment, which draws and encodes. The file: pictures one after
the other, each its length in bytes (4, big endian) and one access unit of H.264 (Annex B) with
its parameter sets where it is a key picture.
"""

from __future__ import annotations

import itertools
import struct
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av

from roeh.core.clock import SystemClock
from roeh.core.config import ComposedSource, LensSection, SensorSection
from roeh.sources.factory import open_source
from roeh.sources.protocol import Source

WIDTH_PX, HEIGHT_PX = 640, 384
FPS = 10
DURATION_S = 60
_KEY_EVERY = FPS
_CRF = "26"


def write_footage(path: Path) -> None:
    """Draw, encode, and put the file in place when it is whole."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.gop_size = _KEY_EVERY
    encoder.options = {"preset": "fast", "tune": "zerolatency", "crf": _CRF, "threads": "2"}
    beside = path.with_suffix(".new")
    with beside.open("wb") as out, _street() as street:
        frames = itertools.islice(street.frames(threading.Event()), FPS * DURATION_S)
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.read().pixels, format="bgr24")
            picture.pts = number
            for packet in encoder.encode(picture):
                out.write(struct.pack(">I", packet.size) + bytes(packet))
    beside.replace(path)


def _street() -> Source:
    """An ordinary camera over a square whose paving people step on and off all the time."""
    drawn = ComposedSource(seed=2, people=10, fps=float(FPS))
    lens = LensSection(model="pinhole", width_px=WIDTH_PX, height_px=HEIGHT_PX, fov_deg=60.0)
    sensor = SensorSection(source=drawn, lens=lens, height_m=5.0, tilt_deg=25.0)
    return open_source(drawn, sensor=sensor, clock=SystemClock(), paced=False)


if __name__ == "__main__":
    write_footage(Path(sys.argv[1]))
