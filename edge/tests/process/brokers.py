"""What the tests of publishing share: real brokers, and a subscriber that remembers."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import socket
import subprocess
from pathlib import Path

from roeh.core.clock import SystemClock
from roeh.demo.broker import LOOPBACK, choose_broker, mosquitto_program
from roeh.transport.messages import Incoming, Outgoing, parse_up
from roeh.transport.mqtt import Acknowledged, BrokerOptions, Disconnected, MqttConnection
from roeh.transport.topics import parse_topic, topic_filter
from tests.apt import require_packages
from tests.waiting import wait_until

CLOCK = SystemClock()
KINDS = ("mosquitto", "embedded")
PATIENCE_S = 20.0


@contextlib.contextmanager
def running_broker(kind, port=None):
    if kind == "mosquitto":
        _mosquitto()
    broker = choose_broker(CLOCK, port=port, prefer=kind)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@contextlib.contextmanager
def own_mosquitto(directory, config):
    """mosquitto with a listener configured by the test; its port."""
    program = _mosquitto()
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    path = directory / "mosquitto.conf"
    # As root it would become a user who may not read the test's files.
    user = "user root\n" if os.geteuid() == 0 else ""
    path.write_text(f"{user}log_dest stderr\nlog_type error\nlistener {port} {LOOPBACK}\n{config}")
    child = subprocess.Popen([program, "-c", str(path)])
    try:
        wait_until(lambda: _listens(port), PATIENCE_S)
        yield port
    finally:
        child.terminate()
        child.wait()


def password_and_access(directory, user, password, access):
    """Lines of configuration: this user alone, with these topics."""
    passwords, rights = directory / "passwords", directory / "access"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), user, password],
        check=True,
        capture_output=True,
    )
    rights.write_text(f"user {user}\n" + "".join(f"topic {line}\n" for line in access))
    return f"allow_anonymous false\npassword_file {passwords}\nacl_file {rights}\n"


class Authority:
    """A certificate authority for one test, by the openssl program."""

    def __init__(self, directory):
        if shutil.which("openssl") is None:
            require_packages("openssl")
        self._directory = directory
        self.ca = directory / "ca.pem"
        self._openssl(
            *("req", "-x509", "-new", "-nodes", "-days", "90", "-subj", "/CN=test authority"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", "ca.key", "-out", "ca.pem"),
        )

    def certificate(self, name, days=60):
        """A certificate for this name; its path without the suffixes .pem and .key."""
        extension = self._directory / f"{name}.ext"
        extension.write_text(f"subjectAltName=DNS:{name}\n")
        self._openssl(
            *("req", "-new", "-nodes", "-subj", f"/CN={name}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-days", str(days)),
            *("-extfile", extension.name),
            *("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem"),
        )
        return self._directory / name

    def _openssl(self, *arguments):
        subprocess.run(
            ["openssl", *arguments], cwd=self._directory, check=True, capture_output=True
        )


class Client:
    """A connection whose events wait in `events`, oldest first."""

    def __init__(self, port, client_id="client", **options):
        self.port = port
        self.events = queue.SimpleQueue()
        options = {"host": LOOPBACK, "port": port, "client_id": client_id, **options}
        will = options.pop("will", None)
        self.connection = MqttConnection(BrokerOptions(**options), self.events.put, will)
        self.session = self.connection.open()

    def next(self, event_type, timeout_s=PATIENCE_S):
        """The next event of this type; others are passed over."""
        while True:
            event = self.events.get(timeout=timeout_s)
            if isinstance(event, event_type):
                return event
            assert not isinstance(event, Disconnected), event.reason

    def publish(self, message: Outgoing) -> int:
        """Publish and wait for the broker's answer; its reason code."""
        packet_id = self.connection.publish(message)
        answer = self.next(Acknowledged)
        assert answer.packet_id == packet_id
        return answer.reason_code

    def quiet(self, timeout_s):
        """Whether nothing arrives within this time."""
        try:
            self.events.get(timeout=timeout_s)
        except queue.Empty:
            return True
        return False


class ControlRoom(Client):
    """A subscriber to everything that nodes say, with a session of its own."""

    def __init__(self, port, client_id="control-room", **options):
        super().__init__(
            port, client_id, **{"session_expiry_s": 3600, "clean_start": False, **options}
        )
        self.connection.subscribe(topic_filter())

    def next_message(self, message_type, timeout_s=PATIENCE_S):
        """The next message of this type, parsed."""
        while True:
            incoming = self.next(Incoming, timeout_s)
            message = parse_up(parse_topic(incoming.topic), incoming)
            if isinstance(message, message_type):
                return message


def listening_addresses(pid):
    """(address, port) of every TCP socket that this process listens on, from /proc."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = link.readlink().name
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def _mosquitto():
    program = mosquitto_program()
    if program is None:
        require_packages("mosquitto")
        program = mosquitto_program()
    return program


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
