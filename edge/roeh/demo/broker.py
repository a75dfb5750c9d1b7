"""A broker for the demo and the tests: real, on loopback alone, and without root.

mosquitto where it is installed; otherwise the one inside the `iotcore` package
(rumqttd). Both speak MQTT 5, keep the session of a subscriber that went away, and
forget everything when they end: what must survive is in the pole's outbox.

Run as a program (`python -m roeh.demo.broker CONFIG`) this module is the embedded one.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Literal, Protocol

from roeh.core.clock import Clock
from roeh.core.errors import BrokerRefused, PortTaken, RuntimeMissing

LOOPBACK = "127.0.0.1"
MAX_PAYLOAD_BYTES = 256 * 1024
_START_TIMEOUT_S = 10.0
_START_POLL_S = 0.02
_STOP_TIMEOUT_S = 5.0
# Debian installs mosquitto where an ordinary user's PATH does not look.
_EXTRA_PATH = "/usr/sbin:/usr/local/sbin"

BrokerKind = Literal["mosquitto", "embedded"]


class Broker(Protocol):
    """A broker as a child process."""

    @property
    def kind(self) -> BrokerKind:
        """Which one it is."""
        ...

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        ...

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        ...

    def start(self) -> None:
        """Start it and wait until it listens; also again after it ended.

        Raises:
            PortTaken: another program has the port.
            BrokerRefused: it ended instead.
        """
        ...

    def stop(self) -> None:
        """End it; nothing of it remains. Does no harm twice."""
        ...


class _ChildBroker:
    """What both have in common: a configuration file, a child, a port."""

    kind: BrokerKind

    def __init__(self, clock: Clock, port: int | None) -> None:
        self._clock = clock
        self.port = port if port is not None else free_port()
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        if self._child is not None:
            _end(self._child)
        _refuse_taken_port(self.port)
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="roeh-broker-")
        directory = Path(self._directory.name)
        log_path = directory / "log"
        with log_path.open("ab") as log:
            self._child = subprocess.Popen(
                self._command(directory),
                # Kept open by us alone: the embedded broker ends when it closes.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C is for whoever started us, who stops it when its time has come.
                start_new_session=True,
            )
        self._wait_until_listening(self._child, log_path)

    def stop(self) -> None:
        if self._child is not None:
            _end(self._child)
            self._child = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _command(self, directory: Path) -> list[str]:
        raise NotImplementedError

    def _wait_until_listening(self, child: subprocess.Popen[bytes], log_path: Path) -> None:
        deadline_ns = self._clock.mono_ns() + int(_START_TIMEOUT_S * 1e9)
        while child.poll() is None and self._clock.mono_ns() < deadline_ns:
            with socket.socket() as probe:
                if probe.connect_ex((LOOPBACK, self.port)) == 0:
                    return
            self._clock.wait(_START_POLL_S)
        last_words = log_path.read_text(errors="replace").strip().splitlines()[-1:]
        self.stop()
        raise BrokerRefused(
            what=f"the {self.kind} broker did not start ({' '.join(last_words) or 'it is silent'})",
            which=f"{LOOPBACK}:{self.port}",
            remedy="try the other broker, or another port",
        )


class MosquittoBroker(_ChildBroker):
    """Eclipse Mosquitto with a configuration of its own."""

    kind: BrokerKind = "mosquitto"

    def __init__(self, clock: Clock, port: int | None = None) -> None:
        super().__init__(clock, port)
        program = mosquitto_program()
        if program is None:
            raise RuntimeMissing(
                what="mosquitto is not installed",
                which="PATH and /usr/sbin",
                remedy="apt-get install mosquitto, or use the embedded broker",
            )
        self._program = program

    def _command(self, directory: Path) -> list[str]:
        config = directory / "mosquitto.conf"
        # Started by root it would become another user, and with that forget that it is to
        # end with its parent (prctl(2), PR_SET_PDEATHSIG).
        user = "user root\n" if os.geteuid() == 0 else ""
        config.write_text(
            f"{user}listener {self.port} {LOOPBACK}\n"
            "allow_anonymous true\n"
            "persistence false\n"
            "set_tcp_nodelay true\n"
            # What is acknowledged to the pole was handed to a subscriber that is there.
            "max_inflight_messages 0\n"
            "max_queued_messages 10000\n"
            f"message_size_limit {MAX_PAYLOAD_BYTES}\n"
            "log_dest stderr\n"
            "log_type error\n"
            "log_type warning\n"
        )
        return [*_die_with_parent(), self._program, "-c", str(config)]


class EmbeddedBroker(_ChildBroker):
    """rumqttd, as the `iotcore` package carries it, in a Python process of its own."""

    kind: BrokerKind = "embedded"

    def __init__(self, clock: Clock, port: int | None = None) -> None:
        super().__init__(clock, port)
        if importlib.util.find_spec("iotcore") is None:
            raise RuntimeMissing(
                what="the embedded broker is not installed",
                which="iotcore",
                remedy="install roeh with the demo extra, or mosquitto from your system",
            )

    def _command(self, directory: Path) -> list[str]:
        config = directory / "rumqttd.toml"
        config.write_text(
            "id = 0\n"
            "[router]\n"
            "id = 0\n"
            "max_connections = 100\n"
            "max_outgoing_packet_count = 200\n"
            "max_segment_size = 10485760\n"
            "max_segment_count = 10\n"
            "[v5.1]\n"
            'name = "mqtt5"\n'
            # Its own default is every interface.
            f'listen = "{LOOPBACK}:{self.port}"\n'
            "next_connection_delay_ms = 1\n"
            "[v5.1.connections]\n"
            "connection_timeout_ms = 5000\n"
            f"max_payload_size = {MAX_PAYLOAD_BYTES}\n"
            "max_inflight_count = 100\n"
            "dynamic_filters = true\n"
        )
        return [sys.executable, "-m", "roeh.demo.broker", str(config)]


def choose_broker(
    clock: Clock, port: int | None = None, prefer: BrokerKind | None = None
) -> Broker:
    """A broker that is not started yet: the preferred kind, or else what is there.

    Args:
        clock: for the wait until it listens.
        port: the TCP port on 127.0.0.1; None: a free one.
        prefer: only this kind; None: mosquitto where installed, else the embedded one.

    Raises:
        RuntimeMissing: the kind asked for is not installed, or neither is.
    """
    if prefer == "mosquitto" or (prefer is None and mosquitto_program() is not None):
        return MosquittoBroker(clock, port)
    return EmbeddedBroker(clock, port)


def mosquitto_program() -> str | None:
    """Where mosquitto is; None if it is not installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{_EXTRA_PATH}")


def free_port() -> int:
    """A port of this machine that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        # As brokers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(
                what=f"the port cannot be had ({error.strerror})",
                which=f"{LOOPBACK}:{port}",
                remedy="stop what listens there, or choose another port",
            ) from None


def _die_with_parent() -> list[str]:
    """A prefix with which a program ends when the thread that started it does."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _serve_embedded(config_path: str) -> None:
    """Be the embedded broker until the parent is gone."""
    # Present only with the demo extra.
    from iotcore import IotCoreBroker  # noqa: PLC0415

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    IotCoreBroker(config_path=config_path).run_forever()


if __name__ == "__main__":
    _serve_embedded(sys.argv[1])
