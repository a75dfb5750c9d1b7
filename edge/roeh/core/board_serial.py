"""The serial number by which a board is known: tokens of enrolment are bound to it.

A Raspberry Pi and a Jetson tell theirs in the device tree, PCs in DMI. Makers who have none
write a phrase into DMI, which many boards share, so phrases count for nothing. In a
container both are the host's; there, and where a board tells none, it is the machine id of
machine-id(5): it stands for the installation and not for the board.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path("/")

#: What a serial number may be, as a file name too.
SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{3,63}")

#: systemd writes it at the start of a container (its "Container Interface").
_CONTAINER = Path("run/systemd/container")
_MACHINE_ID = Path("etc/machine-id")
_BOARD = (
    Path("sys/firmware/devicetree/base/serial-number"),
    Path("sys/class/dmi/id/product_serial"),
)
_PHRASES = frozenset(
    {
        "default-string",
        "empty",
        "none",
        "not-applicable",
        "not-available",
        "not-specified",
        "o.e.m.",
        "oem",
        "serial-number",
        "system-serial-number",
        "to-be-filled-by-o.e.m",
        "unknown",
    }
)


def board_serial(root: Path = ROOT) -> str | None:
    """What this board calls itself; None when it tells nothing that could be its own.

    Args:
        root: where the file system begins.
    """
    places = (_MACHINE_ID,) if (root / _CONTAINER).exists() else (*_BOARD, _MACHINE_ID)
    for place in places:
        serial = parsed_serial(_text(root / place))
        if serial is not None:
            return serial
    return None


def parsed_serial(text: str) -> str | None:
    """A serial number as it is compared and written; None when it can be nobody's own.

    What is between its words becomes a hyphen.
    """
    serial = re.sub(r"[^A-Za-z0-9._+-]+", "-", text.strip("\0 \t\r\n")).strip("-.")
    if not SERIAL.fullmatch(serial) or serial.lower() in _PHRASES or len(set(serial)) == 1:
        return None
    return serial


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
