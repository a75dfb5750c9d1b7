"""The real parts of one run: evidence and publish of a pole, mosquitto, the desk's ingester."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from roeh.core.clock import NS_PER_S, NS_PER_US, SystemClock
from roeh.core.config import load_config
from roeh.core.errors import RoehError
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
from tests.chaos.plan import Acknowledged, Part
from tests.process.namespaces import ROOM_ADDRESS

CLOCK = SystemClock()
PORT = 1883
_PATIENCE_S = 30.0
_THUMBNAIL_BYTES = 5000

#: The broker's defaults where it says nothing: what it holds is written every half an hour.
_BROKER = f"""
listener {PORT} {ROOM_ADDRESS}
allow_anonymous true
persistence true
persistence_location {{directory}}/
user root
log_type error
"""
_NODE = """
[node]
site = "harbour"
name = "pole"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[broker]
host = "{host}"
port = {port}
ack = "{ack}"
connect_spread_s = 0.0
backoff_cap_s = 2.0
ack_timeout_s = 5.0
desk_ack_timeout_s = 5.0
{desk}
[[sensors]]
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""
_DESK = """
name = "haifa"
[paths]
data_dir = "{directory}/desk"
[broker]
host = "{host}"
port = {port}
[witness]
enabled = false
"""


class Parts:
    """Starts, kills and starts again; every part writes what it says into its own file."""

    def __init__(self, directory, cable, acknowledged):
        self.directory = directory
        self._cable = cable
        self._processes = {}
        (directory / "broker").mkdir()
        (directory / "desk").mkdir(mode=0o700)
        place = {"directory": directory, "host": ROOM_ADDRESS, "port": PORT}
        (directory / "mosquitto.conf").write_text(_BROKER.format(directory=directory / "broker"))
        (directory / "desk.toml").write_text(_DESK.format(**place))
        keys = directory / "desk.keys"
        _run("desk", "keys", "-c", str(directory / "desk.toml"), "--out", str(keys))
        by_desk = acknowledged is Acknowledged.BY_DESK
        desk = f'[desk]\nkeys_file = "{keys}"' if by_desk else ""
        node = _NODE.format(**place, ack=acknowledged.value, desk=desk)
        (directory / "node.toml").write_text(node)
        self.config = load_config(directory / "node.toml")
        node_toml = str(directory / "node.toml")
        self._commands = {
            Part.BROKER: (*cable.room, "mosquitto", "-c", str(directory / "mosquitto.conf")),
            Part.DESK: (
                *(*cable.room, *_ROEH, "desk", "run", "--only", "ingest"),
                *("-c", str(directory / "desk.toml")),
            ),
            Part.EVIDENCE: (*cable.pole, *_ROEH, "run", "--only", "evidence", "-c", node_toml),
            Part.PUBLISH: (*cable.pole, *_ROEH, "run", "--only", "publish", "-c", node_toml),
        }

    @property
    def desk_database(self):
        return self.directory / "desk" / "desk.db"

    def start(self, part):
        with (self.directory / f"{part.value}.log").open("ab") as said:
            self._processes[part] = subprocess.Popen(
                self._commands[part], stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )

    def kill(self, part):
        process = self._processes.pop(part)
        process.kill()
        process.wait()

    def raise_the_dead(self):
        """Start what ended by itself, as a service manager would; which those were."""
        ended = [part for part, process in self._processes.items() if process.poll() is not None]
        for part in ended:
            self.start(part)
        return ended

    def close(self):
        for part in list(self._processes):
            self.kill(part)

    def said(self):
        """The last lines of each, for who looks for the reason."""
        lines = []
        for part in Part:
            path = self.directory / f"{part.value}.log"
            if path.exists():
                lines += [f"{part.value}: {line}" for line in path.read_text().splitlines()[-8:]]
        return "\n".join(lines)


class Feeder(threading.Thread):
    """A detect that stores alerts at a rate; what evidence acknowledged is `accepted`."""

    def __init__(self, config, count, rate_per_s):
        super().__init__(name="feeder", daemon=True)
        self._stream = StreamClient(evidence_socket(config), Role.DETECT, CLOCK)
        self._count = count
        self._gap_ns = int(NS_PER_S / rate_per_s)
        self._ids = ClockIds(CLOCK)
        self._ending = threading.Event()
        #: Alert id → (seq, whether a picture belongs to it).
        self.accepted = {}

    def run(self):
        due_ns = CLOCK.mono_ns()
        for number in range(self._count):
            if self._ending.is_set():
                return
            self._store(number)
            due_ns = max(due_ns + self._gap_ns, CLOCK.mono_ns() - NS_PER_S)
            CLOCK.wait((due_ns - CLOCK.mono_ns()) / NS_PER_S, self._ending)

    def end(self):
        self._ending.set()
        self._stream.close()
        if self.is_alive():
            self.join(_PATIENCE_S)

    def _store(self, number):
        """One alert, asked for again until it is acknowledged."""
        alert_id = self._ids.new()
        # Every fourth carries a picture: the link is shared by forty a second.
        picture = b"\xff\xd8" + os.urandom(_THUMBNAIL_BYTES) if number % 4 == 0 else None
        now = CLOCK.read()
        draft = alert_draft(
            alert_id=alert_id,
            thumbnail=picture,
            site="harbour",
            node="pole",
            boot_id=now.boot_id,
            priority=1 + number % 9,
            t_utc_us=now.t_utc_ns // NS_PER_US,
            t_mono_us=now.t_mono_ns // NS_PER_US,
        )
        while not self._ending.is_set():
            try:
                answer = self._stream.call(
                    Verb.ALERT_STORE, StoreAlert(draft, picture), AlertStored
                )
            except RoehError:
                self._stream.wait_until_there(_PATIENCE_S, self._ending)
                continue
            self.accepted[alert_id] = (answer.seq, picture is not None)
            return


class Watcher:
    """The pole's own word on what still waits."""

    def __init__(self, config):
        self._stream = StreamClient(evidence_socket(config), Role.SUPERVISE, CLOCK)

    def waiting_rows(self):
        """None while evidence does not answer."""
        try:
            status = self._stream.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        except RoehError:
            return None
        return status.outbox_rows

    def close(self):
        self._stream.close()


_ROEH = (sys.executable, "-m", "roeh")


def _run(*arguments):
    subprocess.run([*_ROEH, *arguments], check=True, capture_output=True, text=True)
