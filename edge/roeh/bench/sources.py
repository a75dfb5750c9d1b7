"""What a source takes of the processor for each picture, beside the bare way to have it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
import numpy as np

from roeh.bench.floor import decode_cpu_s_per_s
from roeh.bench.processes import cpu_s, family
from roeh.bench.rtsp_camera import rtsp_camera
from roeh.core.clock import Clock, SystemClock
from roeh.core.config import (
    ComposedSource,
    FileSource,
    GstreamerSource,
    LensSection,
    PanoramaSource,
    PanoramaView,
    RtspSource,
    SensorSection,
    SourceSection,
)
from roeh.core.errors import RoehError
from roeh.media.frames import pixel_shape
from roeh.sources.factory import open_source
from roeh.sources.protocol import Source

_ORDINARY = LensSection(model="pinhole", width_px=1280, height_px=720, fov_deg=60)
_FISHEYE = LensSection(width_px=2048, height_px=2048, fov_deg=185)
_PICTURES = 300
_WARM_UP_PICTURES = 20
_GSTREAMER_FPS = 30.0


class Floor(msgspec.Struct, frozen=True):
    """The bare way to have a picture."""

    what: str
    picture_ms: float


class SourceFigures(msgspec.Struct, frozen=True):
    """One source.

    Attributes:
        name: of the source and its size.
        picture_ms: CPU for a picture with its pixels in an array, this process and its
            children.
        floor: None where there is none.
        remark: why it was not measured; empty where it was.
    """

    name: str
    picture_ms: float
    floor: Floor | None
    remark: str = ""


def measure_sources(clip: Path, clip_fps: float, footage: Path) -> Iterator[SourceFigures]:
    """Each source that this machine can have.

    Args:
        clip: H.264, 1280 x 720.
        clip_fps: its pictures a second.
        footage: for the panorama.
    """
    clock = SystemClock()
    decode_ms = decode_cpu_s_per_s(clip, clip_fps) / clip_fps * 1e3
    yield _measured(
        "file, 1280 x 720",
        FileSource(path=str(clip), loop=True),
        _ORDINARY,
        Floor("FFmpeg decodes", decode_ms),
        clock=clock,
    )
    with rtsp_camera(clip) as url:
        yield _measured(
            "network camera, 1280 x 720",
            RtspSource(url=url),
            _ORDINARY,
            Floor("FFmpeg decodes", decode_ms),
            clock=clock,
            with_children=False,
        )
    yield _panorama(footage, clock)
    yield _measured(
        "composed, 2048 x 2048, eight people",
        ComposedSource(seed=107, people=8),
        _FISHEYE,
        None,
        clock=clock,
        pictures=_PICTURES // 6,
    )
    yield _gstreamer(clock)


def _measured(
    name: str,
    section: SourceSection,
    lens: LensSection,
    floor: Floor | None,
    *,
    clock: Clock,
    pictures: int = _PICTURES,
    with_children: bool = True,
) -> SourceFigures:
    sensor = SensorSection(name="bench", source=section, lens=lens)
    try:
        source = open_source(section, sensor=sensor, clock=clock, paced=False)
        with source:
            picture_ms = _cpu_ms_a_picture(source, pictures, with_children=with_children)
    except RoehError as error:
        return SourceFigures(name, 0.0, None, remark=f"not measured: {error}")
    return SourceFigures(name, picture_ms, floor)


def _cpu_ms_a_picture(source: Source, pictures: int, *, with_children: bool) -> float:
    """Of this process, and of those that the source has started."""

    def spent_so_far_s() -> float:
        return cpu_s(family(os.getpid()) if with_children else [os.getpid()])

    layout = source.format
    out = np.empty(
        pixel_shape(layout.size.width_px, layout.size.height_px, layout.pixel_format), np.uint8
    )
    stop = threading.Event()
    start_s = 0.0
    taken = 0
    for frame in source.frames(stop):
        frame.pixels_into(out)
        taken += 1
        if taken == _WARM_UP_PICTURES:
            start_s = spent_so_far_s()
        if taken == _WARM_UP_PICTURES + pictures:
            break
    spent_s = spent_so_far_s() - start_s
    stop.set()
    return spent_s * 1e3 / (taken - _WARM_UP_PICTURES)


def _panorama(footage: Path, clock: Clock) -> SourceFigures:
    views = tuple(PanoramaView(azimuth_deg=azimuth, hfov_deg=72) for azimuth in (0.0, 120.0, 240.0))
    section = PanoramaSource(path=str(footage), views=views)
    with av.open(str(footage)) as container:
        fps = float(container.streams.video[0].average_rate or 10)
    decode_ms = decode_cpu_s_per_s(footage, fps) / fps * 1e3
    return _measured(
        "panorama, three panes, 2048 x 2048",
        section,
        _FISHEYE,
        Floor("FFmpeg decodes three times", len(views) * decode_ms),
        clock=clock,
        pictures=_PICTURES // 6,
    )


def _gstreamer(clock: Clock) -> SourceFigures:
    """Beside gst-launch-1.0, where that is installed (gstreamer1.0-tools)."""
    width_px, height_px = _ORDINARY.width_px, _ORDINARY.height_px
    section = GstreamerSource(element="videotestsrc", fps=_GSTREAMER_FPS)
    pictures = _PICTURES // 3
    caps = f"video/x-raw,format=I420,width={width_px},height={height_px}"
    bare = [
        "gst-launch-1.0", "-q", "videotestsrc", f"num-buffers={pictures}", "!",
        f"{caps},framerate={_GSTREAMER_FPS:.0f}/1", "!", "fakesink",
    ]  # fmt: skip
    floor = None
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        before = os.times()
        subprocess.run(bare, check=True, capture_output=True)
        after = os.times()
        bare_s = after.children_user + after.children_system
        bare_s -= before.children_user + before.children_system
        floor = Floor("gst-launch to fakesink", bare_s * 1e3 / pictures)
    return _measured(
        "gstreamer, test picture, 1280 x 720",
        section,
        _ORDINARY,
        floor,
        clock=clock,
        pictures=pictures,
    )
