"""evidence and publish of one pole, as the processes they are, and a detect that stores."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

from roeh.core.clock import NS_PER_US
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
from tests.alert_drafts import alert_draft
from tests.process.brokers import CLOCK, PATIENCE_S
from tests.waiting import wait_until

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

    def store(self, thumbnail=True, **changes):
        """One alert, made durable; what a detect would do, patience included."""
        alert_id = self._ids.new()
        jpeg = b"\xff\xd8" + os.urandom(6000) if thumbnail else None
        request = StoreAlert(draft=_draft(alert_id, jpeg, **changes), thumbnail=jpeg)
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

        def check():
            status = self.status()
            return status if wanted(status) else None

        return wait_until(check, PATIENCE_S)

    def wait_for_report(self, wanted):
        """publish's report once `wanted` holds of it."""

        def check():
            reports = self.status().reports
            return next((r for r in reports if r.process == "publish" and wanted(r)), None)

        return wait_until(check, PATIENCE_S)


@contextlib.contextmanager
def running_node(directory, port, broker_extra=""):
    node = PublishingNode(directory, port, broker_extra)
    try:
        node.start(Role.EVIDENCE, Role.PUBLISH)
        yield node
    finally:
        node.close()


def _draft(alert_id, jpeg, **changes):
    now = CLOCK.read()
    return alert_draft(
        alert_id=alert_id,
        thumbnail=jpeg,
        site="harbour",
        node="pole",
        rule="gate",
        boot_id=now.boot_id,
        t_utc_us=now.t_utc_ns // NS_PER_US,
        t_mono_us=now.t_mono_ns // NS_PER_US,
        **changes,
    )
