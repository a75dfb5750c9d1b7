"""What the board says of itself: heat, power, and the life that its disk has left.

Read from sysfs; what a board does not tell is None or empty. Sources: the kernel's
Documentation (thermal/sysfs-api, mmc-dev-attrs), and for the Raspberry Pi the firmware's
word GET_THROTTLED as its driver shows it. Bits 0 to 3 say what is now; 16 to 19, what was at
some time since the boot, are not told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

SYS = Path("/sys")

_GET_THROTTLED = Path("devices/platform/soc/soc:firmware/get_throttled")
#: By bit.
_PI_WORDS = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
#: Cooling devices that slow the board down, by the beginning of their type (a fan does not).
_SLOWING = ("thermal-cpufreq", "thermal-devfreq", "cpufreq", "Processor")
_MILLI = 1000
#: A sensor beyond is broken or absent, and says so with a figure such as -274 or 255.
_MIN_C, _MAX_C = -60.0, 150.0
#: One step of the life time estimate (JEDEC eMMC 5.0, EXT_CSD 268 and 269).
_LIFE_STEP_PERCENT = 10.0
_LIFE_EXCEEDED = 0x0B
#: Disks may lie on disks (LUKS on a partition): deeper than any set-up goes.
_MAX_DEPTH = 4


class BoardState(msgspec.Struct, frozen=True):
    """How the board is now.

    Attributes:
        temperature_c: of the hottest sensor; None without one.
        throttled: what holds the board back, in stable words; empty: nothing, or it does
            not say.
    """

    temperature_c: float | None
    throttled: tuple[str, ...]


def read_board(sys_root: Path = SYS) -> BoardState:
    """How the board is now.

    Args:
        sys_root: where sysfs is mounted.
    """
    words = _pi_words(sys_root)
    if not words and _is_slowed(sys_root):
        words = ("throttled",)
    return BoardState(temperature_c=_hottest_c(sys_root), throttled=words)


def disk_life_used_percent(path: Path, sys_root: Path = SYS) -> float | None:
    """How much of its life the eMMC that holds `path` has behind it, as it says itself.

    In steps of ten, rounded up; 110: it is worn out by the maker's measure. None where the
    disk does not say, or the file system lies on none.

    Args:
        path: a file or directory that is there.
        sys_root: where sysfs is mounted.
    """
    try:
        device = path.stat().st_dev
    except OSError:
        return None
    node = sys_root / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    used = [_life_used_percent(disk) for disk in whole_disks(node)]
    return max((each for each in used if each is not None), default=None)


def whole_disks(node: Path, depth: int = _MAX_DEPTH) -> Iterator[Path]:
    """The whole disks that a block device lies on, as sysfs shows them.

    Args:
        node: the device's directory in sysfs, or a link to it.
        depth: how many layers (LUKS, LVM) are looked through.
    """
    try:
        found = node.resolve(strict=True)
        slaves = sorted((found / "slaves").iterdir()) if (found / "slaves").is_dir() else []
    except OSError:
        return
    if slaves and depth:
        for slave in slaves:
            yield from whole_disks(slave, depth - 1)
    elif (found / "partition").exists():
        yield found.parent
    else:
        yield found


def pi_throttled_bits(sys_root: Path = SYS) -> int | None:
    """GET_THROTTLED as a Raspberry Pi's firmware says it; None on another board.

    Bits 0 to 3: under-voltage, frequency capped, throttled, soft temperature limit, now; 16 to
    19 the same at some time since the boot.
    """
    return _number(sys_root / _GET_THROTTLED, base=16)


def _hottest_c(sys_root: Path) -> float | None:
    found = [
        milli / _MILLI
        for zone in (sys_root / "class/thermal").glob("thermal_zone*")
        if (milli := _number(zone / "temp")) is not None and _MIN_C < milli / _MILLI < _MAX_C
    ]
    return max(found, default=None)


def _pi_words(sys_root: Path) -> tuple[str, ...]:
    bits = pi_throttled_bits(sys_root) or 0
    return tuple(word for bit, word in enumerate(_PI_WORDS) if bits >> bit & 1)


def _is_slowed(sys_root: Path) -> bool:
    """Whether the kernel holds a processor back: any board with cooling devices says so."""
    for device in (sys_root / "class/thermal").glob("cooling_device*"):
        kind = _text(device / "type") or ""
        is_slowing = kind.startswith(_SLOWING) or "throttle" in kind
        if is_slowing and (_number(device / "cur_state") or 0) > 0:
            return True
    return False


def _life_used_percent(disk: Path) -> float | None:
    """Of the two kinds of cell that an eMMC may have, the one that is worn more."""
    words = (_text(disk / "device" / "life_time") or "").split()
    steps = [_parsed(word, 16) or 0 for word in words]
    known = [step for step in steps if 0 < step <= _LIFE_EXCEEDED]
    return max(known) * _LIFE_STEP_PERCENT if known else None


def _number(path: Path, base: int = 10) -> int | None:
    return _parsed(_text(path) or "", base)


def _parsed(text: str, base: int) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    """What a file of sysfs says; sensors that are switched off refuse to be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
