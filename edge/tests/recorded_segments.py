"""Segments of a camera as files with their index, for whoever is to show them."""

import contextlib
import os

from roeh.bitstream.mp4_read import read_fragments
from roeh.core.rendering import FragmentInput, SegmentInput
from tests.encoded_video import TICKS_PER_PICTURE, encoded, end_dts, in_gops, segment

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


__all__ = [
    "GOP_US", "PICTURE_US", "START_US", "TICKS_PER_PICTURE", "end_dts", "index_of", "opened",
    "recorded",
]  # fmt: skip
