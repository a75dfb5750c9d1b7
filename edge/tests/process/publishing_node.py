"""evidence and publish of one pole, as the processes they are, and a detect that stores."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys

import msgspec

from roeh.core.config import config_as_toml, parse_config
from roeh.core.errors import PeerGone
from roeh.core.ids import ClockIds
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import (
    AlertStored,
    NodeStatus,
    NodeStatusRequest,
    Role,
    StoreAlert,
    Verb,
)
from roeh.core.types import (
    AlertDraft,
    AlertPhase,
    ClockState,
    EvidenceReference,
    RuleKind,
    Where,
)
from tests.process.brokers import CLOCK, PATIENCE_S

NODE = """
[node]
site = "harbour"
name = "pole"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[broker]
port = {port}
connect_spread_s = 0.0
backoff_cap_s = 1.0
ack_timeout_s = 5.0
{broker_extra}
[[sensors]]
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""


class PublishingNode:
    """Start, kill and feed the two processes; `node.toml` lies in `directory`."""

    def __init__(self, directory, port, broker_extra=""):
        self.config_path = directory / "node.toml"
        text = NODE.format(directory=directory, port=port, broker_extra=broker_extra)
        self.config = parse_config(text, name="node.toml")
        self.config_path.write_text(config_as_toml(self.config))
        self._processes = {}
        self._ids = ClockIds(CLOCK)
        self._detect = StreamClient(evidence_socket(self.config), Role.DETECT, CLOCK)
        self._supervise = StreamClient(evidence_socket(self.config), Role.SUPERVISE, CLOCK)
        self.stored = []

    def start(self, *roles):
        for role in roles:
            self._processes[role] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "roeh", "run"),
                    *("--only", role.value, "--config", str(self.config_path)),
                ],
                stdin=subprocess.DEVNULL,
            )
        assert self._detect.wait_until_there(PATIENCE_S)

    def pid(self, role):
        return self._processes[role].pid

    def kill(self, role):
        """kill -9."""
        self._processes[role].kill()
        self._processes.pop(role).wait()

    def stop(self, role):
        """As systemd does; the exit status."""
        process = self._processes.pop(role)
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE_S)

    def close(self):
        for role in list(self._processes):
            self.kill(role)
        self._detect.close()
        self._supervise.close()

    def store(self, thumbnail=True):
        """One alert, made durable; what a detect would do, patience included."""
        alert_id = self._ids.new()
        jpeg = b"\xff\xd8" + os.urandom(6000) if thumbnail else None
        request = StoreAlert(draft=draft(alert_id, jpeg), thumbnail_jpeg=jpeg)
        while True:
            with contextlib.suppress(PeerGone):
                answer = self._detect.call(Verb.ALERT_STORE, request, AlertStored)
                break
            assert self._detect.wait_until_there(PATIENCE_S)
        self.stored.append(alert_id)
        return alert_id, answer.seq

    def status(self):
        while True:
            with contextlib.suppress(PeerGone):
                return self._supervise.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
            assert self._supervise.wait_until_there(PATIENCE_S)

    def wait_for_status(self, wanted):
        """The node's status once `wanted` holds of it."""
        deadline_ns = CLOCK.mono_ns() + PATIENCE_S * 1e9
        while not wanted(status := self.status()):
            assert CLOCK.mono_ns() < deadline_ns, status
            CLOCK.wait(0.02)
        return status

    def wait_for_report(self, wanted):
        """publish's report once `wanted` holds of it."""
        found = []

        def check(status):
            found[:] = [report for report in status.reports if report.process == "publish"]
            return bool(found) and wanted(found[0])

        self.wait_for_status(check)
        return found[0]


@contextlib.contextmanager
def running_node(directory, port, broker_extra=""):
    node = PublishingNode(directory, port, broker_extra)
    try:
        node.start(Role.EVIDENCE, Role.PUBLISH)
        yield node
    finally:
        node.close()


def draft(alert_id, jpeg):
    now = CLOCK.read()
    return AlertDraft(
        id=alert_id,
        raised_id=alert_id,
        site="harbour",
        node="pole",
        boot_id=now.boot_id,
        phase=AlertPhase.RAISED,
        priority=5,
        rule="gate",
        rule_kind=RuleKind.ZONE_ENTRY,
        zone="gate",
        label="person",
        confidence=0.8,
        where=Where(
            bearing_deg=47.0,
            bearing_sigma_deg=1.2,
            range_m=12.3,
            range_sigma_m=0.8,
            east_m=9.0,
            north_m=8.4,
            latitude_deg=52.1,
            longitude_deg=4.3,
            position_sigma_m=4.1,
        ),
        track_ids=(3,),
        count=1,
        dwell_s=0.6,
        t_utc_us=now.t_utc_ns // 1000,
        t_mono_us=now.t_mono_ns // 1000,
        clock=ClockState(synchronised=True, error_us=2000),
        evidence=EvidenceReference(
            camera_id="sensor",
            first_frame_seq=10,
            last_frame_seq=16,
            first_t_mono_us=0,
            last_t_mono_us=now.t_mono_ns // 1000,
        ),
        model_sha256="a" * 64,
        thumbnail_sha256=None if jpeg is None else hashlib.sha256(jpeg).hexdigest(),
    )


def json_of(message):
    return msgspec.json.decode(msgspec.json.encode(message))
