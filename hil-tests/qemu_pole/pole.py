"""One virtual pole under QEMU in a street: power, reset, its shell.

It stands where a container of the same name would stand, in the same control group and with the
same keys, so the street's own commands find, reach and end it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from qemu_machine.monitor import monitor
from qemu_machine.troubles import MachineFailed
from virtual_pole import network, ways_in
from virtual_pole.commands import output
from virtual_pole.machine import Machine
from virtual_pole.network import in_namespace
from virtual_pole.street import Street
from virtual_pole.troubles import PoleFailed

from qemu_pole.hardware import Board, Disk, board_command, tpm_command
from qemu_pole.time_server import TimeServer
from roeh.core.clock import NS_PER_S, Clock

#: The one pole of a street that is a machine.
POLE = "pole-1"
#: Without KVM and with other work beside it, Debian takes a minute and more.
BOOT_PATIENCE_S = 600.0
_TPM_PATIENCE_S = 20.0
_TRY_PATIENCE_S = 60.0
_POLL_S = 0.05
#: Into the machine's control group first: nothing of it is ever outside. Its watchdog runs in real
#: time and its processor is imitated, so other work here comes after it: by its session, where
#: the kernel shares out processors by sessions (sched(7), autogroup), and by itself elsewhere.
_START = """
echo $$ > "$1/cgroup.procs" && shift
[ ! -w /proc/self/autogroup ] || echo -15 > /proc/self/autogroup
exec nice --adjustment=-15 "$@"
"""


class QemuPole:
    """A pole's machine.

    Args:
        street: where it stands.
        name: `pole-1`, ...
        clock: what time it is.
    """

    def __init__(self, street: Street, name: str, clock: Clock) -> None:
        self._street = street
        self._place = street.place(name)
        self._clock = clock
        self._machine = Machine(street, name, clock)
        self.board = Board(street.directory(name))

    @property
    def machine(self) -> Machine:
        """Its shell, and its end."""
        return self._machine

    @property
    def time_server(self) -> TimeServer:
        """The street's time server."""
        group = self._machine.group.with_name(f"{self._street.tag}-time-server")
        return TimeServer(self._street, group, self._clock)

    def power_on(
        self,
        *,
        disk: Disk = Disk.WRITE_BACK,
        has_tpm: bool = True,
        clock_utc: str = "",
        board: Board | None = None,
    ) -> None:
        """Start it and return at once; nothing where it runs.

        Args:
            disk: how careful its disk is.
            has_tpm: whether it has one.
            clock_utc: what its battery-backed clock says; empty: what it is.
            board: other parts than its own, as a thief's.

        Raises:
            MachineFailed: QEMU or the TPM does not start.
        """
        if self._machine.is_running():
            return
        parts = board or self.board
        network.lay_laptop(self._street)
        self._lay_cable()
        ways_in.forget_connections(self._street)
        for left in (parts.tpm_socket, parts.monitor, parts.console):
            left.unlink(missing_ok=True)
        group = self._machine.group
        group.mkdir(exist_ok=True)
        log = parts.directory / "qemu.log"
        log.unlink(missing_ok=True)
        if has_tpm:
            parts.tpm.mkdir(exist_ok=True)
            self._start(group, tpm_command(parts), log)
            self._wait_for(parts.tpm_socket, log)
        command = board_command(
            parts,
            self._place.name,
            self._place.hardware_address,
            disk=disk,
            has_tpm=has_tpm,
            clock_utc=clock_utc,
        )
        self._start(group, in_namespace(self._street.laptop, *command), log)
        self._wait_for(parts.monitor, log)

    def boot(self) -> None:
        """Start it and wait until ssh lets the technician in.

        Raises:
            MachineFailed: QEMU does not start, or nobody answers in time.
        """
        self.power_on()
        self.wait_until_reached()

    def wait_until_reached(self, patience_s: float = BOOT_PATIENCE_S) -> None:
        """Until ssh lets the technician in.

        Raises:
            MachineFailed: it ended, or nobody answers in time.
        """
        deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
        while True:
            try:
                # A try of its own each time: a start may end in another start.
                output(
                    ways_in.ssh_command(self._street, self._place.name, "true"),
                    patience_s=_TRY_PATIENCE_S,
                )
            except PoleFailed as failure:
                if not self._machine.is_running() or self._clock.mono_ns() > deadline_ns:
                    raise MachineFailed(
                        f"{self._place.name} does not answer: {failure}; it said: "
                        f"{self.console().strip()[-300:]}"
                    ) from None
                self._clock.wait(_POLL_S)
            else:
                return

    def cut(self) -> None:
        """Take its power: what only its memory held is gone."""
        self._machine.cut()

    def reset(self) -> None:
        """As by its reset button."""
        with monitor(self.board.monitor) as qemu:
            qemu.ask("system_reset")

    def console(self) -> str:
        """What kernel and systemd said since power came."""
        with contextlib.suppress(FileNotFoundError):
            return self.board.console.read_text(errors="replace")
        return ""

    def _lay_cable(self) -> None:
        laptop = ("ip", "-n", self._street.laptop)
        name, bridge = self._place.name, self._place.bridge
        there = subprocess.run([*laptop, "link", "show", name], capture_output=True, check=False)
        if there.returncode == 0:
            return
        for words in (
            ("tuntap", "add", name, "mode", "tap"),
            ("link", "set", name, "master", bridge),
            ("link", "set", name, "up"),
        ):
            subprocess.run([*laptop, *words], check=True)

    def _start(self, group: Path, command: list[str], log: Path) -> None:
        with log.open("ab") as said:
            subprocess.Popen(
                ["sh", "-c", _START, "sh", str(group), *command],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                env=os.environ,
            )

    def _wait_for(self, socket: Path, log: Path) -> None:
        deadline_ns = self._clock.mono_ns() + int(_TPM_PATIENCE_S * NS_PER_S)
        while not socket.exists():
            if self._clock.mono_ns() > deadline_ns:
                raise MachineFailed(f"it does not start: {log.read_text(errors='replace').strip()}")
            self._clock.wait(_POLL_S)
