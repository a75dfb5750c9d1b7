"""A city's certificates and its broker with the configuration that the product writes."""

from __future__ import annotations

import argparse
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, SystemClock
from roeh.desk.commands import broker as broker_commands
from roeh.keys.authority import AuthorityDirectory
from roeh.keys.certificates import (
    certificate_pem,
    leaf_certificate,
    new_private_key,
    node_subject,
)
from roeh.keys.home_file import pkcs8_pem
from roeh.keys.key_pem import certificates_in
from roeh.keys.new_authority import create_ca, create_root, create_service_ca
from roeh.keys.service_names import ServiceKind, service_name
from roeh.keys.services import issue_service
from roeh.keys.signer import KeyUsage, NodeName
from roeh.transport.mqtt import BrokerOptions
from roeh.transport.tls import TlsFiles
from tests.apt import require_packages
from tests.waiting import wait_until

CLOCK = SystemClock()


class _Yesterday(SystemClock):
    """When the first lists were made: a later one of the same second would not be newer."""

    def read(self):
        now = super().read()
        return msgspec.structs.replace(now, t_utc_ns=now.t_utc_ns - 86_400 * NS_PER_S)


LOOPBACK = "127.0.0.1"
PATIENCE_S = 20.0
SITE = "harbour"
DESK = 'name = "haifa"\n'


class City:
    """Root, node CA and service CA with plain keys, and what they sign."""

    def __init__(self, directory: Path, name="City"):
        self.directory = directory
        self._root_dir = directory / "root"
        create_root(self._root_dir, f"{name} root", None, CLOCK)
        root = AuthorityDirectory(self._root_dir, passphrase=None)
        create_ca(directory / "nodes", f"{name} nodes", root, None, CLOCK)
        create_service_ca(directory / "services", f"{name} services", root, None, CLOCK)
        self.nodes = AuthorityDirectory(directory / "nodes", passphrase=None)
        self.services = AuthorityDirectory(directory / "services", passphrase=None)
        self.lists = [ca.revoke(None, _Yesterday()) for ca in (self.nodes, self.services)]
        self.broker_ca = directory / "services" / "broker-ca.pem"
        self.root_ca = self._root_dir / "ca.pem"

    def node(self, node, *, site=SITE, usage=KeyUsage.TLS, validity=None, file=""):
        """Key and certificates of a pole, as they lie on it; the file."""
        name = NodeName(site, node)
        key = new_private_key()
        leaf = leaf_certificate(
            node_subject(name, usage.value),
            key.public_key(),
            usage,
            self.nodes.authority,
            validity or self.nodes.validity(30, CLOCK),
        )
        self.nodes.record(leaf)
        return self._written(file or f"{node}-{usage.value}", key, leaf, self.nodes)

    def _written(self, name, key, leaf, authority):
        path = self.directory / f"{name}.pem"
        path.write_bytes(pkcs8_pem(key) + certificate_pem(leaf, authority.certificate))
        return path

    def service(self, kind, name, hosts=()):
        """The same of a service."""
        kind = ServiceKind(kind)
        out = self.directory / f"{kind.value}-{name}"
        issue_service(
            self.services, service_name(kind, name), hosts, out, days=30, renew=False, clock=CLOCK
        )
        return out / f"{kind.value}.pem"

    def revoke(self, path):
        """Revoke the certificate of a file."""
        leaf = certificates_in(path.read_bytes())[0]
        authority = self.nodes if leaf.issuer == self.nodes.certificate.subject else self.services
        return authority.revoke(f"{leaf.serial_number:x}", CLOCK)

    def tls(self, path=None):
        """As clients take it."""
        return TlsFiles(str(self.broker_ca), str(path or ""), "")

    def options(self, path, port, **more):
        """How the holder of a file connects."""
        given = {"host": LOOPBACK, "port": port, "client_id": "any", "tls": self.tls(path)}
        return BrokerOptions(**{**given, **more})


class SecuredBroker:
    """mosquitto with the rendered configuration; it may be stopped, killed and started again."""

    def __init__(self, directory: Path, city: City, desk_toml=DESK, **named):
        require_packages("mosquitto")
        self.city = city
        self.poles_port, self.services_port = _free_ports()
        self._directory = directory
        self._child = None
        self.log = directory / "mosquitto.log"
        state = directory / "state"
        state.mkdir()
        is_root = os.geteuid() == 0
        user = "mosquitto" if is_root else pwd.getpwuid(os.geteuid()).pw_name
        if is_root:
            shutil.chown(state, user)
        (directory / "desk.toml").write_text(desk_toml)
        key = city.service("broker", "haifa", hosts=("localhost", LOOPBACK))
        lists = [word for path in city.lists for word in ("--revoked", path)]
        extra = [word for name, value in named.items() for word in (f"--{name}", value)]
        self.command(
            "broker", directory / "broker",
            "--node-ca", city.directory / "nodes/ca.pem",
            "--service-ca", city.directory / "services/ca.pem",
            *lists, "--key", key, "--site", SITE, *extra,
            "--poles-port", self.poles_port, "--services-port", self.services_port,
            "--bind", LOOPBACK, "--user", user, "--state", state,
        )  # fmt: skip

    def command(self, *words):
        """A command line of `roeh desk`."""
        desk_command(*words, "-c", self._directory / "desk.toml")

    @property
    def pid(self):
        return self._child.pid

    def start(self):
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                ["mosquitto", "-c", str(self._directory / "broker/mosquitto.conf")],
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: _listens(self.poles_port), PATIENCE_S)
        wait_until(lambda: _listens(self.services_port), PATIENCE_S)

    def stop(self):
        """As systemd does: sessions and what waits are kept."""
        self._child.terminate()
        self._child.wait(PATIENCE_S)

    def kill(self):
        self._child.kill()
        self._child.wait(PATIENCE_S)

    def signal(self, number):
        self._child.send_signal(number)

    def restart(self):
        self.stop()
        self.start()


def desk_command(*words):
    """A command line of `roeh desk` about the broker."""
    parser = argparse.ArgumentParser()
    actions = parser.add_subparsers()

    def add(name, action, text):
        added = actions.add_parser(name)
        added.add_argument("-c", "--config", type=Path)
        added.set_defaults(action=action)
        return added

    broker_commands.add_actions(add)
    chosen = parser.parse_args([str(word) for word in words])
    assert chosen.action(chosen) == 0


@contextlib.contextmanager
def secured_broker(directory, city=None, desk_toml=DESK, **named):
    """A broker that runs; `directory` has to be one that every user may enter."""
    if city is None:
        (directory / "pki").mkdir()
        city = City(directory / "pki")
    broker = SecuredBroker(directory, city, desk_toml, **named)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def _free_ports():
    with socket.socket() as first, socket.socket() as second:
        first.bind((LOOPBACK, 0))
        second.bind((LOOPBACK, 0))
        return first.getsockname()[1], second.getsockname()[1]


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
