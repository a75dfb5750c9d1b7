"""Processes of a node, forked cheaply, to be killed and started again."""

import contextlib
import os
import signal
import threading

from roeh.core.clock import SystemClock
from roeh.core.config import parse_config
from roeh.core.errors import RoehError
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
from roeh.evidence.main import run as run_evidence
from tests.forkserver import forking_with

NODE = """
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
{more}
[[sensors]]
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""
NOBODY_UID = 65534
PATIENCE_S = 60.0

CLOCK = SystemClock()
#: Forks from a process without threads, with everything imported.
CONTEXT = forking_with(__name__)


def node_config(directory, more=""):
    """A node that lives in `directory`; `more` is TOML."""
    return parse_config(NODE.format(directory=directory, more=more), name="node.toml")


def start(target, *arguments, uid=None):
    """A process that runs `target`, as the user `uid` if it is given."""
    process = CONTEXT.Process(target=_main, args=(uid, target, *arguments), daemon=True)
    process.start()
    return process


def _main(uid, target, *arguments):
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    target(*arguments)


def kill(process):
    """kill -9, and wait until it is gone."""
    process.kill()
    process.join(PATIENCE_S)


def evidence_main(config, clock=CLOCK):
    """The evidence process; ends with its status, its error as one line on standard error."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        status = run_evidence(config, clock, stop)
    except RoehError as error:
        os.write(2, error.line().encode() + b"\n")
        status = error.exit_status
    raise SystemExit(status)


class Evidence:
    """The evidence process of one node, and a client for each role."""

    def __init__(self, config, clock=CLOCK):
        self.config = config
        self._clock = clock
        self.process = None
        self._clients = {}

    def start(self):
        self.process = start(evidence_main, self.config, self._clock)
        assert self.client(Role.SUPERVISE).wait_until_there(PATIENCE_S)

    def kill(self):
        kill(self.process)

    def stop(self):
        """As systemd does; the exit status."""
        self.process.terminate()
        self.process.join(PATIENCE_S)
        return self.process.exitcode

    def client(self, role):
        if role not in self._clients:
            self._clients[role] = StreamClient(evidence_socket(self.config), role, CLOCK)
        return self._clients[role]

    def store(self, draft, thumbnail=None):
        request = StoreAlert(draft=draft, thumbnail=thumbnail)
        return self.client(Role.DETECT).call(Verb.ALERT_STORE, request, AlertStored).seq

    def status(self):
        client = self.client(Role.SUPERVISE)
        return client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)

    def close(self):
        for client in self._clients.values():
            client.close()
        if self.process is not None:
            kill(self.process)


@contextlib.contextmanager
def running_evidence(directory, more="", clock=CLOCK):
    """An evidence process in `directory`."""
    evidence = Evidence(node_config(directory, more), clock)
    try:
        evidence.start()
        yield evidence
    finally:
        evidence.close()
