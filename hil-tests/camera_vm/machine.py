"""The machine of `make camera-vm`: what it is made of and how QEMU is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from qemu_machine.machine import Machine, Reach, free_port, monitored, started

from roeh.core.clock import Clock

MEMORY_MIB = 1536
PROCESSORS = 2

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
    port = free_port()
    reach = Reach("root", "127.0.0.1", port, image.key, image.known_hosts, "camera-vm")
    command = _command(image, disk, directory, port, state)
    with started(command, reach, directory, clock) as machine:
        yield machine


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
        *monitored(directory),
        *incoming,
    )
