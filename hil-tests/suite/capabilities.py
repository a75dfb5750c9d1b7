"""What a tier can show, in words that tests ask for (edge/design/provisioning.md, Tiers)."""

from __future__ import annotations

import enum


class Capability(enum.Enum):
    """One thing that a tier has or has not; an environment file lists them as `features`."""

    SYSTEMD = "systemd"
    NETNS = "netns"
    POWER = "power"
    KERNEL = "kernel"
    CLOCK = "clock"
    TPM = "tpm"
    THEFT = "theft"
    CONSOLE = "console"
    TIME_SERVER = "time_server"
    CAMERA = "camera"
    BOARD = "board"

    @property
    def meaning(self) -> str:
        """What is there where it is."""
        return _MEANINGS[self]


_MEANINGS = {
    Capability.SYSTEMD: "real units, their sandbox, the watchdog of units",
    Capability.NETNS: "links that can be cut",
    Capability.POWER: "power that takes unsynced bytes with it",
    Capability.KERNEL: "a kernel of its own: hardware watchdog, overlay root",
    Capability.CLOCK: "a clock of its own that can be set",
    Capability.TPM: "a TPM that keeps the key of the evidence's disk",
    Capability.THEFT: "a disk that can be copied into another board",
    Capability.CONSOLE: "a serial line that is written down from the moment power comes",
    Capability.TIME_SERVER: "a time server that can be taken away",
    Capability.CAMERA: "a camera that can be unplugged",
    Capability.BOARD: "temperature, power supply and GPIO of a board",
}
