"""Capture tells how loud it was with each frame; without its microphone a pole goes on seeing."""

import threading

import pytest

from roeh.capture.main import run
from roeh.core.clock import SystemClock
from roeh.core.config import parse_config
from roeh.core.errors import PeerGone
from roeh.core.ipc.slots import FrameClient
from roeh.core.paths import frames_socket
from tests.unit.test_microphone import sine, write_wav
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(60)

CLOCK = SystemClock()
NODE = """
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[evidence]
record = false
[microphone]
device = "{device}"
calibration_db = 120
[[sensors]]
source = {{ kind = "composed", people = 0, fps = 10 }}
lens = {{ width_px = 160, height_px = 160, fov_deg = 180 }}
"""


@pytest.fixture
def frames(short_directory):
    (short_directory / "run").mkdir()
    stops = []

    def of(device):
        text = NODE.format(directory=short_directory, device=device)
        config = parse_config(text, name="node.toml")
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(config, CLOCK, stop))
        thread.start()
        client = FrameClient(frames_socket(config))
        stops.append((stop, thread, client))

        def offered():
            try:
                frame = client.next(0.1)
            except PeerGone:
                return None
            if frame is None:
                return None
            frame.release()
            return frame.info

        return offered

    yield of
    for stop, thread, client in stops:
        stop.set()
        thread.join()
        client.close()


def test_frames_say_how_loud_it_was(frames, tmp_path):
    offered = frames(write_wav(tmp_path / "tone.wav", sine(5, level_db=-30.0)))
    levels = []

    def is_steady():
        info = offered()
        if info is not None and info.sound_db is not None:
            levels.append(info.sound_db)
        return levels and levels[-1] > 89.5

    wait_until(is_steady, timeout_s=20.0)
    assert levels[-1] == pytest.approx(90.0, abs=0.3)


def test_without_its_microphone_a_pole_goes_on_seeing(frames, tmp_path):
    offered = frames(tmp_path / "none.wav")
    seen = [wait_until(offered, timeout_s=20.0) for _ in range(5)]
    assert {info.sound_db for info in seen} == {None}
