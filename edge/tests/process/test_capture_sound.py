"""Capture tells how loud it is, whatever cameras do; without a microphone it goes on seeing."""

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
source = {source}
lens = {{ width_px = 160, height_px = 160, fov_deg = 180 }}
"""


DRAWN = '{ kind = "composed", people = 0, fps = 10 }'
#: Nobody is there: it is asked for anew for ever.
AWAY = '{ kind = "rtsp", url = "rtsp://127.0.0.1:9/" }'


@pytest.fixture
def capturing(short_directory):
    (short_directory / "run").mkdir()
    stops = []

    def of(device, source=DRAWN):
        text = NODE.format(directory=short_directory, device=device, source=source)
        config = parse_config(text, name="node.toml")
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(config, CLOCK, stop))
        thread.start()
        client = FrameClient(frames_socket(config))
        stops.append((stop, thread, client))

        def seen_and_heard():
            try:
                frame = client.next(0.1)
            except PeerGone:
                return None, None
            if frame is not None:
                frame.release()
            return frame, client.take_sound_db()

        return seen_and_heard

    yield of
    for stop, thread, client in stops:
        stop.set()
        thread.join()
        client.close()


@pytest.mark.parametrize("source", [DRAWN, AWAY])
def test_how_loud_it_is_is_told_whether_pictures_come_or_not(capturing, tmp_path, source):
    seen_and_heard = capturing(write_wav(tmp_path / "tone.wav", sine(5, level_db=-30.0)), source)
    levels = []
    frames = []

    def is_steady():
        frame, level_db = seen_and_heard()
        frames.extend([] if frame is None else [frame])
        levels.extend([] if level_db is None else [level_db])
        return levels and levels[-1] > 89.5

    wait_until(is_steady, timeout_s=20.0)
    assert levels[-1] == pytest.approx(90.0, abs=0.3)
    assert source is DRAWN or not frames


def test_without_its_microphone_a_pole_goes_on_seeing(capturing, tmp_path):
    seen_and_heard = capturing(tmp_path / "none.wav")
    told = []

    def has_seen():
        told.append(seen_and_heard())
        return sum(frame is not None for frame, _ in told) >= 5

    wait_until(has_seen, timeout_s=20.0)
    assert {level_db for _, level_db in told} == {None}
