"""Compressed clips with a chosen structure, and what a recording of them shows again."""

import io
from fractions import Fraction

import av

from roeh.bitstream.mp4_write import fragment, init_segment
from roeh.core.gop import TICKS_PER_S
from tests.unit.source_conformance import number_in

_ENCODERS = {"h264": "libx264", "h265": "libx265"}


def write_coded_clip(
    path,
    pictures,
    *,
    codec="h264",
    fps=10,
    key_every=10,
    b_frames=0,
    open_gop=False,
    headers_in_band=False,
    container_options=None,
):
    """A clip of those pictures (BGR), each group `key_every` long."""
    structure = f"keyint={key_every}:min-keyint={key_every}:scenecut=0:bframes={b_frames}"
    structure += f":open-gop={int(open_gop)}:repeat-headers={int(headers_in_band)}:b-adapt=0"
    if codec == "h265":
        structure += ":log-level=none:pools=none:frame-threads=1"
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(_ENCODERS[codec], rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "veryfast", f"x{codec[1:]}-params": structure}
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts = index
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(gop):
    """The pictures of one group by itself as (seconds since its first, BGR), as shown."""
    step = TICKS_PER_S // 10
    content = init_segment(gop.codec_config)
    content += fragment(1, 0, gop.units, gop.units[-1].dts + step)
    with av.open(io.BytesIO(content)) as container:
        frames = list(container.decode(video=0))
    first = min(frame.pts for frame in frames)
    return [
        (float((frame.pts - first) * frame.time_base), frame.to_ndarray(format="bgr24"))
        for frame in frames
    ]


def numbers_in(gop):
    """Which of the numbered pictures a group shows."""
    return [number_in(picture) for _, picture in decoded(gop)]
