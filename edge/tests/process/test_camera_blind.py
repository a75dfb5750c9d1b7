"""A pole whose one camera gives no picture says so, and hears on."""

import contextlib
import subprocess
import sys
import threading

import msgspec
import numpy as np
import pytest

from roeh.core.delivery import LeaseOutbox, OutboxBatch, OutboxKind
from roeh.core.ipc.slots import FrameServer
from roeh.core.paths import frames_socket
from roeh.core.peers import Role, Verb
from roeh.core.types import Alert, AlertPhase, Frame, RuleKind
from roeh.core.users import node_users
from tests.process.children import CLOCK, running_evidence
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
above_background_db = 6
cool_down_s = 0
"""


WIDTH_PX, HEIGHT_PX = 320, 192


class Street:
    """Capture's end: it tells how loud it is, and offers pictures where `shows` says so."""

    def __init__(self, config):
        self._server = FrameServer(frames_socket(config), node_users(config), on_refused=print)
        self._stop = threading.Event()
        self.level_db, self.told, self.shows = 50.0, 0, False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        ring = self._server.open_ring("north", WIDTH_PX * HEIGHT_PX * 3)
        seq = 0
        while not self._stop.is_set():
            self.told += self._server.tell_sound(self.level_db)
            slot = ring.claim() if self.shows else None
            if slot is not None:
                seq += 1
                np.frombuffer(ring.memory(slot), np.uint8)[:] = 90
                now = CLOCK.read()
                info = Frame(
                    *("north", seq, now.t_mono_ns, now.t_utc_ns, now.utc_error_ns),
                    *(now.boot_id, WIDTH_PX, HEIGHT_PX, "bgr24"),
                )
                ring.offer(slot, info, ring.slot_bytes)
            CLOCK.wait(0.2, self._stop)

    def close(self):
        self._stop.set()
        self._thread.join()
        self._server.close()


@pytest.fixture
def pole(short_directory, tmp_path):
    """A street, evidence and the process of detect between them."""
    config_path = tmp_path / "node.toml"
    config_path.write_text(CONFIG.format(directory=short_directory))
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
            yield street, evidence
            detect.terminate()
            # A slow machine's last look takes its time.
            assert detect.wait(30.0) == 0
        finally:
            detect.kill()
            detect.wait()


def alerts(evidence):
    """All messages, in the order in which they were stored."""
    lease = LeaseOutbox(limit=16, in_flight_rows=(), wait_s=0.0)
    batch = evidence.client(Role.PUBLISH).call(Verb.OUTBOX_LEASE, lease, OutboxBatch)
    # What is urgent goes first.
    told = [
        msgspec.json.decode(item.payload, type=Alert)
        for item in batch.items
        if item.kind is OutboxKind.ALERT
    ]
    return sorted(told, key=lambda alert: alert.seq)


def next_one(evidence, count):
    """The message behind so many."""
    wait_until(lambda: evidence.status().alerts_stored > count, 60.0)
    return alerts(evidence)[count]


def test_a_pole_whose_camera_gives_no_picture_says_so_and_hears_on(pole):
    street, evidence = pole
    blind = next_one(evidence, 0)
    assert (blind.rule_kind, blind.phase) == (RuleKind.CAMERA_BLIND, AlertPhase.RAISED)
    assert (blind.label, blind.priority, blind.dwell_s >= 2) == ("blind", 8, True)
    assert (blind.evidence.camera_id, blind.evidence.last_frame_seq) == ("north", 0)
    assert (blind.thumbnail_sha256, blind.model_sha256) == (None, None)

    # What is usual is learnt for five seconds.
    wait_until(lambda: street.told > 35, 60.0)
    street.level_db = 100.0
    bang = next_one(evidence, 1)
    street.level_db = 50.0
    assert (bang.rule_kind, bang.phase) == (RuleKind.LOUD_NOISE, AlertPhase.RAISED)
    assert (bang.label, bang.level_db, bang.group_id) == ("noise", 100.0, None)
    assert (bang.evidence.camera_id, bang.evidence.last_frame_seq) == ("north", 0)
    assert bang.thumbnail_sha256 is None
    assert next_one(evidence, 2).phase is AlertPhase.CLEARED

    # With pictures it is told with the picture of that moment.
    street.shows = True
    seen = next_one(evidence, 3)
    assert (seen.rule_kind, seen.phase) == (RuleKind.CAMERA_BLIND, AlertPhase.CLEARED)
    street.level_db = 110.0
    again = next_one(evidence, 4)
    assert (again.rule_kind, again.phase) == (RuleKind.LOUD_NOISE, AlertPhase.RAISED)
    assert (again.level_db, again.evidence.last_frame_seq > 0) == (110.0, True)
    assert again.thumbnail_sha256 is not None
