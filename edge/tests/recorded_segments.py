"""Segments of a camera as files with their index, for whoever is to show them."""

import contextlib
import os
from fractions import Fraction

import av

from roeh.bitstream.codec_config import codec_config_from_extradata
from roeh.bitstream.mp4_read import read_fragments
from roeh.bitstream.nal import from_annex_b, join_length_prefixed
from roeh.core.gop import AccessUnit
from roeh.core.rendering import FragmentInput, SegmentInput
from tests.encoded_video import GLOBAL_HEADER, TICKS_PER_PICTURE, encoded, in_gops, segment

#: When the first picture was taken, and how long one lasts.
START_US = 1_700_000_000_000_000
PICTURE_US = 100_000
GOP_US = 10 * PICTURE_US


def index_of(content: bytes, start_us: int = START_US) -> SegmentInput:
    """What the index says of a whole segment."""
    return SegmentInput(
        tuple(
            FragmentInput(
                offset_bytes=fragment.offset_bytes,
                size_bytes=fragment.size_bytes,
                t_first_utc_us=start_us + fragment.base_dts * 100 // 9,
                t_end_utc_us=start_us + fragment.end_dts * 100 // 9,
            )
            for fragment in read_fragments(content)
        )
    )


def recorded(codec="h264", **structure) -> tuple[bytes, SegmentInput]:
    """Three seconds of a moving pattern, a group of pictures a second."""
    config, units = encoded(codec, **structure)
    content = segment(config, in_gops(units))
    return content, index_of(content)


def without_loss(pictures) -> tuple[bytes, SegmentInput]:
    """A segment that decodes to exactly these pictures (BGR), ten a second."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt, encoder.gop_size = "yuv420p", 10
    encoder.time_base, encoder.framerate = Fraction(1, 10), Fraction(10)
    encoder.flags |= GLOBAL_HEADER
    encoder.options = {"qp": "0", "bf": "0", "preset": "ultrafast", "threads": "1"}
    packets = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format="yuv420p", threads=1)
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    size = (encoder.width, encoder.height)
    config = codec_config_from_extradata("h264", encoder.extradata, *size)
    units = [
        AccessUnit(
            join_length_prefixed(from_annex_b(bytes(packet))),
            number * TICKS_PER_PICTURE,
            number * TICKS_PER_PICTURE,
            packet.is_keyframe,
        )
        for number, packet in enumerate(packets)
    ]
    content = segment(config, in_gops(units))
    return content, index_of(content)


@contextlib.contextmanager
def opened(*contents: bytes):
    """Descriptors of files with these contents, for reading."""
    descriptors = []
    try:
        for content in contents:
            written = os.memfd_create("segment")
            os.write(written, content)
            descriptors.append(os.open(f"/proc/self/fd/{written}", os.O_RDONLY))
            os.close(written)
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
