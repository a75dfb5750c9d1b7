"""Pictures as a camera codes them: annex B, parameter sets before every key picture."""

from fractions import Fraction

import av
import numpy as np

from roeh.core.types import Size

_ENCODERS = {"h264": "libx264", "h265": "libx265"}


SIZE = Size(320, 240)


def bars(size=SIZE, shade=200):
    """A picture of two halves that survives any compression, BGR."""
    picture = np.full((size.height_px, size.width_px, 3), 40, np.uint8)
    picture[:, : size.width_px // 2] = (30, 160, shade)
    return picture


def shows_the_bars(frame, shade=200):
    """Whether a frame of a source is such a picture."""
    picture = frame.read().bgr().astype(int)
    height, width = picture.shape[:2]
    left, right = picture[height // 2, width // 4], picture[height // 2, width * 3 // 4]
    return np.abs(left - (30, 160, shade)).max() < 12 and np.abs(right - 40).max() < 12


def annex_b(pictures, *, codec="h264", key_every=5):
    """Each of these pictures (BGR) coded."""
    height, width = pictures[0].shape[:2]
    encoder = av.CodecContext.create(_ENCODERS[codec], "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    structure = f"keyint={key_every}:min-keyint={key_every}:scenecut=0:repeat-headers=1:bframes=0"
    if codec == "h264":
        structure += ":sliced-threads=0"
    else:
        structure += ":log-level=none:pools=none:frame-threads=1"
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        f"x{codec[1:]}-params": structure,
    }
    packets = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, "bgr24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [bytes(packet) for packet in packets]
