"""The node's units under systemd, and who wakes up a board that hangs.

Sources: systemctl(1), org.freedesktop.systemd1(5); the kernel's
Documentation/ABI/testing/sysfs-class-watchdog.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import one_line
from roeh.core.peers import PROCESSES
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good
from roeh.doctor.machine_view import MachineView, number_of, text_of

UNITS = tuple(f"roeh-{role.value}.service" for role in PROCESSES)
_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,NRestarts,Result,ExecMainStatus,WatchdogUSec,"
    "ActiveEnterTimestampMonotonic"
)
_US_PER_S = 1_000_000
#: A unit that was started again and has run so long since is well.
_WELL_AFTER_S = 600
_MOST_WORDS = 300


class Unit(msgspec.Struct, frozen=True):
    """A unit as systemd knows it. `since_us`: when it became active, CLOCK_MONOTONIC."""

    name: str
    is_known: bool
    active: str
    sub: str
    restarts: int
    result: str
    exit_status: int
    has_watchdog: bool
    since_us: int


def check_units(_config: NodeConfig, view: MachineView, clock: Clock) -> Iterator[Outcome]:
    """Each process of the node: it runs, has run for a while, and is watched."""
    if not view.has_systemd:
        yield good("no systemd here: who started the node looks after it")
        return
    answer = view.tool("systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", *UNITS)
    if answer is None or answer.status != 0:
        yield bad(Code.UNIT_FAILED, "systemd does not answer")
        return
    units = [unit for unit in read_units(answer.out) if unit.is_known]
    if not units:
        yield good("the node's units are not installed: this is no provisioned pole")
        return
    now_us = clock.mono_ns() // NS_PER_US
    found = [
        outcome for unit in units for outcome in judge_unit(unit, now_us, _last_words(view, unit))
    ]
    yield from found
    if not found:
        yield good(f"{len(units)} units run and are watched")


def read_units(text: str) -> list[Unit]:
    """Blocks of `systemctl show`, an empty line between two."""
    units = []
    for block in text.split("\n\n"):
        told = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        if "Id" not in told:
            continue
        units.append(
            Unit(
                name=told["Id"].removesuffix(".service"),
                is_known=told.get("LoadState") == "loaded",
                active=told.get("ActiveState", ""),
                sub=told.get("SubState", ""),
                restarts=_whole(told.get("NRestarts", "")),
                result=told.get("Result", ""),
                exit_status=_whole(told.get("ExecMainStatus", "")),
                has_watchdog=told.get("WatchdogUSec", "0") not in {"0", "infinity", ""},
                since_us=_whole(told.get("ActiveEnterTimestampMonotonic", "")),
            )
        )
    return units


def judge_unit(unit: Unit, now_us: int, last_words: str = "") -> Iterator[Outcome]:
    """What is wrong with a unit; nothing when nothing is."""
    said = f'; its last words: "{last_words}"' if last_words else ""
    if unit.active != "active":
        why = f"{unit.active} ({unit.sub}), {unit.result}, status {unit.exit_status}"
        yield bad(Code.UNIT_FAILED, f"{unit.name} is {why}{said}")
        return
    ran_s = (now_us - unit.since_us) / _US_PER_S
    if unit.restarts and ran_s < _WELL_AFTER_S:
        yield doubtful(
            Code.UNIT_RESTARTED,
            f"{unit.name} was started again {unit.restarts} times, last {ran_s:.0f} s ago{said}",
        )
    if not unit.has_watchdog:
        yield doubtful(Code.UNIT_UNWATCHED, f"{unit.name} has no WatchdogSec")


def check_watchdog(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """The hardware watchdog is there, and somebody pets it."""
    devices = sorted((view.sys / "class/watchdog").glob("watchdog*"))
    if not devices:
        if not view.has_systemd or (view.root / "run/systemd/container").exists():
            yield good("no hardware watchdog in this machine")
        else:
            yield doubtful(Code.WATCHDOG_OFF, "no hardware watchdog is known to the kernel")
        return
    armed = [device for device in devices if text_of(device / "state") == "active"]
    if armed:
        timeout_s = number_of(armed[0] / "timeout")
        name = text_of(armed[0] / "identity") or armed[0].name
        yield good(f"{name} is armed, {timeout_s} s")
    else:
        name = text_of(devices[0] / "identity") or devices[0].name
        yield doubtful(Code.WATCHDOG_OFF, f"{name} is there and not armed")


def _last_words(view: MachineView, unit: Unit) -> str:
    """The last line that the unit's processes themselves wrote; asked only of one in trouble."""
    if unit.active == "active" and not unit.restarts:
        return ""
    answer = view.tool(
        "journalctl", "--no-pager", "--quiet", "--lines=1", "--output=cat",
        f"_SYSTEMD_UNIT={unit.name}.service",
    )  # fmt: skip
    return one_line(answer.out.strip())[:_MOST_WORDS] if answer is not None else ""


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
