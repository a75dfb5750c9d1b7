"""V4L2 on the kernel's own test camera: the conformance suite, and a camera unplugged for real."""

import shutil
import tempfile
from pathlib import Path

import pytest
from guest.cameras import VIVID_DEVICE, plug_vivid_in, unplug_vivid
from guest.recording_node import RecordingNode, answers, write_node

from roeh.core.types import Size
from roeh.sources.v4l2.device import V4l2Device
from tests.process.test_source_v4l2 import *  # noqa: F403 - the suite, run on this kernel's camera


@pytest.fixture(scope="module")
def node():
    """A node whose USB camera was unplugged and plugged in again while it recorded."""
    with V4l2Device(VIVID_DEVICE) as opened:
        size = opened.offers("auto", Size(640, 480))[0].size
    directory = Path(tempfile.mkdtemp(prefix="roeh-"))
    source = f'{{ kind = "v4l2", device = "{VIVID_DEVICE}", fps = 10.0, stall_timeout_s = 2.0 }}'
    path = write_node(directory, source, (size.width_px, size.height_px))
    node = RecordingNode(path)
    try:
        node.start()
        node.wait_for_fragments(3)
        unplug_vivid()
        node.wait_for_line("gate stalled")
        plug_vivid_in()
        node.wait_for_line("gate reconnected")
        node.wait_for_fragments(3)
        assert node.stop() == 0, node.said()
        yield node
    finally:
        node.close()
        plug_vivid_in()
        shutil.rmtree(directory)


def test_an_unplugged_usb_camera_leaves_a_signed_gap(node):
    """A V4L2 camera is taken from the kernel and given back: recovered, the gap signed."""
    (gap,) = node.records("gap")
    assert (gap.camera_id, gap.reason) == ("gate", "source_stalled")
    report = node.verified()
    assert answers(report) == {"bytes intact": "OK", "complete": "OK"}, report["findings"]
