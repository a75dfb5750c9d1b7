"""One process of the node as the supervisor sees it."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.parent import tied_environment
from roeh.core.peers import Role


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
    """Starts one process, any number of times, and tells a queue when it ended.

    Args:
        role: which process.
        config_path: of its configuration.
        exits: told of every end.
        clock: says since when it runs.
        quiet: it is to say only what goes wrong.
    """

    def __init__(
        self,
        role: Role,
        config_path: Path,
        exits: queue.Queue[Exit],
        clock: Clock,
        *,
        quiet: bool = False,
    ) -> None:
        self.role = role
        self.starts = 0
        self.started_mono_ns = 0
        self._config_path = config_path
        self._exits = exits
        self._options = ["--quiet"] if quiet else []
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self, inherited: int) -> None:
        """Start it, with one more descriptor.

        Call from the supervisor's main thread, which it is tied to.
        """
        self.starts += 1
        self.started_mono_ns = self._clock.mono_ns()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "roeh", "run"),
                *("--only", self.role.value, "--config", str(self._config_path)),
                *self._options,
            ],
            stdin=subprocess.DEVNULL,
            # Ctrl-C is for the supervisor, who stops the others in order.
            start_new_session=True,
            pass_fds=(inherited,),
            env=tied_environment(),
        )
        threading.Thread(
            target=self._wait, args=(self._process,), name=f"wait-{self.role.value}", daemon=True
        ).start()

    def ask_to_end(self) -> None:
        """SIGTERM, if it runs."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once, whatever it does; it is told like any other end."""
        if self._process is not None:
            self._process.kill()

    def end(self, timeout_s: float) -> bool:
        """Ask it to end; end it when it does not in time, and then say False."""
        process = self._process
        if process is None:
            return True
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        return True

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        status = process.wait()
        self._exits.put(Exit(self.role, process.pid, status))
