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
    Capability.KERNEL: "a kernel of its own: LUKS, TPM, hardware watchdog, overlay root",
    Capability.CLOCK: "a clock of its own that can be set",
    Capability.CAMERA: "a camera that can be unplugged",
    Capability.BOARD: "temperature, power supply and GPIO of a board",
}
