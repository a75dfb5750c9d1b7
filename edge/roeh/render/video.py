"""All that video needs, in one import; `load` makes each library fetch what it fetches late."""

from __future__ import annotations

import cv2
import numpy as np

from roeh.bitstream.codec_config import codec_config_from_extradata
from roeh.bitstream.nal import from_annex_b, join_length_prefixed
from roeh.core.gop import AccessUnit
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.media.encode import H264Encoder, i420_shape
from roeh.media.gop_decode import GopDecoder
from roeh.render.film import ENCODER
from roeh.render.preview import give_preview
from roeh.render.recording import Recording
from roeh.render.redact import write_redacted
from roeh.render.still import give_still

__all__ = ["Recording", "give_preview", "give_still", "load", "write_redacted"]

_TRIAL = Size(64, 48)


def load() -> None:
    """Encode, decode, scale and compress one picture: nothing is left to be loaded."""
    cv2.setNumThreads(1)
    encoder = H264Encoder(_TRIAL, fps=1, bps=100_000, gop_s=1, name=ENCODER)
    grey = np.full(i420_shape(_TRIAL), 128, np.uint8)
    packets = encoder.encode(grey, 0, begins=True) + encoder.flush()
    config = codec_config_from_extradata(
        "h264", encoder.format.extradata, _TRIAL.width_px, _TRIAL.height_px
    )
    units = tuple(
        AccessUnit(join_length_prefixed(from_annex_b(packet.content)), 0, 0, True)
        for packet in packets
    )
    decoder = GopDecoder(config)
    for picture in [*decoder.pictures(units, 0), *decoder.flush()]:
        small = np.empty((24, 32, 3), np.uint8)
        picture.write_into(small, PictureFormat(Size(32, 24), "bgr24"))
        cv2.imencode(".jpg", small)
