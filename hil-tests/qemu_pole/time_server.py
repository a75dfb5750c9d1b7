"""A time server at the street's laptop, for a pole whose clock is its own."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from qemu_machine.troubles import MachineFailed
from virtual_pole.network import in_namespace
from virtual_pole.street import POLES_ROUTER, Street

from roeh.core.clock import NS_PER_S, Clock

_PATIENCE_S = 10.0
_POLL_S = 0.05

#: It follows nobody and says so (stratum 5), sets no clock, and answers the street.
_CONFIGURATION = """local stratum 5
allow 10.77.0.0/16
bindaddress {address}
cmdport 0
bindcmdaddress /
pidfile {directory}/time-server.pid
"""
_START = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'


class TimeServer:
    """chronyd in the laptop's namespace; its processes are a control group.

    Args:
        street: where.
        group: of processes, its own.
        clock: what time it is.
    """

    def __init__(self, street: Street, group: Path, clock: Clock) -> None:
        self._street = street
        self._group = group
        self._clock = clock

    def start(self) -> None:
        """It answers when this returns; nothing where it runs.

        Raises:
            MachineFailed: it does not start.
        """
        if self._is_running():
            return
        directory = self._street.state
        file = directory / "time-server.conf"
        pid_file = directory / "time-server.pid"
        file.write_text(_CONFIGURATION.format(address=POLES_ROUTER, directory=directory))
        pid_file.unlink(missing_ok=True)
        self._group.mkdir(exist_ok=True)
        log = directory / "time-server.log"
        command = in_namespace(
            self._street.laptop, "chronyd", "-x", "-d", "-u", "root", "-f", str(file)
        )
        with log.open("wb") as said:
            subprocess.Popen(
                ["sh", "-c", _START, "sh", str(self._group), *command],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        deadline_ns = self._clock.mono_ns() + int(_PATIENCE_S * NS_PER_S)
        while not pid_file.exists():
            if self._clock.mono_ns() > deadline_ns:
                self.stop()
                raise MachineFailed(f"the time server does not start: {log.read_text().strip()}")
            self._clock.wait(_POLL_S)

    def stop(self) -> None:
        """It is gone when this returns."""
        with contextlib.suppress(FileNotFoundError):
            (self._group / "cgroup.kill").write_text("1")
        while self._is_running():
            self._clock.wait(_POLL_S)
        with contextlib.suppress(FileNotFoundError):
            self._group.rmdir()

    def _is_running(self) -> bool:
        try:
            return "populated 1" in (self._group / "cgroup.events").read_text()
        except FileNotFoundError:
            return False
