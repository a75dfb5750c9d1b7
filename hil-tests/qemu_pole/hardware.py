"""The board itself, as QEMU is told: firmware, disk, network card, watchdog, TPM, clock."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec
from qemu_machine.machine import monitored

MEMORY_MIB = 3072
PROCESSORS = 2

_FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


class Disk(enum.Enum):
    """What becomes of the guest's writes when the power goes.

    WRITE_BACK: what the guest has written out is in this machine's memory and survives; what it
    only holds in its own memory is gone.
    """

    WRITE_BACK = "writeback"
    UNSAFE = "unsafe"


class Board(msgspec.Struct, frozen=True):
    """One board's own parts, in a directory.

    Attributes:
        directory: where they are; a short path, for sockets.
    """

    directory: Path

    @property
    def disk(self) -> Path:
        """Its disk."""
        return self.directory / "disk.qcow2"

    @property
    def firmware_variables(self) -> Path:
        """What its firmware remembers."""
        return self.directory / "variables.fd"

    @property
    def tpm(self) -> Path:
        """What its TPM holds."""
        return self.directory / "tpm"

    @property
    def tpm_socket(self) -> Path:
        """How QEMU reaches it."""
        return self.directory / "tpm.socket"

    @property
    def console(self) -> Path:
        """What kernel and systemd said since power came."""
        return self.directory / "console.log"

    @property
    def monitor(self) -> Path:
        """QEMU's monitor."""
        return self.directory / "qmp"


def tpm_command(board: Board) -> list[str]:
    """The command line of the board's TPM, which ends with QEMU."""
    return [
        *("swtpm", "socket", "--tpm2", "--terminate"),
        *("--tpmstate", f"dir={board.tpm}"),
        *("--ctrl", f"type=unixio,path={board.tpm_socket}"),
    ]


def board_command(
    board: Board,
    network: str,
    hardware_address: str,
    *,
    disk: Disk = Disk.WRITE_BACK,
    has_tpm: bool = True,
    clock_utc: str = "",
) -> list[str]:
    """QEMU's command line.

    Args:
        board: whose.
        network: the tap interface, in QEMU's own network namespace.
        hardware_address: of the network card.
        disk: how careful it is.
        has_tpm: whether there is one.
        clock_utc: what the battery-backed clock says at first, as 2026-11-23T12:00:00; empty:
            what it is.
    """
    tpm = (
        *("-chardev", f"socket,id=tpm,path={board.tpm_socket}"),
        *("-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm"),
    )
    return [
        "qemu-system-x86_64",
        *("-machine", "q35,smm=off", "-nodefaults", "-no-user-config", "-display", "none"),
        # Without KVM wherever it runs: a machine's KVM may open and boot no guest.
        # No AVX: as QEMU 7.2 imitates it, detect ended by SIGSEGV every minute.
        *("-accel", "tcg,thread=multi", "-cpu", "Westmere"),
        *("-smp", str(PROCESSORS), "-m", str(MEMORY_MIB)),
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_FIRMWARE}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={board.firmware_variables}"),
        *("-drive", f"file={board.disk},if=virtio,format=qcow2,cache={disk.value},discard=unmap"),
        *("-netdev", f"tap,id=net,ifname={network},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net,mac={hardware_address}"),
        *("-device", "virtio-rng-pci"),
        *("-device", "i6300esb", "-action", "watchdog=reset"),
        *("-rtc", f"base={clock_utc or 'utc'},clock={'vm' if clock_utc else 'host'}"),
        *(tpm if has_tpm else ()),
        *monitored(board.directory),
    ]
