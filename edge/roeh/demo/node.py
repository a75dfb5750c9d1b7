"""The demo's pole: `roeh run` as a child, and questions to its evidence process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, config_as_toml
from roeh.core.errors import RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.parent import tied_environment
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.core.types import ProcessReport

CONFIG_FILE = "node.toml"

_STOP_TIMEOUT_S = 40.0


class DemoNode:
    """One node on this machine, from a directory of its own."""

    def __init__(
        self, config: NodeConfig, directory: Path, clock: Clock, *, quiet: bool = False
    ) -> None:
        self._config_path = directory / CONFIG_FILE
        self._config_path.write_text(config_as_toml(config), encoding="utf-8")
        self._options = ["--quiet"] if quiet else []
        self._status = StreamClient(evidence_socket(config), Role.SUPERVISE, clock, timeout_s=2.0)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start `roeh run`; it ends when we do."""
        self._child = subprocess.Popen(
            [
                *(sys.executable, "-m", "roeh", "run"),
                *("--config", str(self._config_path), *self._options),
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=tied_environment(),
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

    def status(self) -> NodeStatus | None:
        """How the node is; None while evidence does not answer."""
        try:
            return self._status.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        except RoehError:
            return None

    def stop(self) -> int:
        """End it in good order; its exit status."""
        self._status.close()
        if self._child is None:
            return 0
        self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()


def report_of(status: NodeStatus, role: Role) -> ProcessReport | None:
    """What a process said last."""
    return next((report for report in status.reports if report.process == role.value), None)


def is_over(status: NodeStatus) -> bool:
    """Capture told that it stopped: there will be no more frames."""
    capture = report_of(status, Role.CAPTURE)
    return capture is not None and capture.state == "stopped"


def is_drained(status: NodeStatus) -> bool:
    """Nothing waits in detect, nothing in the outbox.

    Detect tells that capture is away only in a report made after its last frame.
    """
    detect = report_of(status, Role.DETECT)
    return (
        detect is not None
        and detect.detail == "waiting for capture"
        and detect.counters.get("alerts_waiting") == 0
        and status.outbox_rows == 0
    )
