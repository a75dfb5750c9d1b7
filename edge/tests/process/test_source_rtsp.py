"""Network cameras: real RTSP, real restarts, and never a grey picture."""

from __future__ import annotations

import random
import re
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock, SystemClock
from roeh.core.config import RtspSource
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.sources.network.camera_address import camera_address
from roeh.sources.network.rtsp import RtspFrames
from roeh.sources.protocol import SourceState
from tests.apt import require_packages
from tests.process.network_camera import PACKAGES, SIZE, Camera
from tests.unit import source_conformance as conformance
from tests.waiting import wait_until

pytestmark = [pytest.mark.apt(" ".join(PACKAGES)), pytest.mark.timeout(60)]

# Upper left to right of the pattern: grey, yellow, cyan, green, magenta, red, blue, as BGR.
BARS = np.asarray(
    [
        [191, 191, 191], [0, 191, 191], [191, 191, 0], [0, 191, 0],
        [191, 0, 191], [0, 0, 191], [191, 0, 0],
    ]
)  # fmt: skip


@pytest.fixture
def camera_of():
    require_packages(*PACKAGES)
    cameras = []

    def start(*login):
        camera = Camera(*login)
        cameras.append(camera)
        camera.start()
        return camera

    yield start
    for camera in cameras:
        camera.kill()


@pytest.fixture
def camera(camera_of):
    return camera_of()


def live(url, *, observer=lambda _: None, clock=None, lens_size=SIZE, coded=None, **more):
    return RtspFrames(
        RtspSource(url=url, **({"stall_timeout_s": 1.0} | more)),
        camera_id="gate",
        clock=clock or SystemClock(),
        lens_size=lens_size,
        observer=observer,
        coded=coded,
        jitter=random.Random(1),
    )


def watch(url, is_enough, **more):
    """(what was told, the frames) until `is_enough` of a notice; nothing is taken after it."""
    notices, frames = [], []
    stop = threading.Event()

    def observe(notice):
        notices.append(notice)
        if is_enough(notice):
            stop.set()

    with live(url, observer=observe, **more) as source:
        frames.extend(source.frames(stop))
    return notices, frames


def until_stalled(notice):
    return notice.state is SourceState.STALLED


def shows_the_bars(frame):
    row = frame.read().bgr()[60].astype(int)
    middles = [round((bar + 0.5) * SIZE.width_px / 7) for bar in range(7)]
    return np.abs(row[middles] - BARS).max() < 12


@pytest.fixture
def build(camera):
    def build(clock, paced, observer):
        return live(camera.url, clock=clock, observer=observer)

    return build


def test_order_and_format(build):
    conformance.check_order_and_format(build)


def test_stop_before_start(build):
    conformance.check_stop_before_start(build)


def test_released(build):
    conformance.check_released(build)


def test_frames_are_of_now_and_a_frame_apart(camera):
    clock = SystemClock()
    with live(camera.url, clock=clock) as source:
        assert source.format == PictureFormat(SIZE, "yuv420p")
        stop = threading.Event()
        times_ns = []
        for frame in source.frames(stop):
            assert shows_the_bars(frame)
            age_ns = clock.mono_ns() - frame.info.t_mono_ns
            assert 0 <= age_ns < 2 * NS_PER_S
            times_ns.append(frame.info.t_mono_ns)
            if len(times_ns) == 50:
                stop.set()
    # The network's jitter is taken out: the later half lies on the camera's own grid.
    steps_ms = np.diff(times_ns[25:]) / 1e6
    assert np.median(steps_ms) == pytest.approx(20, abs=1)


def test_a_camera_that_restarts_comes_back_without_a_grey_picture(camera):
    notices = []
    frames = []
    stop = threading.Event()

    def observe(notice):
        notices.append(notice)
        if notice.state is SourceState.STALLED and len(notices) == 2:
            camera.start()

    with live(camera.url, observer=observe) as source:
        for frame in source.frames(stop):
            assert shows_the_bars(frame)
            frames.append(frame.info)
            if len(frames) == 10:
                camera.kill()
            if notices[-1].state is SourceState.RECONNECTED and len(frames) > 40:
                stop.set()
    states = [notice.state for notice in notices]
    assert states[:2] == [SourceState.CONNECTED, SourceState.STALLED]
    assert states[-1] is SourceState.RECONNECTED
    assert set(states[1:-1]) == {SourceState.STALLED}
    assert all(later.seq > earlier.seq for earlier, later in pairwise(frames))
    assert all(later.t_mono_ns > earlier.t_mono_ns for earlier, later in pairwise(frames))


def test_who_joins_between_two_key_pictures_waits_for_the_next(camera):
    with live(camera.url) as first, live(camera.url) as second:
        stop = threading.Event()
        for index, _ in enumerate(first.frames(stop)):
            if index == 3:
                (joined,) = conformance.take_frames(second, 1)
                assert shows_the_bars(joined)
                stop.set()


def test_a_camera_that_falls_silent_is_told_and_taken_up_again(camera):
    notices = []
    stop = threading.Event()

    def observe(notice):
        notices.append(notice)
        if notice.state is SourceState.STALLED and len(notices) == 2:
            camera.signal(signal.SIGCONT)

    with live(camera.url, observer=observe, stall_timeout_s=0.4) as source:
        for index, frame in enumerate(source.frames(stop)):
            assert shows_the_bars(frame)
            if index == 5:
                camera.signal(signal.SIGSTOP)
            if notices[-1].state is SourceState.RECONNECTED:
                stop.set()
    assert notices[1].state is SourceState.STALLED
    assert "in time" in notices[1].detail


def test_leaving_a_silent_camera_takes_no_longer_than_a_moment(camera):
    clock = SystemClock()
    stop = threading.Event()
    with live(camera.url, stall_timeout_s=3.0) as source:
        frames = source.frames(stop)
        next(frames)
        camera.signal(signal.SIGSTOP)
        stop.set()
        began_ns = clock.mono_ns()
        assert len(list(frames)) <= 4
    assert clock.mono_ns() - began_ns < 2.5 * NS_PER_S
    camera.signal(signal.SIGCONT)


SECRET = "p@ss:w/r?d %41"


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_the_password_file_opens_the_camera(camera_of, tmp_path, method):
    camera = camera_of("viewer", SECRET, method)
    password_file = tmp_path / "password"
    password_file.write_text(f"viewer:{SECRET}\n")
    notices = []
    with live(camera.url, observer=notices.append, password_file=str(password_file)) as source:
        (frame,) = conformance.take_frames(source, 1)
        assert shows_the_bars(frame)
    assert [notice.state for notice in notices] == [SourceState.CONNECTED]
    assert "viewer" not in str(notices)


def test_a_wrong_password_is_said_so_and_never_shown(camera_of, capfd, caplog):
    camera = camera_of("viewer", SECRET)
    notices = []
    stop = threading.Event()

    def observe(notice):
        notices.append(notice)
        stop.set()

    url = camera.url.replace("rtsp://", "rtsp://viewer:wr0ng@")
    with live(url, observer=observe) as source:
        assert list(source.frames(stop)) == []
    (notice,) = notices
    assert notice.state is SourceState.STALLED
    assert "refuses the user name or password" in notice.detail
    assert camera.url in notice.detail
    said = str(notices) + repr(camera_address(RtspSource(url=url)))
    said += caplog.text + "".join(capfd.readouterr())
    assert "wr0ng" not in said


def test_a_stream_that_is_not_there_is_said_so(camera):
    notices = []
    stop = threading.Event()

    def observe(notice):
        notices.append(notice)
        stop.set()

    with live(camera.url + "x", observer=observe) as source:
        assert list(source.frames(stop)) == []
    assert "no stream of that name" in notices[0].detail


def test_a_camera_with_another_shape_than_its_lens_is_blind_and_says_so(camera):
    notices, frames = watch(camera.url, until_stalled, lens_size=Size(640, 640))
    assert frames == []
    assert re.search(r"another shape .*320x240 .* 640x640", notices[-1].detail)


def test_a_smaller_stream_of_the_same_camera_is_scaled_to_the_lens(camera):
    with live(camera.url, lens_size=Size(640, 480), clock=SimulatedClock()) as source:
        (frame,) = conformance.take_frames(source, 1)
        assert frame.read().bgr().shape == (480, 640, 3)


def test_the_compressed_pictures_come_though_nobody_takes_the_frames(camera):
    clock = SystemClock()
    heard = Heard()
    stop = threading.Event()
    with live(camera.url, clock=clock, coded=heard) as source:
        frames = source.frames(stop)
        first = next(frames)
        wait_until(lambda: len(heard.pictures) > 50)
        stop.set()
    assert heard.begun == [("h264", True)]
    pictures = heard.pictures
    # The very first comes before the camera's clock is known.
    assert all(picture.pts is not None for picture in pictures[1:])
    keys = [index for index, picture in enumerate(pictures) if picture.is_key]
    assert set(np.diff(keys)) == {20}
    # Their times are those of the frames.
    nearest_ns = min(abs(picture.at.t_mono_ns - first.info.t_mono_ns) for picture in pictures)
    assert nearest_ns < 0.01 * NS_PER_S
    steps_ms = np.diff([picture.at.t_mono_ns for picture in pictures[25:]]) / 1e6
    assert np.median(steps_ms) == pytest.approx(20, abs=1)


class Heard:
    """Keeps what a source tells of its compressed pictures."""

    def __init__(self):
        self.pictures = []
        self.begun = []

    def picture(self, picture):
        self.pictures.append(picture)

    def damaged(self):
        raise AssertionError("a whole stream is not damaged")

    def ended(self, reason):
        del reason

    def begins(self, codec, *, is_coded):
        self.begun.append((codec, is_coded))
