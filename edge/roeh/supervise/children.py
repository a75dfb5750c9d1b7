"""One process of the node as the supervisor sees it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from roeh.core.peers import Role

#: Tells a process that it is to end when its supervisor does (see `die_with_parent`).
SUPERVISOR_VARIABLE = "ROEH_SUPERVISOR_PID"


class Exit(msgspec.Struct, frozen=True):
    """A process ended: by status, or by signal when `status` is negative."""

    role: Role
    pid: int
    status: int

    def describe(self) -> str:
        """In words."""
        if self.status >= 0:
            return f"ended with status {self.status}"
        try:
            return f"was ended by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"was ended by signal {-self.status}"


class Child:
    """Starts one process and tells a queue when it ended."""

    def __init__(self, role: Role, config_path: Path, exits: queue.Queue[Exit]) -> None:
        self.role = role
        self._config_path = config_path
        self._exits = exits
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        """Start it. Call from the supervisor's main thread, which it is tied to."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "roeh", "run"),
                *("--only", self.role.value, "--config", str(self._config_path)),
            ],
            stdin=subprocess.DEVNULL,
            # Ctrl-C is for the supervisor, who stops the others in order.
            start_new_session=True,
            env={**os.environ, SUPERVISOR_VARIABLE: str(os.getpid())},
        )
        threading.Thread(
            target=self._wait, args=(self._process,), name=f"wait-{self.role.value}", daemon=True
        ).start()

    def stop(self, timeout_s: float) -> None:
        """Ask it to end; end it when it does not in time."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        status = process.wait()
        self._exits.put(Exit(self.role, process.pid, status))
