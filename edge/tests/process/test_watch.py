"""`roeh watch` through real brokers: it shows, keeps, waits and ends as promised."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from roeh.core.errors import BrokerRefused
from roeh.demo.broker import LOOPBACK
from tests.process.brokers import KINDS, PATIENCE_S, running_broker
from tests.process.publishing_node import running_node


@pytest.fixture(params=KINDS)
def broker(request):
    with running_broker(request.param) as running:
        yield running


class WatchProcess:
    """The command as a user runs it; its lines come as they are written."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "roeh", "watch", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def line_with(self, part):
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            assert line is not None, self.process.stderr.read()
            if part in line:
                return line

    def end(self):
        """As Ctrl-C does: exit status and what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE_S)
        complaint = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status, complaint

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)


@pytest.fixture
def embedded():
    with running_broker("embedded") as running:
        yield running


def url(broker):
    return f"mqtt://{LOOPBACK}:{broker.port}"


def test_alerts_are_shown_and_kept(tmp_path, broker):
    watch = WatchProcess("--broker", url(broker), "--save", str(tmp_path / "kept"))
    watch.line_with("watching")
    with running_node(tmp_path, broker.port) as node:
        watch.line_with("online")
        alert_id, seq = node.store()
        line = watch.line_with("zone_entry gate")
    assert "harbour/pole" in line
    assert "NE 047°" in line
    assert f"#{seq}" in line
    kept = tmp_path / "kept" / "harbour" / "pole"
    assert json.loads((kept / f"{alert_id}.json").read_text())["seq"] == seq
    assert (kept / f"{alert_id}.jpg").read_bytes().startswith(b"\xff\xd8")
    assert watch.end() == (0, "")


def test_a_machine_reads_json_alone(tmp_path, embedded):
    watch = WatchProcess("--broker", url(embedded), "--json")
    with running_node(tmp_path, embedded.port) as node:
        while True:
            node.store()
            line = json.loads(watch.line_with(""))
            if line["kind"] == "alert":
                break
    assert line["thumbnail_bytes"] > 6000
    assert watch.end() == (0, "")


def test_it_waits_for_a_broker_that_went_away(tmp_path, embedded):
    watch = WatchProcess("--broker", url(embedded))
    watch.line_with("watching")
    os.kill(embedded.pid, signal.SIGKILL)
    watch.line_with("waiting for")
    embedded.start()
    watch.line_with("again")
    with running_node(tmp_path, embedded.port) as node:
        node.store()
        watch.line_with("zone_entry gate")
    assert watch.end() == (0, "")


def test_a_broker_that_is_not_there_is_one_clear_line_and_the_documented_status(embedded):
    embedded.stop()
    finished = subprocess.run(
        [sys.executable, "-m", "roeh", "watch", "--broker", url(embedded)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert finished.returncode == BrokerRefused.exit_status
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert line.startswith("roeh: BROKER_REFUSED:")
    assert str(embedded.port) in line
