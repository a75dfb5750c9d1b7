"""The demo's pole: `roeh run` as a child, and questions to its evidence process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, config_as_toml
from roeh.core.errors import PeerGone
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.core.types import ProcessReport
from roeh.supervise.children import SUPERVISOR_VARIABLE

CONFIG_FILE = "node.toml"

_POLL_S = 0.2
_STOP_TIMEOUT_S = 30.0


class DemoNode:
    """One node on this machine, from a directory of its own."""

    def __init__(self, config: NodeConfig, directory: Path, clock: Clock) -> None:
        self._clock = clock
        self._config_path = directory / CONFIG_FILE
        self._config_path.write_text(config_as_toml(config), encoding="utf-8")
        self._status = StreamClient(evidence_socket(config), Role.SUPERVISE, clock, timeout_s=2.0)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start `roeh run`; it ends when we do."""
        self._child = subprocess.Popen(
            [sys.executable, "-m", "roeh", "run", "--config", str(self._config_path)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, SUPERVISOR_VARIABLE: str(os.getpid())},
        )

    @property
    def pid(self) -> int:
        """Process id of its supervisor."""
        assert self._child is not None
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        """Its exit status if it ended."""
        return self._child.poll() if self._child is not None else None

    def wait_until_done(self, stop: threading.Event, patience_s: float) -> bool:
        """Wait until the footage is over and everything it gave has left the pole.

        Returns:
            False when the node ended or `stop` was set before; also when, the footage
            over, the rest took longer than `patience_s`.
        """
        deadline_ns: int | None = None
        while not stop.is_set() and self.exit_status is None:
            status = self.status()
            if status is not None and _is_over(status):
                if _is_drained(status):
                    return True
                now_ns = self._clock.mono_ns()
                deadline_ns = deadline_ns or now_ns + int(patience_s * 1e9)
                if now_ns > deadline_ns:
                    return False
            self._clock.wait(_POLL_S, stop)
        return False

    def status(self) -> NodeStatus | None:
        """How the node is; None while evidence does not answer."""
        try:
            return self._status.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        except PeerGone:
            return None

    def stop(self) -> None:
        """End it in good order."""
        self._status.close()
        if self._child is None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _report(status: NodeStatus, role: Role) -> ProcessReport | None:
    return next((report for report in status.reports if report.process == role.value), None)


def _is_over(status: NodeStatus) -> bool:
    """Capture told that it stopped: there will be no more frames."""
    capture = _report(status, Role.CAPTURE)
    return capture is not None and capture.state == "stopped"


def _is_drained(status: NodeStatus) -> bool:
    """Nothing waits in detect, nothing in the outbox.

    Detect tells that capture is away only in a report made after its last frame.
    """
    detect = _report(status, Role.DETECT)
    return (
        detect is not None
        and detect.state == "degraded"
        and detect.counters.get("alerts_waiting") == 0
        and status.outbox_rows == 0
    )
