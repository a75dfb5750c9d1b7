"""A city in one network: a pole with its keys, the broker as configured, a desk and its witness."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, SystemClock
from roeh.core.config import load_config
from roeh.core.ids import ClockIds
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket, node_database
from roeh.core.peers import AlertStored, GopStored, Role, StoreAlert, StoreGop, Verb
from roeh.core.types import AlertDraft, ClockState
from roeh.keys.signer import KeyUsage
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import AccessRecord
from tests.ceremonies import pole_of
from tests.gops import GopSource
from tests.process.secured_broker import LOOPBACK, City, SecuredBroker
from tests.waiting import wait_until

CLOCK = SystemClock()
#: A pole that is some months old.
_OLD_RECORDS = 20_000
_PATIENCE_S = 60.0
_SPAN_S = 10.0
#: What witness and ingest say as they connect.
_DESK_IS_THERE = ("witnesses at", "connected to the broker")

_DESK = """
name = "haifa"
[paths]
data_dir = "{directory}/desk"
[broker]
host = "127.0.0.1"
port = {port}
[broker.tls]
ca_file = "{ca}"
[witness]
state_dir = "{directory}/witness"
allow_unsynchronised = true
"""
_NODE = """
[node]
site = "harbour"
name = "pole"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[evidence]
segment_s = {segment_s}
min_free_bytes = 0
[broker]
host = "127.0.0.1"
port = {port}
profile = "{profile}"
connect_spread_s = 0.0
heartbeat_s = {heartbeat_s}
keepalive_s = {keepalive_s}
checkpoint_s = {checkpoint_s}
[broker.tls]
ca_file = "{ca}"
[desk]
keys_file = "{directory}/desk.keys"
[[sensors]]
name = "dome"
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""


class Pace(msgspec.Struct, frozen=True):
    """How fast a minute passes. `speed` 12: what takes a minute on a pole takes five seconds."""

    speed: float

    @property
    def minute_s(self):
        """Of the pole's life."""
        return 60.0 / self.speed


class Scene:
    """Everything that runs, in `directory`."""

    def __init__(self, directory, profile, pace):
        self.directory = directory
        self.pace = pace
        directory.chmod(0o755)
        (directory / "pki").mkdir()
        self._city = City(directory / "pki")
        self.broker = SecuredBroker(directory, self._city, 'name = "haifa"\n')
        tls = directory / "desk" / "tls"
        tls.mkdir(parents=True)
        (directory / "desk").chmod(0o700)
        for kind, name in (("desk", "haifa"), ("witness", "witness")):
            shutil.copy(self._city.service(kind, name), tls / f"{kind}.pem")
        ca = self._city.broker_ca
        desk_toml = directory / "city.toml"
        desk_toml.write_text(
            _DESK.format(directory=directory, port=self.broker.services_port, ca=ca)
        )
        self._desk_options = ("desk", "run", "-c", str(desk_toml), "--only")
        lines = _roeh("desk", "keys", "-c", str(desk_toml))
        lines += _roeh("desk", "keys", "-c", str(desk_toml), "--witness")
        (directory / "desk.keys").write_text(lines)
        node_toml = directory / "node.toml"
        node_toml.write_text(
            _NODE.format(
                directory=directory,
                port=self.broker.poles_port,
                ca=ca,
                profile=profile,
                segment_s=max(1.0, _SPAN_S / pace.speed),
                heartbeat_s=60.0 / pace.speed,
                keepalive_s=max(5, int(90.0 / pace.speed)),
                checkpoint_s=300.0 / pace.speed,
            )
        )
        self._node_options = ("run", "-c", str(node_toml), "--only")
        self.config = load_config(node_toml)
        self._provision()
        self._processes = []

    def _provision(self):
        pole = pole_of(self.config)
        certificates, _ = self._city.nodes.sign(pole.request(KeyUsage), 30, CLOCK)
        assert pole.install(certificates)
        database = NodeDatabase(node_database(self.config))
        try:
            log = Log(database, CLOCK, site="harbour", node="pole")
            with database.writing() as connection:
                for number in range(_OLD_RECORDS):
                    body = AccessRecord(person="nobody", action="test", detail=str(number))
                    log.append(connection, body)
        finally:
            database.close()

    def start(self):
        self.broker.start()
        for part in ("ingest", "witness"):
            self._start(*self._desk_options, part)
        # A pole's first checkpoint that nobody reads is followed by the next five minutes later.
        wait_until(lambda: all(word in self._said() for word in _DESK_IS_THERE), _PATIENCE_S)
        for part in ("evidence", "publish"):
            self._start(*self._node_options, part)
        self.wait_for_cosignature()

    def wait_for_cosignature(self):
        """The witness has answered: everything is in its course."""
        path = self.directory / "data" / "ledger" / "cosigned"
        try:
            wait_until(path.exists, _PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; they said:\n{self._said()}") from None

    def _said(self):
        return (self.directory / "said.log").read_text()

    def _start(self, *options):
        with (self.directory / "said.log").open("ab") as said:
            command = [sys.executable, "-m", "roeh", *options]
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            )

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait()
        self.broker.kill()


class Recording(threading.Thread):
    """A camera whose groups of pictures are recorded, as on a pole at rest."""

    def __init__(self, scene):
        super().__init__(name="recording", daemon=True)
        now = CLOCK.read()
        self._client = StreamClient(evidence_socket(scene.config), Role.CAPTURE, CLOCK)
        self._gap_s = max(0.5, 2.0 / scene.pace.speed)
        self._source = GopSource(
            camera_id="dome",
            boot_id=now.boot_id,
            mono_us=now.t_mono_ns // NS_PER_US,
            utc_us=now.t_utc_ns // NS_PER_US,
        )
        self._ending = threading.Event()

    def run(self):
        while not CLOCK.wait(self._gap_s, self._ending):
            self._client.call(Verb.GOP_STORE, StoreGop(self._source.next()), GopStored)

    def end(self):
        self._ending.set()
        self.join(_PATIENCE_S)
        self._client.close()


class Detect:
    """Stores alerts that detection really made, each under a new id and the time of now."""

    def __init__(self, scene, alerts):
        self._client = StreamClient(evidence_socket(scene.config), Role.DETECT, CLOCK)
        self._alerts = alerts
        self._ids = ClockIds(CLOCK)
        self._stored = 0

    def store(self):
        made = self._alerts[self._stored % len(self._alerts)]
        self._stored += 1
        now = CLOCK.read()
        fields = msgspec.structs.asdict(made.draft)
        alert_id = self._ids.new()
        fields.update(
            id=alert_id,
            raised_id=alert_id,
            site="harbour",
            node="pole",
            boot_id=now.boot_id,
            t_utc_us=now.t_utc_ns // NS_PER_US,
            t_mono_us=now.t_mono_ns // NS_PER_US,
            clock=ClockState(synchronised=True, error_us=1200),
        )
        request = StoreAlert(AlertDraft(**fields), made.thumbnail)
        self._client.call(Verb.ALERT_STORE, request, AlertStored)

    def close(self):
        self._client.close()


@contextlib.contextmanager
def running_scene(directory, profile, pace):
    scene = Scene(directory, profile, pace)
    recording = None
    try:
        scene.start()
        recording = Recording(scene)
        recording.start()
        yield scene
    finally:
        if recording is not None:
            recording.end()
        scene.close()


def next_beat(scene, carried):
    """Wait for the next heartbeat to pass: measuring begins and ends in the same place."""
    before = carried()
    deadline_ns = CLOCK.mono_ns() + int(scene.pace.minute_s * 3 * NS_PER_S)
    while CLOCK.mono_ns() < deadline_ns:
        now = carried()
        if now.up_bytes - before.up_bytes > 400:
            return
        before = now
        CLOCK.wait(0.05)
    raise AssertionError("no heartbeat passed")


def _roeh(*options):
    command = [sys.executable, "-m", "roeh", *options]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env=dict(os.environ)
    ).stdout


__all__ = ["CLOCK", "LOOPBACK", "Detect", "Pace", "next_beat", "running_scene"]
