"""A pole whose one camera gives no picture says so, and hears on."""

import contextlib
import subprocess
import sys
import threading

import msgspec

from roeh.core.delivery import LeaseOutbox, OutboxBatch
from roeh.core.ipc.slots import FrameServer
from roeh.core.paths import frames_socket
from roeh.core.peers import Role, Verb
from roeh.core.types import Alert, AlertPhase, RuleKind
from roeh.core.users import node_users
from tests.process.children import CLOCK, PATIENCE_S, running_evidence
from tests.waiting import wait_until

CONFIG = """
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[[sensors]]
name = "north"
source = {{ kind = "rtsp", url = "rtsp://127.0.0.1:9/" }}
lens = {{ model = "pinhole", width_px = 320, height_px = 192, fov_deg = 60.0 }}
[microphone]
device = "plughw:1"
calibration_db = 120
[[rules]]
kind = "camera_blind"
after_s = 2
[[rules]]
kind = "loud_noise"
name = "bang"
level_db = 90
"""


class Street:
    """Capture's end: it hears a quiet street, and from some time on a loud one."""

    def __init__(self, config):
        self._server = FrameServer(frames_socket(config), node_users(config), on_refused=print)
        self._stop = threading.Event()
        self.level_db, self.told = 50.0, 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            self.told += self._server.tell_sound(self.level_db)
            CLOCK.wait(0.2, self._stop)

    def close(self):
        self._stop.set()
        self._thread.join()
        self._server.close()


def test_a_pole_whose_camera_gives_no_picture_says_so_and_hears_on(
    short_directory, tmp_path
):
    config_path = tmp_path / "node.toml"
    config_path.write_text(CONFIG.format(directory=short_directory))
    lease = LeaseOutbox(limit=8, in_flight_rows=(), wait_s=0.0)
    with (
        running_evidence(short_directory) as evidence,
        contextlib.closing(Street(evidence.config)) as street,
    ):
        detect = subprocess.Popen(
            [sys.executable, "-m", "roeh", "run", "--only", "detect", "-c", str(config_path)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: evidence.status().alerts_stored > 0, 60.0)
            # What is usual is learnt for five seconds.
            wait_until(lambda: street.told > 35, 60.0)
            street.level_db = 100.0
            wait_until(lambda: evidence.status().alerts_stored > 1, 60.0)
            batch = evidence.client(Role.PUBLISH).call(Verb.OUTBOX_LEASE, lease, OutboxBatch)
        finally:
            detect.terminate()
            assert detect.wait(PATIENCE_S) == 0
    alert, bang = [msgspec.json.decode(item.payload, type=Alert) for item in batch.items]
    assert (alert.rule_kind, alert.phase) == (RuleKind.CAMERA_BLIND, AlertPhase.RAISED)
    assert (alert.label, alert.priority, alert.dwell_s >= 2) == ("blind", 8, True)
    assert (alert.evidence.camera_id, alert.evidence.last_frame_seq) == ("north", 0)
    assert (alert.thumbnail_sha256, alert.model_sha256) == (None, None)
    assert (bang.rule_kind, bang.phase) == (RuleKind.LOUD_NOISE, AlertPhase.RAISED)
    assert (bang.label, bang.level_db, bang.group_id) == ("noise", 100.0, None)
    assert (bang.evidence.camera_id, bang.evidence.last_frame_seq) == ("north", 0)
