"""detect beside a capture that offers more than can be seen, and an evidence that is away."""

import signal
import subprocess
import sys
import threading

import msgspec
import numpy as np
import pytest

from roeh.core.delivery import LeaseOutbox, OutboxBatch
from roeh.core.ids import ClockIds
from roeh.core.ipc.slots import FrameServer
from roeh.core.paths import evidence_socket, frames_socket
from roeh.core.peers import Role, StoreAlert, Verb
from roeh.core.types import Alert, AlertPhase, ClearedBy, Frame
from roeh.core.users import node_users
from roeh.detect.sender import AlertSender
from tests.alert_drafts import alert_draft
from tests.process.children import CLOCK, PATIENCE_S, node_config, running_evidence
from tests.waiting import wait_until

WIDTH_PX, HEIGHT_PX = 320, 192
CAMERAS = """
[[sensors]]
name = "other"
source = { kind = "composed" }
tilt_deg = 25.0
azimuth_deg = 180.0
lens = { model = "pinhole", width_px = 320, height_px = 192, fov_deg = 60.0 }
"""


class Flood:
    """Capture's end, offering pictures of two cameras as fast as slots become free."""

    def __init__(self, config):
        self._server = FrameServer(frames_socket(config), node_users(config), on_refused=print)
        self._stop = threading.Event()
        self.offered = 0
        self._thread = threading.Thread(target=self._run, args=(config,))
        self._thread.start()

    def _run(self, config):
        size_bytes = WIDTH_PX * HEIGHT_PX * 3
        rings = [self._server.open_ring(name, size_bytes) for name in ("north", "other")]
        seq = 0
        while not self._stop.is_set():
            for ring in rings:
                slot = ring.claim()
                if slot is None:
                    CLOCK.wait(0.001)
                    continue
                np.frombuffer(ring.memory(slot), np.uint8)[:] = seq % 251
                now = CLOCK.read()
                info = Frame(
                    *(ring.camera_id, seq, now.t_mono_ns, now.t_utc_ns, now.utc_error_ns),
                    *(now.boot_id, WIDTH_PX, HEIGHT_PX, "bgr24"),
                )
                self.offered += ring.offer(slot, info, size_bytes)
                seq += 1

    def close(self):
        self._stop.set()
        self._thread.join()
        self._server.close()


@pytest.fixture
def flooded(short_directory, tmp_path):
    """A running detect with both its neighbours: the flood, evidence, and the process."""
    config_path = tmp_path / "node.toml"
    first = CAMERAS.replace('"other"', '"north"').replace("180.0", "0.0")
    head = f'[paths]\ndata_dir = "{short_directory}/data"\nrun_dir = "{short_directory}/run"\n'
    config_path.write_text(head + first + CAMERAS)
    with running_evidence(short_directory) as evidence:
        flood = Flood(evidence.config)
        process = subprocess.Popen(
            [sys.executable, "-m", "roeh", "run", "--only", "detect", "-c", str(config_path)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        yield flood, evidence, process
        process.kill()
        process.wait()
        process.stderr.close()
        flood.close()


def test_of_more_than_it_can_see_it_skips_what_is_old_and_still_listens(flooded):
    flood, evidence, process = flooded
    wait_until(lambda: flood.offered > 500, 60.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in process.stderr.read()
    (last,) = [report for report in evidence.status().reports if report.process == "detect"]
    assert last.state == "stopped"
    analysed, skipped = (last.counters[f"frames_{what}"] for what in ("analysed", "skipped"))
    assert skipped > analysed > 0
    assert analysed + skipped <= flood.offered


def request_of(draft):
    return StoreAlert(draft=draft, thumbnail=None)


@pytest.fixture
def sender_of():
    senders = []

    def make(config):
        sender = AlertSender(evidence_socket(config), CLOCK, ClockIds(CLOCK))
        senders.append(sender)
        return sender

    yield make
    for sender in senders:
        sender.close(0.0)


def stored(evidence):
    lease = LeaseOutbox(limit=128, in_flight_rows=(), wait_s=0.0)
    batch = evidence.client(Role.PUBLISH).call(Verb.OUTBOX_LEASE, lease, OutboxBatch)
    alerts = [msgspec.json.decode(item.payload, type=Alert) for item in batch.items]
    return sorted(alerts, key=lambda alert: alert.seq)


def test_alerts_wait_for_evidence_and_are_stored_once_in_their_order(sender_of, short_directory):
    stop = threading.Event()
    drafts = [alert_draft(phase=AlertPhase.CLEARED) for _ in range(30)]
    with running_evidence(short_directory) as evidence:
        sender = sender_of(evidence.config)
        for number, draft in enumerate(drafts):
            sender.send(request_of(draft), stop)
            if number in {7, 19}:
                wait_until(lambda: evidence.status().alerts_stored > 0)
                evidence.kill()
                evidence.start()
        sender.close(PATIENCE_S)
        assert sender.waiting == 0
        assert [alert.id for alert in stored(evidence)] == [draft.id for draft in drafts]


def test_with_evidence_away_detection_is_held_up_and_can_still_be_stopped(
    sender_of, short_directory
):
    sender = sender_of(node_config(short_directory))
    stop = threading.Event()
    # One under way to the thread, as many queued as the flow table says, one that waits.
    held = threading.Thread(
        target=lambda: [sender.send(request_of(alert_draft()), stop) for _ in range(66)]
    )
    held.start()
    wait_until(lambda: sender.waiting >= 64)
    assert held.is_alive()
    wait_until(lambda: sender.trouble)
    stop.set()
    held.join(PATIENCE_S)
    assert not held.is_alive()


def test_what_the_detection_before_had_raised_is_cleared_first(sender_of, short_directory):
    with running_evidence(short_directory) as evidence:
        open_one, closed_one = alert_draft(), alert_draft()
        update = alert_draft(phase=AlertPhase.UPDATED, raised_id=open_one.id, dwell_s=7.5)
        cleared = alert_draft(phase=AlertPhase.CLEARED, raised_id=closed_one.id)
        for draft in (open_one, closed_one, update, cleared):
            evidence.store(draft)
        sender = sender_of(evidence.config)
        mine = alert_draft()
        sender.send(request_of(mine), threading.Event())
        sender.close(PATIENCE_S)
        *_, ended, last = stored(evidence)
        assert last.id == mine.id
        assert (ended.phase, ended.cleared_by) == (AlertPhase.CLEARED, ClearedBy.RESTART)
        assert (ended.raised_id, ended.rule, ended.where) == (
            open_one.id,
            update.rule,
            update.where,
        )
        assert (ended.dwell_s, ended.track_ids, ended.thumbnail_sha256) == (7.5, (), None)
        assert ended.id not in {open_one.id, update.id}
        # The next one finds only what this one left open.
        sender_of(evidence.config)
        wait_until(lambda: len(stored(evidence)) == 7)
        assert stored(evidence)[-1].raised_id == mine.id


THREAD = """
import threading
from roeh.core.parent import die_with_any_thread
die_with_any_thread()
threading.Thread(target=lambda: 1 / 0).start()
threading.Event().wait()
"""


def test_half_a_process_is_none():
    done = subprocess.run(
        [sys.executable, "-c", THREAD], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
