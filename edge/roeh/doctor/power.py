"""Whether the board gets the power that it needs: now, and since it was started.

Sources: the Raspberry Pi firmware's word GET_THROTTLED; the kernel's
Documentation/hwmon/sysfs-interface (in*_lcrit_alarm, in*_min_alarm) and its power_supply class.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roeh.core.board import pi_throttled_bits
from roeh.core.clock import Clock
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good
from roeh.doctor.machine_view import MachineView, number_of, text_of

_UNDER_VOLTAGE, _SINCE_BOOT = 1 << 0, 16


def check_power(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """What the board and its voltage sensors say."""
    told = False
    bits = pi_throttled_bits(view.sys)
    if bits is not None:
        told = True
        yield judge_throttled(bits)
    alarms, names = _alarms(view.sys)
    for alarm in alarms:
        yield bad(Code.POWER_LOW, f"{alarm}: under-voltage now")
    supplies = list(_supplies(view.sys))
    if not alarms and (names or supplies):
        told = True
        yield good(", ".join([*names, *supplies]) + ": no under-voltage")
    if not told and not alarms:
        yield good("no sensor here tells of the supply: measure it at the board")


def judge_throttled(bits: int) -> Outcome:
    """The supply in a Raspberry Pi's own words."""
    if bits & _UNDER_VOLTAGE:
        return bad(
            Code.POWER_LOW, f"the firmware measures under-voltage now (throttled=0x{bits:x})"
        )
    if bits >> _SINCE_BOOT & _UNDER_VOLTAGE:
        return doubtful(
            Code.POWER_WAS_LOW,
            f"the firmware measured under-voltage since the start (throttled=0x{bits:x})",
        )
    return good("no under-voltage since the start, says the firmware")


def _alarms(sys: Path) -> tuple[list[str], list[str]]:
    """Sensors whose voltage is too low now, and all that would say so."""
    low: list[str] = []
    names: list[str] = []
    for chip in sorted((sys / "class/hwmon").glob("hwmon*")):
        name = text_of(chip / "name") or chip.name
        for alarm in sorted([*chip.glob("in*_lcrit_alarm"), *chip.glob("in*_min_alarm")]):
            raised = number_of(alarm)
            if raised is None:
                continue
            channel = alarm.name.partition("_")[0]
            label = text_of(chip / f"{channel}_label") or channel
            (low if raised else names).append(f"{name} {label}")
    return low, names


def _supplies(sys: Path) -> Iterator[str]:
    """Supplies that are not batteries, with what they give: a PoE hat, a barrel jack."""
    for supply in sorted((sys / "class/power_supply").glob("*")):
        if text_of(supply / "type") == "Battery" or number_of(supply / "online") != 1:
            continue
        current_ua = number_of(supply / "current_now")
        gives = "" if current_ua is None else f" {current_ua / 1e6:.2f} A"
        yield f"{supply.name}{gives}"
