"""One virtual machine under QEMU: started, asked over QMP, reached over ssh, ended."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from qemu_machine.monitor import monitor
from qemu_machine.troubles import MachineFailed
from roeh.core.clock import NS_PER_S, Clock

_POLL_S = 0.1
_SSH_TRY_S = 5.0


class Reach(msgspec.Struct, frozen=True):
    """How a machine's ssh is reached, and how it is known to be that machine.

    Attributes:
        user: who comes in.
        address: where from here.
        port: of its ssh.
        key: the private key that the machine lets in.
        known_hosts: the machine's own public key, so that only it is talked to.
        alias: its name in `known_hosts`.
        before: words before ssh, as those that enter a network namespace.
    """

    user: str
    address: str
    port: int
    key: Path
    known_hosts: Path
    alias: str
    before: tuple[str, ...] = ()

    def words(self, shared: Path, *more: str) -> list[str]:
        """The beginning of an ssh command line, up to the host.

        Args:
            shared: the socket of the connection that all commands share.
            more: further options.
        """
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(int(_SSH_TRY_S)),
            "ControlMaster": "auto",
            "ControlPath": str(shared),
            "ControlPersist": "yes",
            "HostKeyAlias": self.alias,
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
        where = ["-i", str(self.key), "-p", str(self.port)]
        host = f"{self.user}@{self.address}"
        return [*self.before, "ssh", "-F", "none", *where, *flags, *more, host]


class Machine:
    """A running machine. `started` starts and ends it.

    Args:
        reach: how its ssh is reached.
        process: QEMU.
        directory: sockets and logs of this run.
        clock: what time it is.
    """

    def __init__(
        self,
        reach: Reach,
        process: subprocess.Popen[bytes],
        directory: Path,
        clock: Clock,
    ) -> None:
        self._reach = reach
        self._process = process
        self._directory = directory
        self._clock = clock

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._process.pid

    def console(self) -> str:
        """What the kernel and systemd said so far."""
        return _text_of(self._directory / "console.log")

    def ssh_command(self, command: str) -> list[str]:
        """The command line that runs `command` in the machine's shell."""
        return [*self._reach.words(self._directory / "ssh"), command]

    def hang_up(self) -> None:
        """End the connection that all commands share; the next one makes another."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                self._reach.words(self._directory / "ssh", "-O", "exit"),
                capture_output=True,
                timeout=_SSH_TRY_S,
                check=False,
            )

    def run(self, command: str, *, patience_s: float = 300.0, given: bytes | None = None) -> str:
        """Run a shell command in the machine; what it said.

        Raises:
            MachineFailed: it ended with another status than 0, or not in time.
        """
        try:
            done = subprocess.run(
                self.ssh_command(command),
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                timeout=patience_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise MachineFailed(f"in the machine, not within {patience_s:g} s: {command}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise MachineFailed(f"in the machine, status {done.returncode}: {command}: {said}")
        return done.stdout.decode(errors="replace")

    def wait_until_reached(self, patience_s: float) -> None:
        """Until ssh answers.

        Raises:
            MachineFailed: QEMU ended, or nobody answered in time.
        """
        deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
        while True:
            self.check_running()
            with contextlib.suppress(MachineFailed):
                self.run("true", patience_s=_SSH_TRY_S * 4)
                return
            if self._clock.mono_ns() > deadline_ns:
                raise MachineFailed(f"nobody answers in the machine after {patience_s:g} s")
            self._clock.wait(_POLL_S)

    def check_running(self) -> None:
        """Raise MachineFailed with QEMU's last words where it has ended."""
        if self._process.poll() is not None:
            said = _text_of(self._directory / "qemu.log").strip()
            raise MachineFailed(f"QEMU ended with status {self._process.returncode}: {said}")

    def go_on(self, patience_s: float) -> None:
        """From a snapshot, which was taken of a machine that stood still.

        Raises:
            MachineFailed: the snapshot cannot be read.
        """
        deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
        while not (self._directory / "qmp").exists():
            self.check_running()
            self._clock.wait(_POLL_S)
        with monitor(self._directory / "qmp") as qemu:
            while qemu.ask("query-status").get("status") == "inmigrate":
                if self._clock.mono_ns() > deadline_ns:
                    raise MachineFailed("the machine's snapshot is not read in time")
                self._clock.wait(_POLL_S)
            qemu.ask("cont")

    def freeze_to(self, state: Path, patience_s: float = 120.0) -> None:
        """Write the machine's memory and devices to a file and end it, its disk as it is then.

        Raises:
            MachineFailed: QEMU could not.
        """
        self.hang_up()
        with monitor(self._directory / "qmp") as qemu:
            qemu.ask("stop")
            # Nothing else runs: at full speed.
            qemu.ask("migrate-set-parameters", {"max-bandwidth": 1 << 40})
            qemu.ask("migrate", {"uri": f"exec:cat > '{state}'"})
            deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
            while (status := qemu.ask("query-migrate").get("status")) != "completed":
                if status in {"failed", "cancelled"} or self._clock.mono_ns() > deadline_ns:
                    raise MachineFailed(f"the machine's snapshot could not be taken: {status}")
                self._clock.wait(_POLL_S)
            qemu.ask("quit")
        self._process.wait(timeout=patience_s)


@contextlib.contextmanager
def started(
    command: Sequence[str], reach: Reach, directory: Path, clock: Clock
) -> Iterator[Machine]:
    """A machine for as long as the block runs: started at first, ended whatever happens.

    Args:
        command: QEMU's whole command line; `monitored` is part of it.
        reach: how its ssh is reached.
        directory: where its sockets and logs go; a short path, for sockets.
        clock: what time it is.
    """
    with (directory / "qemu.log").open("wb") as log:
        # Its own session: Ctrl-C is for us, who end it. Should we be killed, it ends too.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    machine = Machine(reach, process, directory, clock)
    try:
        yield machine
    finally:
        machine.hang_up()
        process.kill()
        process.wait()


def monitored(directory: Path) -> tuple[str, ...]:
    """What QEMU is told so that its console and its monitor are in a directory."""
    return (
        *("-serial", f"file:{directory / 'console.log'}"),
        *("-qmp", f"unix:{directory / 'qmp'},server=on,wait=off"),
    )


def free_port() -> int:
    """A port of this machine's loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _text_of(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
