"""How hot the board is against where it slows down, and whether its fan turns.

Sources: the kernel's Documentation/driver-api/thermal/sysfs-api and hwmon/sysfs-interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roeh.core.board import pi_throttled_bits, read_board
from roeh.core.clock import Clock
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, doubtful, good
from roeh.doctor.machine_view import MachineView, number_of, text_of

_MILLI = 1000
_NEAR_C = 5.0
_MIN_C, _MAX_C = -60.0, 150.0
#: Of GET_THROTTLED at some time since the boot: throttled, and the soft limit of temperature.
_HEAT_SINCE_BOOT = (1 << 18) | (1 << 19)
_SLOWS = frozenset({"passive", "hot", "critical"})
_HEAT_WORDS = frozenset({"throttled", "soft_temperature_limit"})
#: Below, a fan may well stand still although it is told to turn a little.
_FAN_TOLD_PWM = 100


def check_heat(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """Every zone against its own limits, and what the board has done about it."""
    board = read_board(view.sys)
    if board.temperature_c is None:
        yield good("no sensor of temperature here")
        return
    hottest = f"the hottest part has {board.temperature_c:.0f} °C"
    slowed = _HEAT_WORDS.intersection(board.throttled)
    near = list(_near(view.sys))
    if slowed:
        yield doubtful(Code.HEAT_THROTTLED, f"{hottest}; the board is slowed down")
    for what in near:
        yield doubtful(Code.HEAT_NEAR, what)
    was = (pi_throttled_bits(view.sys) or 0) & _HEAT_SINCE_BOOT
    if was and not slowed:
        yield doubtful(Code.HEAT_WAS, f"{hottest}; it was slowed down since the start")
    if not slowed and not near and not was:
        yield good(hottest)


def check_fan(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """A fan that is told to turn turns."""
    fans = [fan for fan in _fans(view.sys) if number_of(fan) is not None]
    for fan in fans:
        turns = number_of(fan) or 0
        told = number_of(fan.with_name(fan.name.replace("fan", "pwm").replace("_input", "")))
        name = f"{text_of(fan.parent / 'name') or fan.parent.name} {fan.name.partition('_')[0]}"
        if turns == 0 and told is not None and told >= _FAN_TOLD_PWM:
            yield doubtful(Code.FAN_STUCK, f"{name} is told to turn ({told} of 255) and does not")
        else:
            yield good(f"{name}: {turns} turns a minute")
    if not fans:
        yield good("no fan here tells its speed")


def _near(sys: Path) -> Iterator[str]:
    for zone in sorted((sys / "class/thermal").glob("thermal_zone*")):
        now = number_of(zone / "temp")
        if now is None or not _MIN_C < now / _MILLI < _MAX_C:
            continue
        limits = [
            limit / _MILLI
            for kind in zone.glob("trip_point_*_type")
            if text_of(kind) in _SLOWS
            and (limit := number_of(kind.with_name(kind.name.replace("_type", "_temp"))))
            and limit > 0
        ]
        if limits and now / _MILLI > min(limits) - _NEAR_C:
            name = text_of(zone / "type") or zone.name
            yield f"{name} has {now / _MILLI:.0f} °C; the board acts at {min(limits):.0f} °C"


def _fans(sys: Path) -> list[Path]:
    return sorted((sys / "class/hwmon").glob("hwmon*/fan*_input"))
