"""A pole whose one camera never gives a picture says so: nothing but time makes it."""

import subprocess
import sys

import msgspec

from roeh.core.delivery import LeaseOutbox, OutboxBatch
from roeh.core.peers import Role, Verb
from roeh.core.types import Alert, AlertPhase, RuleKind
from tests.process.children import PATIENCE_S, running_evidence
from tests.waiting import wait_until

CONFIG = """
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[[sensors]]
name = "north"
source = {{ kind = "rtsp", url = "rtsp://127.0.0.1:9/" }}
lens = {{ model = "pinhole", width_px = 320, height_px = 192, fov_deg = 60.0 }}
[[rules]]
kind = "camera_blind"
after_s = 2
"""


def test_a_camera_that_never_gives_a_picture_is_told_as_blind(short_directory, tmp_path):
    config_path = tmp_path / "node.toml"
    config_path.write_text(CONFIG.format(directory=short_directory))
    lease = LeaseOutbox(limit=8, in_flight_rows=(), wait_s=0.0)
    with running_evidence(short_directory) as evidence:
        detect = subprocess.Popen(
            [sys.executable, "-m", "roeh", "run", "--only", "detect", "-c", str(config_path)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: evidence.status().alerts_stored > 0, 60.0)
            batch = evidence.client(Role.PUBLISH).call(Verb.OUTBOX_LEASE, lease, OutboxBatch)
        finally:
            detect.terminate()
            assert detect.wait(PATIENCE_S) == 0
    (alert,) = [msgspec.json.decode(item.payload, type=Alert) for item in batch.items]
    assert (alert.rule_kind, alert.phase) == (RuleKind.CAMERA_BLIND, AlertPhase.RAISED)
    assert (alert.label, alert.priority, alert.dwell_s >= 2) == ("blind", 8, True)
    assert (alert.evidence.camera_id, alert.evidence.last_frame_seq) == ("north", 0)
    assert (alert.thumbnail_sha256, alert.model_sha256) == (None, None)
