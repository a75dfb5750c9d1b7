"""The real picamera2 on libcamera's virtual camera keeps what every live source promises."""

import contextlib
import gc
import os

import numpy as np
import pytest
from guest.cameras import FRAMES_PX, RECORDED_PX
from guest.frozen_threads import driver_threads, frozen_by_another

from roeh.core.config import LensSection, Picamera2Source, SensorSection
from roeh.core.errors import CameraMissing
from roeh.core.types import Size
from roeh.sources.picamera2.binding import load_library
from roeh.sources.picamera2.camera import BoardCamera, Captured, WantedStreams
from roeh.sources.picamera2.frames import Picamera2Frames
from roeh.sources.protocol import SourceState, WantedVideo
from tests.clocks import SynchronisedClock
from tests.unit import source_conformance as conformance
from tests.waiting import wait_until

GOP_S = 1.0


def section_of(**changes):
    fields = {"fps": 5.0, "record_width_px": RECORDED_PX[0], "record_height_px": RECORDED_PX[1]}
    return Picamera2Source(**fields | {"stall_timeout_s": 3.0} | changes)


def build(clock, observer=lambda _: None, coded=None, **changes):
    section = section_of(**changes)
    width, height = FRAMES_PX
    sensor = SensorSection(
        name="gate",
        source=section,
        lens=LensSection(width_px=width, height_px=height, fov_deg=180),
    )
    return Picamera2Frames(
        section,
        sensor=sensor,
        clock=clock,
        observer=observer,
        coded=coded,
        video=WantedVideo(bps=1_000_000, gop_s=GOP_S),
    )


def build_paced(clock, paced, observer):
    del paced
    return build(clock, observer)


def test_both_streams_come_from_one_picture():
    """Frames for detection and pictures for the record come together, each in its own size."""
    events = []
    camera = BoardCamera(load_library(), 0, events.append)
    try:
        camera.configure(
            WantedStreams(
                frames=Size(*FRAMES_PX),
                recorded=Size(*RECORDED_PX),
                fps=5.0,
                bps=1_000_000,
                gop_s=GOP_S,
                encoder="auto",
            )
        )
        layouts = {stream: camera.layout(stream) for stream in ("main", "lores")}
        assert camera.frame_stream == "lores"
        assert layouts["lores"].size == Size(*FRAMES_PX)
        assert layouts["main"].size == Size(*RECORDED_PX)
        camera.start(None)
        camera.capture()
        wait_until(lambda: any(isinstance(one, Captured) for one in events), 60.0)
        request = next(one.request for one in events if isinstance(one, Captured))
        columns = {}
        for stream, layout in layouts.items():
            request.look(
                stream,
                lambda luma, at=stream, of=layout: columns.update({at: _luma_of_columns(luma, of)}),
            )
        request.release()
    finally:
        assert camera.halt() == []
        assert camera.close() == []
    # Both show bars, whose first row is as bright in one as in the other.
    assert len(set(columns["main"].tolist())) > 4
    assert set(columns["main"].tolist()) == set(columns["lores"].tolist())


def _luma_of_columns(buffer, layout):
    """The first row's brightness, a value for each column."""
    return np.array(buffer[: layout.size.width_px])


def test_frames_keep_order_format_and_time():
    """Frames come in order, in the announced format, timed by the sensor's own stamps."""
    conformance.check_stop_before_start(build_paced)
    conformance.check_live_times(build)


def test_kept_frames_starve_nobody():
    """Frames that are kept keep their pixels, and the driver still has buffers."""
    conformance.check_kept_frames(build)


def test_everything_is_given_back():
    """Left in the middle, the camera, its files and its threads are given back."""

    def collected(clock, paced, observer):
        # picamera2's own objects hold each other, and files, until they are collected.
        gc.collect()
        return build(SynchronisedClock(), observer)

    conformance.check_released(collected)


def test_coded_pictures_decode_from_their_first_key():
    """Coded pictures begin with a key picture, in groups, on the frames' time scale."""
    log = conformance.CodedLog()
    with conformance.Watched(build, coded=log) as watched:
        wait_until(lambda: len(log.pictures) >= 12 or watched.failure, 120.0)
    assert watched.failure is None
    assert log.damages == 0
    keys = [number for number, picture in enumerate(log.pictures) if picture.is_key]
    assert keys[:3] == [0, 5, 10]
    times = [picture.at.t_mono_ns for picture in log.pictures]
    assert times == sorted(set(times))
    config = log.pictures[0].codec_config
    assert (config.codec, config.width_px, config.height_px) == ("h264", *RECORDED_PX)


def test_a_driver_that_stands_still_is_told_and_recovered():
    """The driver's thread stands still: a stall with its reason, then stop, start, recovery."""
    freeze = contextlib.ExitStack()

    def stall():
        (driver,) = wait_until(lambda: driver_threads(os.getpid()), 30.0)
        freeze.enter_context(frozen_by_another(driver, 4.0))

    def short(clock, observer, coded):
        return build(clock, observer, coded, stall_timeout_s=1.0)

    with freeze:
        told = conformance.check_stall_and_recovery(short, stall, freeze.close)
    assert "no picture for 1 s" in told.detail


def test_a_camera_that_is_not_there_is_said_to_be():
    """A number that no camera has is refused at once, with the cameras that there are."""
    with pytest.raises(CameraMissing, match=r"no camera number 3.*Virtual Video Device"):
        build(SynchronisedClock(), camera=3).__enter__()


def test_a_size_that_the_camera_has_not_is_said():
    """libcamera gives another size than asked for: told with both, nothing recorded in it."""
    log = conformance.CodedLog()

    def other_size(clock, observer, coded):
        return build(clock, observer, coded, record_width_px=720, record_height_px=540)

    with conformance.Watched(other_size, coded=log) as watched:
        told = watched.await_state(SourceState.STALLED)
    assert "800x600" in told.detail
    assert "720x540" in told.detail
    assert log.pictures == []
