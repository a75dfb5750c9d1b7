"""Capture's real path: `roeh run` with the real picamera2, recorded, signed, verified.

One node lives through it all, as a pole does: it records, its driver stands still, its
camera is unplugged and plugged in again, it is stopped. The checks look at what it left.
"""

import itertools
import shutil
import tempfile
from pathlib import Path

import av
import pytest
from guest.cameras import RECORDED_PX, plug_cameras_in, unplug_camera
from guest.frozen_threads import driver_threads, frozen
from guest.recording_node import PICAMERA2, RecordingNode, answers, write_node

from roeh.core.paths import segments_dir
from roeh.core.peers import Role


@pytest.fixture(scope="module")
def node():
    """The node, when all of it is over; what it left is gone with the last check."""
    directory = Path(tempfile.mkdtemp(prefix="roeh-"))
    node = RecordingNode(write_node(directory, PICAMERA2))
    try:
        node.start()
        node.wait_for_fragments(4)
        _stand_still(node)
        _unplug(node)
        assert node.stop() == 0, node.said()
        yield node
    finally:
        node.close()
        plug_cameras_in()
        shutil.rmtree(directory)


def _stand_still(node):
    (driver,) = node.wait_until(lambda: driver_threads(node.pid(Role.CAPTURE)))
    with frozen(driver):
        node.wait_for_line("gate stalled: no picture for 5 s")
    node.wait_for_line("gate reconnected")
    node.wait_for_fragments(3)


def _unplug(node):
    """The driver gives no picture any more, and libcamera then finds no camera."""
    position = len(node.said())
    (driver,) = node.wait_until(lambda: driver_threads(node.pid(Role.CAPTURE)))
    with frozen(driver):
        unplug_camera()
        node.wait_for_line("gate stalled: no picture for 5 s", position)
    node.wait_for_line("gate stalled: .*No camera number 1", position)
    plug_cameras_in()
    node.wait_for_line("gate reconnected", position)
    node.wait_for_fragments(3)


def test_what_was_recorded_is_verified(node):
    """`roeh run` records the real camera; `roeh verify` finds it intact and complete."""
    report = node.verified()
    assert answers(report) == {"bytes intact": "OK", "complete": "OK"}, report["findings"]
    assert report["ledger"]["segments"] >= 3
    assert all(stream["invalid"] == 0 for stream in report["streams"])


def test_a_changed_byte_is_found(node, tmp_path):
    """One byte of the recording changed afterwards, and `roeh verify` says so."""
    copy = tmp_path / "data"
    shutil.copytree(node.config.paths.data_dir, copy)
    path = max((copy / "segments").glob("*/*.mp4"), key=lambda one: one.stat().st_size)
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    assert answers(node.verified(copy))["bytes intact"] == "FAIL"


def test_segments_play(node):
    """A segment is ordinary MP4: it decodes from its first picture to its last, in full size."""
    path = sorted(segments_dir(node.config).glob("*/*.mp4"))[0]
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    assert len(pictures) > 3
    assert {(one.width, one.height) for one in pictures} == {RECORDED_PX}


def test_a_stalled_camera_leaves_a_signed_gap(node):
    """The driver stood still: recovered by itself, and the gap stands in the ledger with why."""
    stalled = node.records("gap")[0]
    assert (stalled.camera_id, stalled.reason) == ("gate", "source_stalled")
    assert stalled.to_mono_us - stalled.from_mono_us > 4_000_000


def test_an_unplugged_camera_leaves_a_signed_gap(node):
    """No camera any more, then there again: found by itself, the gap in the ledger with why."""
    unplugged = node.records("gap")[-1]
    assert len(node.records("gap")) == 2, node.records("gap")
    assert (unplugged.camera_id, unplugged.reason) == ("gate", "source_stalled")


def test_no_time_is_unexplained(node):
    """Segments and gaps together cover all time from the first picture to the last."""
    spans = sorted(
        [(one.t_first_mono_us, one.t_end_mono_us) for one in node.records("segment")]
        + [(one.from_mono_us, one.to_mono_us) for one in node.records("gap")]
    )
    for (_, before_us), (after_us, _) in itertools.pairwise(spans):
        assert abs(after_us - before_us) < 1_000_000
