"""Compressed test pictures: a moving pattern through a real encoder."""

from __future__ import annotations

import functools
import io
import itertools
from fractions import Fraction

import av

from roeh.bitstream.codec_config import codec_config_from_extradata
from roeh.bitstream.mp4_write import fragment, init_segment
from roeh.bitstream.nal import from_annex_b, join_length_prefixed
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig

WIDTH_PX = 160
HEIGHT_PX = 96
FPS = 10
TICKS_PER_PICTURE = TICKS_PER_S // FPS
ENCODERS = {"h264": "libx264", "h265": "libx265"}
#: Codec flag: parameter sets out of band.
GLOBAL_HEADER = 1 << 22


@functools.cache
def encoded(codec: str, b_frames: int = 0, pictures: int = 30, gop: int = 10, slices: int = 1):
    """(codec configuration, access units) of a moving pattern."""
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.gop_size = gop
    encoder.flags |= GLOBAL_HEADER
    if codec == "h264":
        encoder.options = {"bf": str(b_frames), "slices": str(slices), "threads": "1"}
    else:
        parameters = f"bframes={b_frames}:keyint={gop}:min-keyint={gop}:open-gop=0"
        encoder.options = {"x265-params": parameters + ":log-level=none:pools=1"}
    packets = [packet for n in range(pictures) for packet in encoder.encode(pattern(n))]
    packets += encoder.encode(None)
    config = codec_config_from_extradata(codec, encoder.extradata, WIDTH_PX, HEIGHT_PX)
    start = packets[0].dts
    units = tuple(
        AccessUnit(
            nal_units=join_length_prefixed(from_annex_b(bytes(packet))),
            dts=(packet.dts - start) * TICKS_PER_PICTURE,
            pts=(packet.pts - start) * TICKS_PER_PICTURE,
            is_key=packet.is_keyframe,
        )
        for packet in packets
    )
    return config, units


def in_gops(units):
    """Access units by group of pictures."""
    groups: list[list[AccessUnit]] = []
    for unit in units:
        if unit.is_key:
            groups.append([])
        groups[-1].append(unit)
    return [tuple(group) for group in groups]


def end_dts(units):
    """Where a group ends when a picture follows at the usual distance."""
    return units[-1].dts + TICKS_PER_PICTURE


def segment(config: CodecConfig, groups) -> bytes:
    """A segment file of these groups of pictures."""
    starts = itertools.accumulate((end_dts(group) - group[0].dts for group in groups), initial=0)
    fragments = [
        fragment(number, start, group, end_dts(group))
        for number, (start, group) in enumerate(zip(starts, groups, strict=False), 1)
    ]
    return init_segment(config) + b"".join(fragments)


def library_copy(file: bytes, movflags: str = "") -> bytes:
    """The same packets in an MP4 that the library lays out: with an index, or as flagged."""
    copy = io.BytesIO()
    options = {"movflags": movflags} if movflags else {}
    with (
        av.open(io.BytesIO(file)) as source,
        av.open(copy, "w", format="mp4", options=options) as target,
    ):
        video = source.streams.video[0]
        out = target.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.size:
                packet.stream = out
                target.mux(packet)
    return copy.getvalue()


def pattern(number: int) -> av.VideoFrame:
    """One picture of it."""
    frame = av.VideoFrame(WIDTH_PX, HEIGHT_PX, "yuv420p")
    for plane in frame.planes:
        stride = plane.line_size
        plane.update(
            bytes((x * 3 + (x // stride) * 5 + number * 9) & 255 for x in range(plane.buffer_size))
        )
    frame.pts = number
    return frame
