"""The machine as it is kept: built once, booted once, then gone on from in seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
from qemu_machine.disks import build_tree, overlay
from qemu_machine.recipe import key_of
from qemu_machine.troubles import MachineFailed

from camera_vm.machine import Image, hardware, running
from camera_vm.recipe import HERE
from roeh.core.clock import Clock

#: The release in the machine.
_GUEST_RELEASE = "trixie"
#: Debian boots in 25 to 60 s without KVM; a busy machine may take several times as long.
_BOOT_PATIENCE_S = 600.0
#: With KVM that works, a kernel says something at once.
_KVM_PATIENCE_S = 30.0

#: What the checks import, read once from the disk into the memory that is kept.
_WARM_UP = (
    "/opt/roeh/bin/python -c 'import av, cv2, libcamera, msgspec, numpy, pytest, scipy' "
    "&& modprobe -n vivid && sync"
)


def image_disk(directory: Path) -> Path:
    """The disk that was built, never written to again."""
    return directory / "base.qcow2"


class Snapshot(msgspec.Struct, frozen=True):
    """A machine that was booted once, as it was then.

    Attributes:
        image: what was booted, and with what.
        directory: where the snapshot is.
    """

    image: Image
    directory: Path

    @property
    def disk(self) -> Path:
        """The disk as it was when the snapshot was taken, never written to again."""
        return self.directory / "ready.qcow2"

    @property
    def state(self) -> Path:
        """The machine's memory and devices at that moment."""
        return self.directory / "ready.state"


def snapshot_of(image: Image, qemu_version: str) -> Snapshot:
    """Where the snapshot of an image is, or is to be, as this QEMU takes it."""
    key = key_of((), *hardware(image.accelerator), qemu_version, _WARM_UP)
    return Snapshot(image, image.directory / f"snapshot-{key}")


def is_built(directory: Path) -> bool:
    """Whether there is a disk: it appears whole or not at all."""
    return image_disk(directory).exists()


def is_taken(snapshot: Snapshot) -> bool:
    """Whether there is a snapshot to go on from: it appears whole or not at all."""
    return snapshot.state.exists()


def build(directory: Path) -> None:
    """Build the disk, and forget those of other recipes.

    Raises:
        MachineFailed: Debian or a package is not to be had.
    """
    build_tree(directory, HERE / "image.sh", _GUEST_RELEASE)


def take(snapshot: Snapshot, run_directory: Path, clock: Clock) -> None:
    """Boot the disk once, warm it up, and keep the machine as it is then.

    Raises:
        MachineFailed: it does not boot.
    """
    image = snapshot.image
    for other in image.directory.glob("snapshot-*"):
        shutil.rmtree(other)
    snapshot.directory.mkdir()
    disk = overlay(image_disk(image.directory), snapshot.disk)
    partial = snapshot.directory / "partial"
    with running(image, disk, run_directory, clock) as machine:
        machine.wait_until_reached(_BOOT_PATIENCE_S)
        # "degraded" is up too: a unit that a machine without firmware cannot start.
        machine.run("systemctl is-system-running --wait || true", patience_s=_BOOT_PATIENCE_S)
        machine.run(_WARM_UP, patience_s=_BOOT_PATIENCE_S)
        machine.freeze_to(partial)
    partial.rename(snapshot.state)


def boots_with_kvm(image: Image, run_directory: Path, clock: Clock) -> bool:
    """Whether this machine's KVM boots a guest: on some it opens and boots none."""
    probe = Image(image.directory, "kvm")
    disk = overlay(image_disk(image.directory), run_directory / "probe.qcow2")
    try:
        with running(probe, disk, run_directory, clock) as machine:
            machine.wait_until_reached(_KVM_PATIENCE_S)
    except MachineFailed:
        return False
    finally:
        disk.unlink()
    return True
