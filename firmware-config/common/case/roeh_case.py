#!/usr/bin/python3
"""Tells the journal when the door of the case opens or closes, and how it stood at the start.

The switch is an input device (overlay roeh-case). A change is a warning (`<4>` before the line is
its level to journald), and what is so now stands in /run/roeh-case/state: "open" or "closed".
Sources: linux/input.h, linux/input-event-codes.h, Documentation/input/input.rst.
"""

from __future__ import annotations

import fcntl
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

DEVICE = Path("/dev/input/roeh-case")
STATE = Path("/run/roeh-case/state")
EV_SW = 5
SW_MACHINE_COVER = 16
_SWITCHES_BYTES = 8
#: EVIOCGSW(8): _IOC(read, 'E', 0x1b, 8 bytes).
_EVIOCGSW = 2 << 30 | _SWITCHES_BYTES << 16 | ord("E") << 8 | 0x1B
#: struct input_event of a 64-bit kernel: two 64-bit times, type, code, value.
_EVENT = struct.Struct("qqHHi")


def stands_open(device: BinaryIO) -> bool:
    """How the door stands, as the kernel has it: the switch is set while it is closed."""
    switches = fcntl.ioctl(device, _EVIOCGSW, bytes(_SWITCHES_BYTES))
    return not int.from_bytes(switches, sys.byteorder) >> SW_MACHINE_COVER & 1


def changes(device: BinaryIO) -> Iterator[bool]:
    """Whether it is open, each time that the switch moves; ends with the device."""
    while len(event := device.read(_EVENT.size)) == _EVENT.size:
        _, _, kind, code, value = _EVENT.unpack(event)
        if kind == EV_SW and code == SW_MACHINE_COVER:
            yield not value


def tell(*, is_open: bool, state: Path, say: Callable[[str], object]) -> None:
    """One line to the journal, and the state for who asks later."""
    if is_open:
        say("<4>the case is open\n")
    else:
        say("<5>the case is closed\n")
    state.write_text("open\n" if is_open else "closed\n")


def main() -> int:
    """Watch the switch until it goes."""
    with DEVICE.open("rb", buffering=0) as device:
        tell(is_open=stands_open(device), state=STATE, say=sys.stderr.write)
        for is_open in changes(device):
            tell(is_open=is_open, state=STATE, say=sys.stderr.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
