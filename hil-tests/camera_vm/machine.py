"""One virtual machine under QEMU: started, asked over QMP, reached over ssh, ended."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from camera_vm.troubles import MachineFailed
from roeh.core.clock import NS_PER_S, Clock

MEMORY_MIB = 1536
PROCESSORS = 2
_POLL_S = 0.1
_SSH_TRY_S = 5.0

#: What the kernel is told: a console to a file, and nothing that costs time at start.
_KERNEL_ARGUMENTS = "root=/dev/vda rw console=ttyS0 quiet mitigations=off panic=-1"


class Image(msgspec.Struct, frozen=True):
    """A built machine on disk.

    Attributes:
        directory: where all of it is.
        accelerator: `kvm` or `tcg`.
    """

    directory: Path
    accelerator: str

    @property
    def kernel(self) -> Path:
        """Debian's kernel, as its package has it."""
        return self.directory / "vmlinuz"

    @property
    def initial_disk(self) -> Path:
        """The kernel's first disk."""
        return self.directory / "initrd"

    @property
    def key(self) -> Path:
        """The private key that the machine lets in."""
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        """The machine's own public key, so that only it is talked to."""
        return self.directory / "known_hosts"


class Machine:
    """A running machine. `running` starts and ends it.

    Args:
        image: what it is.
        process: QEMU.
        directory: sockets and logs of this run.
        port: where its ssh is on this machine's loopback.
        clock: what time it is.
    """

    def __init__(
        self,
        image: Image,
        process: subprocess.Popen[bytes],
        directory: Path,
        port: int,
        clock: Clock,
    ) -> None:
        self._image = image
        self._process = process
        self._directory = directory
        self._port = port
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
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(int(_SSH_TRY_S)),
            "ControlMaster": "auto",
            "ControlPath": str(self._directory / "ssh"),
            "ControlPersist": "yes",
            "HostKeyAlias": "camera-vm",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self._image.known_hosts),
        }
        flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
        key, port = str(self._image.key), str(self._port)
        return ["ssh", "-F", "none", "-i", key, "-p", port, *flags, "root@127.0.0.1", command]

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
        with _monitor(self._directory / "qmp") as monitor:
            while monitor.ask("query-status").get("status") == "inmigrate":
                if self._clock.mono_ns() > deadline_ns:
                    raise MachineFailed("the machine's snapshot is not read in time")
                self._clock.wait(_POLL_S)
            monitor.ask("cont")

    def freeze_to(self, state: Path, patience_s: float = 120.0) -> None:
        """Write the machine's memory and devices to a file and end it, its disk as it is then.

        Raises:
            MachineFailed: QEMU could not.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [*self.ssh_command("")[:-2], "-O", "exit", "root@127.0.0.1"],
                capture_output=True,
                timeout=_SSH_TRY_S,
                check=False,
            )
        with _monitor(self._directory / "qmp") as monitor:
            monitor.ask("stop")
            # Nothing else runs: at full speed.
            monitor.ask("migrate-set-parameters", {"max-bandwidth": 1 << 40})
            monitor.ask("migrate", {"uri": f"exec:cat > '{state}'"})
            deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
            while (status := monitor.ask("query-migrate").get("status")) != "completed":
                if status in {"failed", "cancelled"} or self._clock.mono_ns() > deadline_ns:
                    raise MachineFailed(f"the machine's snapshot could not be taken: {status}")
                self._clock.wait(_POLL_S)
            monitor.ask("quit")
        self._process.wait(timeout=patience_s)


@contextlib.contextmanager
def running(
    image: Image,
    disk: Path,
    directory: Path,
    clock: Clock,
    *,
    state: Path | None = None,
) -> Iterator[Machine]:
    """A machine for as long as the block runs: started at first, ended whatever happens.

    Args:
        image: what it is.
        disk: its disk, written to.
        directory: where its sockets and logs go; a short path, for sockets.
        clock: what time it is.
        state: a snapshot to go on from, taken with the very same disk.
    """
    port = _free_port()
    command = _command(image, disk, directory, port, state)
    with (directory / "qemu.log").open("wb") as log:
        # Its own session: Ctrl-C is for us, who end it. Should we be killed, it ends too.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    machine = Machine(image, process, directory, port, clock)
    try:
        yield machine
    finally:
        subprocess.run(
            [*machine.ssh_command("")[:-2], "-O", "exit", "root@127.0.0.1"],
            capture_output=True,
            check=False,
        )
        process.kill()
        process.wait()


def hardware(accelerator: str) -> tuple[str, ...]:
    """The machine itself, as QEMU is told: a snapshot goes on only in the very same one."""
    kvm = accelerator == "kvm"
    return (
        *("-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-accel", "kvm" if kvm else "tcg,thread=multi", "-cpu", "host" if kvm else "max"),
        *("-smp", str(PROCESSORS), "-m", str(MEMORY_MIB), "-append", _KERNEL_ARGUMENTS),
        *("-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"),
    )


def _command(
    image: Image, disk: Path, directory: Path, port: int, state: Path | None
) -> tuple[str, ...]:
    incoming = ("-incoming", f"exec:cat '{state}'") if state is not None else ()
    return (
        "qemu-system-x86_64",
        *("-kernel", str(image.kernel), "-initrd", str(image.initial_disk)),
        # Nothing but its ssh is reached, and it reaches nobody.
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *hardware(image.accelerator),
        *("-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe"),
        *("-serial", f"file:{directory / 'console.log'}"),
        *("-qmp", f"unix:{directory / 'qmp'},server=on,wait=off"),
        *incoming,
    )


class _Monitor:
    """QEMU's machine protocol: a line of JSON asked, a line answered."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile("rw", encoding="utf-8")

    def ask(self, command: str, arguments: dict[str, int | str] | None = None) -> dict[str, str]:
        """One command; what it returned.

        Raises:
            MachineFailed: QEMU refused it or is gone.
        """
        print(json.dumps({"execute": command, "arguments": arguments or {}}), file=self._lines)
        self._lines.flush()
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise MachineFailed(f"QEMU refused {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                returned: dict[str, str] = answer["return"]
                return returned
        raise MachineFailed(f"QEMU ended while it was asked to {command}")


@contextlib.contextmanager
def _monitor(path: Path) -> Iterator[_Monitor]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60.0)
        connection.connect(str(path))
        monitor = _Monitor(connection)
        monitor.ask("qmp_capabilities")
        yield monitor


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _text_of(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
