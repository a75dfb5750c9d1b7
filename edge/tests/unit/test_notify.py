"""A process tells systemd that it is ready, alive and stopping; without systemd it is silent."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

import roeh
from roeh.capture.main import run as run_capture
from roeh.core.clock import SystemClock
from roeh.core.config import LensSection, RtspSource, SensorSection
from roeh.core.notify import Notifier
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.evidence.main import run as run_evidence
from tests.ports import free_port
from tests.process.children import PATIENCE_S, Evidence, node_config, start

EDGE = Path(roeh.__file__).parents[1]


@pytest.fixture
def manager(short_directory, monkeypatch):
    """The end of the notification socket that systemd holds."""
    if importlib.util.find_spec("systemd") is None:
        reason = "needs systemd-python, the `node` extra (libsystemd-dev, pkg-config, gcc)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    path = short_directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener


def test_off_systemd_nothing_is_sent_and_nothing_is_needed(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    assert not notifier.active
    notifier.ready("serving")
    notifier.progress()
    notifier.status("still serving")
    notifier.stopping()


def test_under_systemd_without_systemd_python_the_reason_is_told():
    program = f"import sys; sys.path.insert(0, {str(EDGE)!r})\n" + (
        "from roeh.core.notify import Notifier\n"
        "from roeh.core.errors import RoehError\n"
        "try:\n    Notifier()\n"
        "except RoehError as error:\n    sys.exit(error.line())\n"
    )
    # -I -S: without what is installed.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env={**os.environ, "NOTIFY_SOCKET": "/run/systemd/notify"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == (
        "roeh: RUNTIME_MISSING: systemd expects a notification and systemd-python is not "
        "installed: NOTIFY_SOCKET=/run/systemd/notify; install roeh with the node extra\n"
    )


def test_each_word_reaches_systemd_as_it_wants_it(manager):
    notifier = Notifier()
    assert notifier.active
    notifier.ready("storing alerts")
    notifier.progress()
    notifier.status("waiting")
    notifier.stopping()
    assert [manager.recv(1024) for _ in range(4)] == [
        b"READY=1\nSTATUS=storing alerts",
        b"WATCHDOG=1",
        b"STATUS=waiting",
        b"STOPPING=1",
    ]


def evidence_under_systemd(config, notify_socket):
    os.environ["NOTIFY_SOCKET"] = notify_socket
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    raise SystemExit(run_evidence(config, SystemClock(), stop))


def test_evidence_is_ready_when_it_serves_and_alive_when_it_answers(manager, short_directory):
    evidence = Evidence(node_config(short_directory))
    evidence.process = start(evidence_under_systemd, evidence.config, manager.getsockname())
    try:
        assert manager.recv(1024).startswith(b"READY=1")
        client = evidence.client(Role.SUPERVISE)
        for _ in range(2):
            client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
            assert manager.recv(1024) == b"WATCHDOG=1"
        # No timer pets the watchdog of a process that does nothing.
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(1024)
        manager.settimeout(PATIENCE_S)
        assert evidence.stop() == 0
        assert manager.recv(1024) == b"STOPPING=1"
    finally:
        evidence.close()


def test_a_camera_that_is_away_does_not_have_capture_started_again(manager, short_directory):
    """Away it is asked for anew, which is progress; capture started again would do no more."""
    sensor = SensorSection(
        source=RtspSource(url=f"rtsp://127.0.0.1:{free_port()}/away"),
        lens=LensSection(model="pinhole", width_px=64, height_px=64, fov_deg=60.0),
    )
    config = msgspec.structs.replace(node_config(short_directory), sensors=(sensor,))
    stop = threading.Event()
    running = threading.Thread(
        target=run_capture, args=(config, SystemClock(), stop), kwargs={"period_s": 0.02}
    )
    running.start()
    try:
        assert manager.recv(1024).startswith(b"READY=1")
        assert [manager.recv(1024) for _ in range(20)] == [b"WATCHDOG=1"] * 20
    finally:
        stop.set()
        running.join()
