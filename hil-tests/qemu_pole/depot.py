"""A board made ready as a depot does, once, and boards of that kind put up in a street.

The first boot of a board runs the real systemd-repart: it divides the rest of the disk and binds
the evidence partition to that board's own TPM. Disk, TPM and firmware's variables are kept
together; a board put up later writes to a layer over that disk and has a copy of that TPM.

Technician's key and host key are the image's: a pole whose layer is broken starts from the
pristine root, and is still reached.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
from qemu_machine.disks import build_tree, overlay
from qemu_machine.recipe import key_of
from qemu_machine.troubles import MachineFailed
from virtual_pole import network, ways_in
from virtual_pole.street import Street

from qemu_pole.hardware import FIRMWARE_VARIABLES, Board
from qemu_pole.pole import BOOT_PATIENCE_S, POLE, QemuPole
from qemu_pole.recipe import CACHE, FIRST_BOOT, HERE, INGREDIENTS, RELEASE
from roeh.core.clock import NS_PER_S, Clock

_POLL_S = 0.2


class Depot(msgspec.Struct, frozen=True):
    """Where a kind of board is kept.

    Attributes:
        directory: of the disk that was built, and of the board that was made ready.
    """

    directory: Path

    @classmethod
    def of_this_checkout(cls) -> Depot:
        """The one that today's recipe makes."""
        return cls(CACHE / f"image-{key_of(INGREDIENTS, FIRST_BOOT)}")

    @property
    def disk(self) -> Path:
        """As the vendor hands it over: boot partition and root."""
        return self.directory / "base.qcow2"

    @property
    def ready(self) -> Board:
        """The board that was made ready, never written to again."""
        return Board(self.directory / "ready")

    def make_ready(self, clock: Clock) -> None:
        """Build the disk and make a board of it ready; nothing where there is one.

        Raises:
            MachineFailed: Debian is not to be had, or the board does not shut down.
            PoleFailed: the board does not come up.
        """
        if not self.disk.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(CACHE / "image-partial", ignore_errors=True)
            build_tree(self.directory, HERE / "image.sh", RELEASE)
        if self.ready.disk.exists():
            return
        bench = Street.at(CACHE / "bench")
        pole = self._put(bench, clock)
        try:
            _put_parts(pole.board, self.disk, None)
            pole.boot()
            pole.machine.run(FIRST_BOOT, patience_s=BOOT_PATIENCE_S)
            pole.machine.run("systemd-run --quiet --on-active=1 systemctl poweroff")
            _wait_until_off(pole, clock)
            partial = self.directory / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            shutil.move(pole.board.disk, partial)
            shutil.move(pole.board.firmware_variables, partial)
            shutil.move(pole.board.tpm, partial)
            partial.rename(self.ready.directory)
        finally:
            pole.cut()
            network.remove(bench)
            shutil.rmtree(bench.state, ignore_errors=True)

    def put_up(self, street: Street, clock: Clock) -> QemuPole:
        """A board of this kind in a street, booted; one that is there already stays as it is.

        Raises:
            MachineFailed: QEMU does not start.
            PoleFailed: it does not come up.
        """
        pole = QemuPole(street, POLE, clock)
        if pole.board.disk.exists():
            ways_in.write_config(street)
        else:
            pole = self._put(street, clock)
            _put_parts(pole.board, self.ready.disk, self.ready)
        pole.boot()
        # The street knows its machines' serials by their names.
        serial = street.place(POLE).serial
        pole.machine.run(
            f"grep -qx {serial} /etc/machine-id || {{ echo {serial} > /etc/machine-id && sync; }}"
        )
        return pole

    def _put(self, street: Street, clock: Clock) -> QemuPole:
        """An empty place with this kind's keys."""
        pole = QemuPole(street, POLE, clock)
        pole.cut()
        shutil.rmtree(pole.board.directory, ignore_errors=True)
        host_key = pole.board.directory / "upper/etc/ssh/ssh_host_ed25519_key"
        host_key.parent.mkdir(parents=True)
        street.connections.mkdir(parents=True, exist_ok=True)
        for name, there in (
            ("key", street.ssh_config.parent / "id_ed25519"),
            ("host_key", host_key),
        ):
            shutil.copy(self.directory / name, there)
            shutil.copy(self.directory / f"{name}.pub", f"{there}.pub")
        ways_in.make_key(street)
        ways_in.write_config(street)
        return pole


def copied(board: Board, directory: Path, *, has_its_tpm: bool) -> Board:
    """A copy of a board's disk in another board.

    Args:
        board: that is off.
        directory: where the copy is made; what was there is removed.
        has_its_tpm: with what its TPM holds, as nobody can copy it from a real one; otherwise
            the TPM is empty, as it leaves the factory.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    copy = Board(directory)
    shutil.copy(board.disk, copy.disk)
    shutil.copy(board.firmware_variables, copy.firmware_variables)
    if has_its_tpm:
        shutil.copytree(board.tpm, copy.tpm)
    else:
        copy.tpm.mkdir()
    return copy


def _put_parts(board: Board, disk: Path, ready: Board | None) -> None:
    overlay(disk, board.disk)
    if ready is None:
        shutil.copyfile(FIRMWARE_VARIABLES, board.firmware_variables)
        board.tpm.mkdir()
    else:
        shutil.copyfile(ready.firmware_variables, board.firmware_variables)
        shutil.copytree(ready.tpm, board.tpm)


def _wait_until_off(pole: QemuPole, clock: Clock) -> None:
    deadline_ns = clock.mono_ns() + int(BOOT_PATIENCE_S * NS_PER_S)
    while pole.machine.is_running():
        if clock.mono_ns() > deadline_ns:
            raise MachineFailed("the board does not shut down")
        clock.wait(_POLL_S)
