"""USB cameras: what is asked of the kernel, and what becomes of what it says."""

from __future__ import annotations

import random

import pytest

from roeh.core.clock import SystemClock
from roeh.core.config import V4l2Source
from roeh.core.gop import StreamEnd
from roeh.sources.v4l2 import V4l2Frames
from tests.annex_b import annex_b, bars, shows_the_bars
from tests.unit import source_conformance as conformance
from tests.usb_camera import SIZE, UsbCamera, jpeg, raw_pixels

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


def live(camera, *, observer=lambda _: None, clock=None, coded=None, light=None, **more):
    options = {"device": DEVICE, "fps": 100.0, "stall_timeout_s": 0.3}
    return V4l2Frames(
        V4l2Source(**(options | more)),
        camera_id="gate",
        clock=clock or SystemClock(),
        lens_size=more.pop("lens_size", SIZE),
        light=light,
        observer=observer,
        coded=coded,
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
