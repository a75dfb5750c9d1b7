"""`roeh run` as an operator starts it, and what can be seen of it from outside."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from roeh.core.clock import SystemClock
from roeh.core.config import load_config
from roeh.core.errors import PeerGone
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket, node_database
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.demo.control_room import ControlRoom
from roeh.ledger.alerts import read_alerts
from roeh.ledger.database import open_database
from tests.streets import ANYBODY, POSE_AND_LENS, crossed_lines
from tests.waiting import wait_until

CLOCK = SystemClock()
PATIENCE_S = 30.0
ROLES = (Role.EVIDENCE, Role.CAPTURE, Role.DETECT, Role.PUBLISH, Role.RETRIEVE)

#: The head of node.toml, as far as the camera's source.
STREET = """
[node]
site = "harbour"
name = "pole"
[paths]
data_dir = "{data_dir}"
run_dir = "{directory}/run"
{paths}
[broker]
port = {port}
connect_spread_s = 0.0
backoff_cap_s = 0.5
[retrieve]
port = 0
[supervise]
{supervise}
[detect]
fps = 5.0
min_confidence = 0.35
[[sensors]]
name = "camera"
{source}
"""
DRAWN = 'source = { kind = "composed", seed = 2, people = 10, fps = 5.0 }'


def write_street(directory, *, port, source=DRAWN, data_dir=None, paths="", supervise=""):
    """node.toml in `directory`; its path."""
    path = directory / "node.toml"
    head = STREET.format(
        directory=directory,
        data_dir=data_dir or directory / "data",
        paths=paths,
        port=port,
        source=source,
        supervise=supervise,
    )
    path.write_text(head + POSE_AND_LENS + ANYBODY + crossed_lines())
    return path


class RunningNode:
    """`roeh run -c` of one node.toml; `program` stands in Python's place."""

    def __init__(self, config_path, program=sys.executable):
        self.config_path = config_path
        self._program = str(program)
        self.config = load_config(config_path)
        self._said = config_path.with_suffix(".log")
        self._status = StreamClient(evidence_socket(self.config), Role.SUPERVISE, CLOCK)
        self._process = None
        self._known = set()

    def start(self):
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [self._program, "-m", "roeh", "run", "-c", str(self.config_path)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def supervisor_pid(self):
        return self._process.pid

    def pids(self):
        """Process id of each process that is there now."""
        found = children_of(self._process.pid)
        self._known |= set(found.values())
        return found

    def pid(self, role):
        """Waits until it is there."""
        return self.wait_until(lambda: self.pids().get(role))

    def said(self):
        return self._said.read_text(errors="replace")

    def wait_until(self, predicate):
        """The first true value; failing, what the node said is told."""
        try:
            return wait_until(predicate, PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; the node said:\n{self.said()}") from None

    def wait_for_line(self, pattern, since=0):
        """The first match in what it said from that character on."""
        return self.wait_until(lambda: re.search(pattern, self.said()[since:]))

    def status(self):
        with contextlib.suppress(PeerGone):
            return self._status.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)

    def report(self, role):
        status = self.status()
        reports = () if status is None else status.reports
        return next((r for r in reports if r.process == role.value), None)

    def wait_for_report(self, role, wanted):
        def check():
            report = self.report(role)
            return report if report is not None and wanted(report) else None

        return self.wait_until(check)

    def wait_for_news(self, role):
        """A report that was made from now on."""
        now_us = CLOCK.mono_ns() // 1000
        return self.wait_for_report(role, lambda report: report.t_mono_us > now_us)

    def signal(self, number):
        self._process.send_signal(number)

    def ended(self):
        """Its exit status, waited for."""
        return self._process.wait(PATIENCE_S)

    def kill(self, role):
        """kill -9 one of its processes; its process id."""
        pid = self.pid(role)
        os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: self.pids().get(role) != pid)
        return pid

    def alerts(self):
        """Every alert in node.db, once the node has ended."""
        database = open_database(node_database(self.config))
        try:
            return read_alerts(database)
        finally:
            database.close()

    def leftovers(self):
        """Processes that were ever seen and are still there."""
        return {pid for pid in self._known if is_alive(pid)}

    def close(self):
        self._status.close()
        if self._process is not None and self._process.poll() is None:
            self.pids()
            self._process.kill()
            self._process.wait()
        for pid in self.leftovers():
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def running_node(config_path, program=sys.executable):
    node = RunningNode(config_path, program)
    try:
        node.start()
        yield node
    finally:
        node.close()


class Arrivals:
    """What one control room got, duplicates removed, and whether more comes."""

    def __init__(self, port):
        self.alerts = []
        self.room = ControlRoom(port, CLOCK, on_arrival=lambda a: self.alerts.append(a.alert))
        self.room.open()

    @property
    def seqs(self):
        return {alert.seq for alert in self.alerts}

    def wait_for_more(self, count=1):
        wanted = len(self.alerts) + count
        wait_until(lambda: len(self.alerts) >= wanted, PATIENCE_S)


def children_of(supervisor_pid):
    """Role → process id of a supervisor's processes, from /proc."""
    found = {}
    # All of them are started by its main thread.
    path = Path(f"/proc/{supervisor_pid}/task/{supervisor_pid}/children")
    for child in read_proc(path).split():
        arguments = read_proc(Path(f"/proc/{child}/cmdline")).split("\0")
        if "--only" in arguments:
            found[Role(arguments[arguments.index("--only") + 1])] = int(child)
    return found


def read_proc(path):
    """What the kernel says; nothing of a process that is gone."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_alive(pid):
    """Whether the process is there and more than a record of its end."""
    state = read_proc(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1]
    return bool(state) and state != ["Z"]
