"""What the camera films, coded once: a few groups that it sends again and again."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from roeh.bitstream.nal import from_annex_b, is_parameter_set

FPS = 5
GOP_PICTURES = 10
_GROUPS = 4
_ENCODERS = {"h264": "libx264", "h265": "libx265"}


@dataclass(frozen=True)
class Coded:
    """Groups of pictures, each picture a list of NAL units, parameter sets in band."""

    codec: str
    parameter_sets: tuple[bytes, ...]
    pictures: tuple[list[bytes], ...]


@functools.cache
def coded(codec: str, width_px: int, height_px: int) -> Coded:
    """Moving bars and a little noise, `GOP_PICTURES` to a group."""
    context = av.CodecContext.create(_ENCODERS[codec], "w")
    context.width, context.height, context.pix_fmt = width_px, height_px, "yuv420p"
    context.time_base = Fraction(1, FPS)
    context.framerate = Fraction(FPS)
    structure = f"keyint={GOP_PICTURES}:min-keyint={GOP_PICTURES}:scenecut=0:bframes=0"
    more = ":log-level=none:pools=none:frame-threads=1" if codec == "h265" else ""
    context.thread_count = 1
    context.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        f"x{codec[1:]}-params": f"{structure}:repeat-headers=1{more}",
    }
    random = np.random.default_rng(1)
    units: list[list[bytes]] = []
    for number in range(_GROUPS * GOP_PICTURES):
        picture = random.integers(90, 110, (height_px, width_px, 3), np.uint8)
        left = number * 7 % (width_px - 20)
        picture[:, left : left + 20] = 220
        frame = av.VideoFrame.from_ndarray(picture, "bgr24")
        frame.pts = number
        units.extend(list(from_annex_b(bytes(packet))) for packet in context.encode(frame))
    units.extend(list(from_annex_b(bytes(packet))) for packet in context.encode(None))
    sets = tuple(nal for nal in units[0] if is_parameter_set(codec, nal))
    return Coded(codec, sets, tuple(units))
