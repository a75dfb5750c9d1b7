"""Every V4L2 camera that this kernel offers: `vivid` in a virtual machine, a USB camera on a desk.

Where there is none (a container, a rented machine), each check holds that there is none.
"""

from __future__ import annotations

import contextlib
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.config import V4l2Source
from roeh.core.types import Size
from roeh.sources.protocol import SourceState
from roeh.sources.v4l2.device import DeviceAway, NotACamera, V4l2Device
from roeh.sources.v4l2.frames import V4l2Frames
from tests.unit import source_conformance as conformance

FPS = 15
CLOCK = SystemClock()
NONE = "none"


def capture_devices():
    """The cameras of this machine by their nodes; `NONE` alone where there are none."""
    found = []
    for entry in sorted(Path("/sys/class/video4linux").glob("video*")):
        with contextlib.suppress(NotACamera, DeviceAway), V4l2Device(f"/dev/{entry.name}"):
            found.append(f"/dev/{entry.name}")
    return found or [NONE]


def no_camera_here(device):
    """Whether there is none; then nothing that a camera is can be listed."""
    if device != NONE:
        return False
    for node in Path("/dev").glob("video*"):
        with pytest.raises((NotACamera, DeviceAway)):
            V4l2Device(str(node))
    return True


def live(device, *, clock=CLOCK, observer=lambda _: None, coded=None):
    with V4l2Device(device) as opened:
        size = opened.offers("auto", Size(640, 480))[0].size
    return V4l2Frames(
        V4l2Source(device=device, fps=FPS),
        camera_id="gate",
        clock=clock,
        lens_size=size,
        observer=observer,
        coded=coded,
    )


@pytest.fixture(params=capture_devices())
def device(request):
    return request.param


@pytest.fixture
def build(device):
    def build(clock, paced, observer):
        return live(device, clock=clock, observer=observer)

    return build


def test_order_and_format(device, build):
    if not no_camera_here(device):
        conformance.check_order_and_format(build)


def test_stop_before_start(device, build):
    if not no_camera_here(device):
        conformance.check_stop_before_start(build)


def test_released(device, build):
    if not no_camera_here(device):
        conformance.check_released(build)


def test_a_frame_has_the_kernel_s_time(device):
    if no_camera_here(device):
        return
    stop = threading.Event()
    times_ns = []
    with live(device) as source:
        for frame in source.frames(stop):
            assert 0 <= CLOCK.mono_ns() - frame.info.t_mono_ns < NS_PER_S
            times_ns.append(frame.info.t_mono_ns)
            if len(times_ns) == 20:
                stop.set()
        assert source.fps == pytest.approx(FPS, rel=0.7)
    assert all(later > earlier for earlier, later in pairwise(times_ns))
    assert np.median(np.diff(times_ns)) / 1e9 == pytest.approx(1 / source.fps, rel=0.5)


def test_a_camera_in_use_is_said_to_be(device):
    if no_camera_here(device):
        return
    notices = []
    stop, over = threading.Event(), threading.Event()

    def observe(notice):
        notices.append(notice)
        over.set()

    with live(device) as holder, live(device, observer=observe) as waiting:
        frames = holder.frames(stop)
        next(frames)
        assert list(waiting.frames(over)) == []
        stop.set()
        frames.close()
    assert notices[0].state is SourceState.STALLED
    assert "another program uses the camera" in notices[0].detail
