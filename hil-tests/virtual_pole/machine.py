"""One machine: a container with systemd as its first process, booted, cut, asked.

Each has a control group of its own, which is how its processes are found and ended: no number
of a process is remembered that could be another's by then. Its disk is mounted in a mount
namespace of the container's own, so nothing stays mounted when it is killed.

A cut here is SIGKILL to every process at once. Bytes that were written but not synced survive
it, as the host's memory holds them: losing those is the QEMU tier's.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock, SystemClock
from virtual_pole import network, ways_in
from virtual_pole.commands import output
from virtual_pole.street import Place, Street
from virtual_pole.troubles import PoleFailed

_POLL_S = 0.05
_BOOT_PATIENCE_S = 120.0
_STOP_PATIENCE_S = 30.0
_END_PATIENCE_S = 10.0
_PROPAGATE = Path("/run/systemd/nspawn/propagate")

#: For evidence, as a board's partition: what fills it does not fill this host.
_EVIDENCE_BYTES = 768 * 1024 * 1024
EVIDENCE_MOUNT = "/var/lib/roeh"

#: The id of a container's boot is mounted into its /proc, and a unit with a /proc of its own
#: (ProtectKernelTunables= and others) would see the host's, which stays when the pole is cut.
_OF_CONTAINERS = {
    "etc/tmpfiles.d/boot-of-container.conf": (
        "C /run/boot-of-container 0444 root root - /proc/sys/kernel/random/boot_id\n"
    ),
    "etc/systemd/system/roeh-.service.d/container.conf": (
        "[Service]\nBindReadOnlyPaths=-/run/boot-of-container:/proc/sys/kernel/random/boot_id\n"
    ),
}

#: Own mount namespace, the disks, then nspawn: in one process, which is in the group already.
_START = """
echo $$ > "$1/cgroup.procs" && cd "$2" && mount --make-rprivate / &&
mount -t overlay overlay -o "lowerdir=$3,upperdir=upper,workdir=work" root &&
mount -o loop evidence.img evidence &&
shift 3 && exec "$@"
"""


class Machine:
    """A machine of a street, there or not yet.

    Args:
        street: whose.
        name: `pole-1`, ..., `control-1`.
        clock: what time it is.
    """

    def __init__(self, street: Street, name: str, clock: Clock | None = None) -> None:
        self._street = street
        self._clock = clock or SystemClock()
        self._place = street.place(name)
        self._directory = street.directory(name)
        self._group = _control_groups() / street.namespace(name)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self._place

    @property
    def name(self) -> str:
        """Its hostname."""
        return self._place.name

    @property
    def group(self) -> Path:
        """Its control group: whatever runs in it is the machine."""
        return self._group

    def make(self, base: Path) -> None:
        """A disk of its own over the base, with its keys; nothing where it is made already.

        Raises:
            PoleFailed: it cannot be made.
        """
        upper = self._directory / "upper"
        if (self._directory / "base").exists():
            return
        shutil.rmtree(self._directory, ignore_errors=True)
        for part in ("upper/etc", "work", "root", "evidence"):
            (self._directory / part).mkdir(parents=True)
        image = self._directory / "evidence.img"
        with image.open("wb") as empty:
            empty.truncate(_EVIDENCE_BYTES)
        # No reserve for root: what is free is free for evidence.
        output(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1", str(image)])
        (upper / "etc/hostname").write_text(f"{self.name}\n")
        (upper / "etc/hosts").write_text(
            f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost\n"
        )
        (upper / "etc/machine-id").write_text(f"{self._place.serial}\n")
        for name, text in _OF_CONTAINERS.items():
            (upper / name).parent.mkdir(parents=True, exist_ok=True)
            (upper / name).write_text(text)
        ways_in.give_machine(self._street, self._place, upper)
        # Last, so a machine that was half made is made anew.
        (self._directory / "base").symlink_to(base)

    def boot(self) -> None:
        """Start it and wait until ssh lets the technician in; nothing where it runs.

        Raises:
            PoleFailed: it is not made, ended, or nobody answers in time.
        """
        if not (self._directory / "base").exists():
            raise PoleFailed(f"{self.name} is not made: `python -m virtual_pole up` makes it")
        network.lay_laptop(self._street)
        network.lay_machine(self._street, self._place)
        if not self.is_running():
            self._clear()
            ways_in.forget_connections(self._street)
            self._start()
        self.wait_until_reached(_BOOT_PATIENCE_S)

    def is_running(self) -> bool:
        """Whether any process of it is there."""
        try:
            said = (self._group / "cgroup.events").read_text()
        except OSError:
            return False
        return "populated 1" in said

    def cut(self) -> None:
        """End every process of it at once, as when its power is cut; its disk stays."""
        with contextlib.suppress(FileNotFoundError):
            (self._group / "cgroup.kill").write_text("1")
        self._wait_until_ended(_END_PATIENCE_S)
        self._clear()

    def stop(self) -> None:
        """Shut it down as a person would, and cut it where it does not end in time."""
        for process_id in self._processes("supervisor"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, 15)
        with contextlib.suppress(PoleFailed):
            self._wait_until_ended(_STOP_PATIENCE_S)
        self.cut()

    def run(self, command: str, *, patience_s: float = 60.0, given: bytes | None = None) -> str:
        """Run a shell command in it as root; what it said.

        Raises:
            PoleFailed: it ended with another status than 0, or not in time.
        """
        return output(self.ssh_command(command), patience_s=patience_s, given=given)

    def ssh_command(self, command: str) -> list[str]:
        """The command line that runs a shell command in it as root."""
        words = ("sudo", "-n", "--", "bash", "-c", shlex.quote(command))
        return ways_in.ssh_command(self._street, self.name, *words)

    def console(self) -> str:
        """What it said while it booted."""
        try:
            return (self._directory / "console.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_until_reached(self, patience_s: float) -> None:
        """Until ssh lets the technician in.

        Raises:
            PoleFailed: it ended, or nobody answers in time.
        """
        deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
        while True:
            try:
                output(ways_in.ssh_command(self._street, self.name, "true"), patience_s=patience_s)
            except PoleFailed as failure:
                said = self.console().strip().splitlines()[-1:] or ["nothing"]
                if not self.is_running():
                    raise PoleFailed(f"{self.name} ended while it booted: {said[0]}") from None
                if self._clock.mono_ns() > deadline_ns:
                    raise PoleFailed(
                        f"{self.name} does not answer after {patience_s:g} s: {failure}"
                    ) from None
                self._clock.wait(_POLL_S)
            else:
                return

    def _start(self) -> None:
        self._group.mkdir(exist_ok=True)
        base = (self._directory / "base").readlink()
        container = [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--kill-signal=SIGRTMIN+3",
            f"--network-namespace-path=/run/netns/{self._street.namespace(self.name)}",
            "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            f"--machine={self._street.namespace(self.name)}",
            f"--hostname={self.name}",
            f"--uuid={self._place.serial}",
            "--console=pipe",
            f"--directory={self._directory / 'root'}",
            f"--bind={self._directory / 'evidence'}:{EVIDENCE_MOUNT}",
            "--boot",
        ]
        with (self._directory / "console.log").open("wb") as console:
            subprocess.Popen(
                [
                    *("unshare", "--mount", "sh", "-c", _START, "sh"),
                    *(str(self._group), str(self._directory), str(base)),
                    *container,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Where the host mixes both versions of control groups, systemd inside hangs
                # half way without it.
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        deadline_ns = self._clock.mono_ns() + int(_END_PATIENCE_S * NS_PER_S)
        while not self.is_running():
            if self._clock.mono_ns() > deadline_ns:
                raise PoleFailed(f"{self.name} did not start: {self.console().strip()}")
            self._clock.wait(_POLL_S)

    def _processes(self, part: str) -> list[int]:
        try:
            return [int(word) for word in (self._group / part / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def _wait_until_ended(self, patience_s: float) -> None:
        deadline_ns = self._clock.mono_ns() + int(patience_s * NS_PER_S)
        while self.is_running():
            if self._clock.mono_ns() > deadline_ns:
                raise PoleFailed(f"{self.name} does not end within {patience_s:g} s")
            self._clock.wait(_POLL_S)

    def _clear(self) -> None:
        """What nspawn leaves when it is killed: its groups, and a directory for mounts."""
        for group in sorted(self._group.rglob("*/"), reverse=True):
            with contextlib.suppress(OSError):
                group.rmdir()
        with contextlib.suppress(OSError):
            self._group.rmdir()
        with contextlib.suppress(OSError):
            (_PROPAGATE / self._street.namespace(self.name)).rmdir()


def _control_groups() -> Path:
    """Where the second version of control groups is mounted.

    Raises:
        PoleFailed: it is not.
    """
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    raise PoleFailed("no control groups of version 2 are mounted on this machine")
