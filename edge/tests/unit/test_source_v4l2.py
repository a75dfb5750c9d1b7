"""USB cameras: what is asked of the kernel, and what becomes of what it says."""

from __future__ import annotations

import os
import random
import threading
from itertools import pairwise

import numpy as np
import pytest

from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.config import LightSection, V4l2Source
from roeh.core.errors import LensError, SourceUnreadable
from roeh.core.gop import StreamEnd
from roeh.core.types import Size
from roeh.sources.protocol import SourceState
from roeh.sources.v4l2 import videodev2 as v4l2
from roeh.sources.v4l2.device import V4l2Device
from roeh.sources.v4l2.formats import CODINGS, without_padding
from roeh.sources.v4l2.frames import V4l2Frames
from tests.annex_b import annex_b, bars, shows_the_bars
from tests.unit import source_conformance as conformance
from tests.usb_camera import SIZE, UsbCamera, jpeg, raw_pixels
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(30)

DEVICE = "/dev/v4l/by-id/usb-Street_Camera-video-index0"
BARS = bars()
FORMATS = {
    "H264": annex_b([BARS] * 20),
    "MJPG": [jpeg(BARS)],
    "YUYV": [raw_pixels(BARS, "yuyv422")],
}


def usb_camera(*codes, **more):
    return UsbCamera({code: FORMATS[code] for code in codes or ("MJPG",)}, **more)


def live(
    camera,
    *,
    observer=lambda _: None,
    clock=None,
    coded=None,
    light=None,
    lens_size=SIZE,
    is_masked=False,
    **more,
):
    options = {"device": DEVICE, "fps": 100.0, "stall_timeout_s": 0.3}
    return V4l2Frames(
        V4l2Source(**(options | more)),
        camera_id="gate",
        clock=clock or SystemClock(),
        lens_size=lens_size,
        light=light,
        observer=observer,
        coded=coded,
        is_masked=is_masked,
        jitter=random.Random(1),
        kernel=camera,
    )


@pytest.fixture(params=[*FORMATS])
def build(request):
    def build(clock, paced, observer):
        return live(usb_camera(request.param), clock=clock, observer=observer)

    return build


def test_order_and_format(build):
    conformance.check_order_and_format(build)


def test_stop_before_start(build):
    conformance.check_stop_before_start(build)


def test_released(build):
    conformance.check_released(build)


class Heard:
    """Keeps what a source tells of its compressed pictures."""

    def __init__(self):
        self.told = []

    @property
    def pictures(self):
        return [one for one in self.told if not isinstance(one, str | tuple | StreamEnd)]

    def picture(self, picture):
        self.told.append(picture)

    def damaged(self):
        self.told.append("damaged")

    def ended(self, reason):
        self.told.append(reason)

    def begins(self, codec, *, is_coded):
        self.told.append((codec, is_coded))


@pytest.mark.parametrize(
    ("offered", "video", "taken"),
    [
        (["YUYV", "MJPG", "H264"], "auto", ("h264", True)),
        (["YUYV", "MJPG"], "auto", ("MJPG", False)),
        (["YUYV"], "auto", ("YUYV", False)),
        (["YUYV", "MJPG", "H264"], "mjpeg", ("MJPG", False)),
        (["YUYV", "MJPG", "H264"], "raw", ("YUYV", False)),
    ],
)
def test_the_best_of_what_the_camera_has_is_taken(offered, video, taken):
    heard = Heard()
    with live(usb_camera(*offered), video=video, coded=heard) as source:
        (frame,) = conformance.take_frames(source, 1)
    assert shows_the_bars(frame)
    assert heard.told[0] == taken


@pytest.mark.parametrize(
    ("offered", "video", "taken"),
    [
        (["MJPG", "H264"], "auto", ("MJPG", False)),
        (["H264"], "auto", ("h264", True)),
        (["MJPG", "H264"], "h264", ("h264", True)),
    ],
)
def test_where_masks_are_to_be_burnt_in_pictures_come_so_that_they_can_be(offered, video, taken):
    heard = Heard()
    with live(usb_camera(*offered), video=video, coded=heard, is_masked=True) as source:
        conformance.take_frames(source, 1)
    assert heard.told[0] == taken


def watch(camera, is_enough, **more):
    """(what was told, the frames) until it is enough."""
    notices, frames = [], []
    stop = threading.Event()

    def observe(notice):
        notices.append(notice)
        if is_enough(notices, frames):
            stop.set()

    with live(camera, observer=observe, **more) as source:
        for frame in source.frames(stop):
            frames.append(frame)
            if is_enough(notices, frames):
                stop.set()
    return notices, frames


def test_a_frame_has_the_kernel_s_time():
    clock = SystemClock()
    _, frames = watch(usb_camera(), lambda _, frames: len(frames) == 10, clock=clock)
    ages_ms = [(clock.mono_ns() - frame.info.t_mono_ns) / 1e6 for frame in frames]
    assert ages_ms[-1] > 7, "the stamp, not when it was read"
    assert all(later.info.t_mono_ns > one.info.t_mono_ns for one, later in pairwise(frames))


def test_a_stamp_of_another_clock_is_not_believed():
    clock = SystemClock()
    camera = usb_camera()
    camera.clock_flag = 0
    began_ns = clock.mono_ns()
    _, frames = watch(camera, lambda _, frames: len(frames) == 3, clock=clock)
    assert all(frame.info.t_mono_ns > began_ns for frame in frames)


@pytest.mark.parametrize(("hz", "value"), [(50, 1), (60, 2), (0, 0)])
def test_the_mains_frequency_is_told_to_the_camera(hz, value):
    camera = usb_camera()
    watch(camera, lambda _, frames: bool(frames), light=LightSection(mains_hz=hz))
    assert camera.controls == {v4l2.CID_POWER_LINE_FREQUENCY: value}


def test_a_camera_without_such_a_control_is_taken_as_it_is():
    camera = usb_camera()
    camera.controls = {}
    _, frames = watch(camera, lambda _, frames: bool(frames))
    assert len(frames) == 1


def unplug(camera):
    camera.is_plugged = False
    return lambda: setattr(camera, "is_plugged", True)


def silence(camera):
    camera.is_silent = True
    return lambda: setattr(camera, "is_silent", False)


@pytest.mark.parametrize(
    ("trouble", "reason"), [(unplug, "unplugged"), (silence, "gives no pictures")]
)
@pytest.mark.parametrize("code", ["MJPG", "H264"])
def test_a_camera_that_goes_and_comes_back_is_blind_meanwhile(trouble, reason, code):
    camera = usb_camera(code)
    heard = Heard()
    mend = []

    def is_enough(notices, frames):
        if len(frames) == 5 and not mend:
            mend.append(trouble(camera))
        if notices[-1].state is SourceState.STALLED:
            mend[0]()
        return notices[-1].state is SourceState.RECONNECTED and len(frames) > 8

    notices, frames = watch(camera, is_enough, coded=heard)
    states = [notice.state for notice in notices]
    assert states[:2] == [SourceState.CONNECTED, SourceState.STALLED]
    assert states[-1] is SourceState.RECONNECTED
    assert reason in notices[1].detail
    assert all(later.info.t_mono_ns > one.info.t_mono_ns for one, later in pairwise(frames))
    assert (camera.opened, camera.mapped) == (0, 0)
    if code == "H264":
        assert StreamEnd.SOURCE_STALLED in heard.told


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("is_plugged", "not plugged in"), ("used_by_another", "another program uses the camera")],
)
def test_a_camera_that_is_away_at_the_start_is_waited_for(trouble, reason):
    camera = usb_camera()
    was = getattr(camera, trouble)
    setattr(camera, trouble, not was)

    def is_enough(notices, frames):
        setattr(camera, trouble, was)
        return len(frames) == 2

    notices, _ = watch(camera, is_enough)
    assert notices[0].state is SourceState.STALLED
    assert reason in notices[0].detail
    assert notices[-1].state is SourceState.CONNECTED


@pytest.mark.parametrize("request_number", [v4l2.TRY_FMT, v4l2.S_FMT])
def test_a_camera_that_is_unplugged_while_it_is_asked_is_waited_for(request_number):
    class Leaving(UsbCamera):
        def ioctl(self, descriptor, request, argument):
            self.is_plugged = request != request_number
            super().ioctl(descriptor, request, argument)

    camera = Leaving({"MJPG": FORMATS["MJPG"]})
    notices, _ = watch(camera, lambda notices, _: notices)
    assert notices[0].state is SourceState.STALLED
    assert "plugged" in notices[0].detail
    assert camera.opened == 0


@pytest.mark.parametrize(
    ("camera", "reason"),
    [
        (usb_camera(capabilities=v4l2.CAP_META_CAPTURE), "second device.* video-index0"),
        (usb_camera(capabilities=v4l2.CAP_VIDEO_CAPTURE_MPLANE), "several planes"),
        (usb_camera(capabilities=v4l2.CAP_STREAMING), "no camera"),
        (UsbCamera({"PWC2": [b""]}), "sends no picture in a format"),
    ],
)
def test_what_can_never_give_pictures_is_refused_at_once(camera, reason):
    with pytest.raises(SourceUnreadable, match=f"(?s){reason}"), live(camera):
        pass
    assert camera.opened == 0


def test_a_camera_that_may_not_be_opened_says_which_group_may():
    camera = usb_camera()
    camera.is_allowed = False
    with pytest.raises(SourceUnreadable, match="group video"), live(camera):
        pass


def test_a_camera_without_a_picture_of_the_lens_s_shape_is_refused():
    camera = usb_camera(sizes=[Size(320, 180)])
    with (
        pytest.raises(LensError, match=r"320x180 from Street Camera, lens for 320x240"),
        live(camera),
    ):
        pass


@pytest.mark.parametrize("kind", ["file", "pipe", "directory", "null", "missing"])
def test_a_path_that_is_no_camera_is_never_opened(tmp_path, kind):
    path = tmp_path / kind
    if kind == "file":
        path.write_bytes(b"not a camera")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "null":
        path.symlink_to("/dev/null")
    if kind == "missing":
        notices, _ = watch(None, lambda notices, _: bool(notices), device=str(path))
        assert "not plugged in" in notices[0].detail
    else:
        with (
            pytest.raises(SourceUnreadable, match=r"not a camera|no camera"),
            live(None, device=str(path)),
        ):
            pass


def test_damaged_pictures_are_left_out_and_counted():
    camera = usb_camera("MJPG")
    half = FORMATS["MJPG"][0][: len(FORMATS["MJPG"][0]) // 2]
    camera.formats = {"MJPG": [*FORMATS["MJPG"] * 4, half]}
    camera.damaged = {2}
    _, frames = watch(camera, lambda _, frames: len(frames) == 8)
    assert all(shows_the_bars(frame) for frame in frames)
    assert [frame.info.seq for frame in frames[:6]] == [0, 1, 3, 5, 6, 7]


def test_a_lost_picture_of_h264_closes_the_gate_and_is_told_to_the_recording():
    camera = usb_camera("H264")
    camera.skipped = {7}
    heard = Heard()
    _, frames = watch(camera, lambda _, frames: len(frames) == 10, coded=heard)
    assert [frame.info.seq for frame in frames[:9]] == [0, 1, 2, 3, 4, 5, 6, 10, 11]
    lost_at = heard.told.index("damaged")
    assert lost_at == 1 + 7
    assert heard.pictures[0].codec_config.width_px == 320


def test_a_camera_much_faster_than_wanted_is_thinned_out():
    _, frames = watch(usb_camera(), lambda _, frames: len(frames) == 5, fps=20)
    steps_s = np.diff([frame.info.t_mono_ns for frame in frames]) / NS_PER_S
    assert np.median(steps_s) == pytest.approx(0.05, rel=0.3)


@pytest.mark.parametrize("coding", [coding for coding in CODINGS if coding.pixel_bits])
def test_rows_with_padding_are_told_from_pixels(coding):
    rows, more = bars(Size(32, 16)), 8
    pixels = raw_pixels(rows, coding.pixel_format)
    wide = np.pad(rows, ((0, 0), (0, 2 * more), (0, 0)))
    padded = raw_pixels(wide, coding.pixel_format) + b"behind it"
    row_bytes = (32 + 2 * more) * coding.pixel_bits // 8
    assert without_padding(padded, coding, Size(32, 16), row_bytes) == pixels
    assert without_padding(pixels, coding, Size(32, 16), 0) == pixels


def test_the_thread_that_reads_ends_with_the_source():
    camera = usb_camera()
    camera.is_silent = True
    with live(camera, stall_timeout_s=30) as source:
        stop = threading.Event()
        threading.Timer(0.1, stop.set).start()
        assert list(source.frames(stop)) == []
    wait_until(lambda: camera.opened == 0)
    with V4l2Device(DEVICE, camera) as device:
        assert device.name == "Street Camera"
