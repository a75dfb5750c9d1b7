"""A board made ready as a depot does, once, and boards of that kind put up in a street.

The first boot of a board runs the real systemd-repart: it divides the rest of the disk and binds
the evidence partition to that board's own TPM. Disk, TPM and firmware's variables are kept
together; a board put up later writes to a layer over that disk and has a copy of that TPM.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
from qemu_machine.disks import build_tree, overlay
from qemu_machine.machine import Reach
from qemu_machine.recipe import key_of
from qemu_machine.troubles import MachineFailed
from virtual_pole import network, ways_in
from virtual_pole.commands import output, packed
from virtual_pole.street import Street
from virtual_pole.troubles import PoleFailed

from qemu_pole.hardware import FIRMWARE_VARIABLES, Board
from qemu_pole.pole import BOOT_PATIENCE_S, QemuPole
from qemu_pole.recipe import CACHE, HERE, INGREDIENTS, RELEASE
from roeh.core.clock import NS_PER_S, Clock

_POLE = "pole-1"
_POLL_S = 0.2
_SHORT_PATIENCE_S = 20.0

#: The rest of the disk divided, the evidence partition formatted and bound to this TPM.
_FIRST_BOOT = "systemd-repart --dry-run=no /dev/vda >&2 && udevadm settle && sync"


class Depot(msgspec.Struct, frozen=True):
    """Where a kind of board is kept.

    Attributes:
        directory: of the disk that was built, and of the board that was made ready.
    """

    directory: Path

    @classmethod
    def of_this_checkout(cls) -> Depot:
        """The one that today's recipe makes."""
        return cls(CACHE / f"image-{key_of(INGREDIENTS)}")

    @property
    def disk(self) -> Path:
        """As the vendor hands it over: boot partition and root."""
        return self.directory / "base.qcow2"

    @property
    def ready(self) -> Board:
        """The board that was made ready, never written to again."""
        return Board(self.directory / "ready")

    def reach(self, street: Street) -> Reach:
        """How a board is reached that nobody has given keys of a street yet."""
        return Reach(
            "technician",
            street.place(_POLE).address,
            22,
            self.directory / "key",
            self.directory / "known_hosts",
            "qemu-pole",
            tuple(network.in_namespace(street.laptop)),
        )

    def make_ready(self, clock: Clock) -> None:
        """Build the disk and make a board of it ready; nothing where there is one.

        Raises:
            MachineFailed: Debian is not to be had, or the board does not come up.
        """
        if not self.disk.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(CACHE / "image-partial", ignore_errors=True)
            build_tree(self.directory, HERE / "image.sh", RELEASE)
        if self.ready.disk.exists():
            return
        street = Street.at(CACHE / "bench")
        pole = QemuPole(street, _POLE, clock)
        pole.cut()
        shutil.rmtree(pole.board.directory, ignore_errors=True)
        try:
            self._put_parts(pole.board, self.disk, None)
            pole.power_on()
            self._run(street, _FIRST_BOOT, clock, pole)
            self._run(street, "systemctl poweroff", clock, pole)
            _wait_until_off(pole, clock)
            shutil.rmtree(self.ready.directory, ignore_errors=True)
            partial = self.directory / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(pole.board.directory, partial, ignore=_sockets)
            partial.rename(self.ready.directory)
        finally:
            pole.cut()
            network.remove(street)
            shutil.rmtree(street.state, ignore_errors=True)

    def put_up(self, street: Street, clock: Clock) -> QemuPole:
        """A board of this kind in a street, with that street's keys, booted.

        What is there already stays as it is.

        Raises:
            MachineFailed: it does not come up.
        """
        pole = QemuPole(street, _POLE, clock)
        if (pole.board.directory / "given").exists():
            pole.boot()
            return pole
        pole.cut()
        shutil.rmtree(pole.board.directory, ignore_errors=True)
        self._put_parts(pole.board, self.ready.disk, self.ready)
        place = street.place(_POLE)
        upper = pole.board.directory / "upper"
        ways_in.make_key(street)
        ways_in.give_machine(street, place, upper)
        (upper / "etc/hostname").write_text(f"{_POLE}\n")
        (upper / "etc/machine-id").write_text(f"{place.serial}\n")
        ways_in.write_config(street)
        pole.power_on()
        self._wait(street, clock, pole)
        given = packed(upper, ("etc", "home"))
        self._run(
            street,
            "tar -x -C / --no-same-owner && chown -R technician: /home/technician"
            " && chown -R root: /etc/ssh && chmod 600 /etc/ssh/ssh_host_ed25519_key && sync"
            " && systemctl restart ssh",
            clock,
            pole,
            given,
        )
        pole.wait_until_reached()
        (pole.board.directory / "given").touch()
        return pole

    def _put_parts(self, board: Board, disk: Path, ready: Board | None) -> None:
        board.directory.mkdir(parents=True)
        overlay(disk, board.disk)
        if ready is None:
            shutil.copyfile(FIRMWARE_VARIABLES, board.firmware_variables)
            board.tpm.mkdir()
        else:
            shutil.copyfile(ready.firmware_variables, board.firmware_variables)
            shutil.copytree(ready.tpm, board.tpm)

    def _wait(self, street: Street, clock: Clock, pole: QemuPole) -> None:
        deadline_ns = clock.mono_ns() + int(BOOT_PATIENCE_S * NS_PER_S)
        while True:
            try:
                output(self._ssh(street, "true"), patience_s=_SHORT_PATIENCE_S)
            except PoleFailed as failure:
                if not pole.machine.is_running() or clock.mono_ns() > deadline_ns:
                    raise MachineFailed(
                        f"the board does not come up: {failure}; {pole.console()[-500:]}"
                    ) from None
                clock.wait(_POLL_S)
            else:
                return

    def _run(
        self, street: Street, command: str, clock: Clock, pole: QemuPole, given: bytes | None = None
    ) -> None:
        self._wait(street, clock, pole)
        done = subprocess.run(
            self._ssh(street, f"sudo -n -- sh -c '{command}'"),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=BOOT_PATIENCE_S,
            check=False,
        )
        # The connection of whoever shuts down ends before it does.
        if done.returncode and "poweroff" not in command:
            raise MachineFailed(f"{command}: {done.stderr.decode(errors='replace').strip()}")

    def _ssh(self, street: Street, command: str) -> list[str]:
        reach = self.reach(street)
        return [*reach.words(Path("none"), "-o", "ControlPersist=no"), command]


def _wait_until_off(pole: QemuPole, clock: Clock) -> None:
    deadline_ns = clock.mono_ns() + int(BOOT_PATIENCE_S * NS_PER_S)
    while pole.machine.is_running():
        if clock.mono_ns() > deadline_ns:
            raise MachineFailed("the board does not shut down")
        clock.wait(_POLL_S)


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (Path(folder) / name).is_file() and name != "tpm"]
