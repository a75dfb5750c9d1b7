"""The housing: closed or open, upright or leaning.

Sources: the kernel's input-event-codes.h (SW_MACHINE_COVER: set when the cover is closed) and
EVIOCGSW of input.h; hwmon/sysfs-interface (intrusion0_alarm); ABI/testing/sysfs-bus-iio.
"""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from roeh.core.clock import Clock
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, doubtful, good
from roeh.doctor.machine_view import MachineView, number_of, text_of

_CASE_STATE = Path("run/roeh-case/state")
_SW_MACHINE_COVER = 0x10
_SWITCH_BYTES = 8
#: _IOC(_IOC_READ, 'E', 0x1b, 8): all switches of an input device.
_EVIOCGSW = 2 << 30 | _SWITCH_BYTES << 16 | ord("E") << 8 | 0x1B
_GRAVITY = 9.80665
#: A sensor at rest that measures anything beyond is broken or being shaken.
_GRAVITY_WITHIN = 1.0
#: Mounting clamps hold to about two degrees; the poses of cameras are good to half a degree.
_LEANING_DEG = 3.0

SwitchReader = Callable[[Path], int | None]


def device_switches(device: Path) -> int | None:
    """The bits of an input device's switches; None where it cannot be asked."""
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        answer = fcntl.ioctl(descriptor, _EVIOCGSW, bytes(_SWITCH_BYTES))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return int.from_bytes(answer, "little")


def check_case(
    view: MachineView, _clock: Clock, switches_of: SwitchReader = device_switches
) -> Iterator[Outcome]:
    """Whether the housing is closed, where a switch tells it."""
    state = text_of(view.root / _CASE_STATE)
    if state in {"open", "closed"}:
        # Who watches the switch says so (roeh-case.service).
        yield (
            good("closed") if state == "closed" else doubtful(Code.CASE_OPEN, "the housing is open")
        )
        return
    told = False
    for device in sorted((view.sys / "class/input").glob("event*")):
        if not _has_cover_switch(device):
            continue
        switches = switches_of(view.root / "dev/input" / device.name)
        name = text_of(device / "device/name") or device.name
        if switches is None:
            continue
        told = True
        if switches >> _SW_MACHINE_COVER & 1:
            yield good(f"{name}: closed")
        else:
            yield doubtful(Code.CASE_OPEN, f"{name}: the housing is open")
    for alarm in sorted((view.sys / "class/hwmon").glob("hwmon*/intrusion*_alarm")):
        told = True
        name = text_of(alarm.parent / "name") or alarm.parent.name
        if number_of(alarm):
            yield doubtful(Code.CASE_OPEN, f"{name}: the housing is or was open")
        else:
            yield good(f"{name}: closed")
    if not told:
        yield good("no switch here tells whether the housing is open")


def check_tilt(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """How far the housing leans, by an accelerometer where there is one."""
    told = False
    for device in sorted((view.sys / "bus/iio/devices").glob("iio:device*")):
        if not (device / "in_accel_x_raw").exists():
            continue
        told = True
        name = text_of(device / "name") or device.name
        yield judge_tilt(name, read_acceleration(device))
    if not told:
        yield good("no accelerometer here: nobody notices a pole that was hit; look at it")


def read_acceleration(device: Path) -> tuple[float, float, float] | None:
    """Metres per second squared along the sensor's axes; None where it does not say."""
    axes = []
    for axis in "xyz":
        raw = number_of(device / f"in_accel_{axis}_raw")
        scale = text_of(device / f"in_accel_{axis}_scale") or text_of(device / "in_accel_scale")
        offset = text_of(device / f"in_accel_{axis}_offset") or text_of(device / "in_accel_offset")
        try:
            axes.append(((raw or 0) + float(offset or 0)) * float(scale))
        except ValueError:
            return None
        if raw is None:
            return None
    x, y, z = axes
    return x, y, z


def judge_tilt(name: str, acceleration: tuple[float, float, float] | None) -> Outcome:
    """How far the axis that is nearest to the vertical is from it.

    The sensor is mounted square to the housing; which way round does not matter.
    """
    if acceleration is None:
        return doubtful(Code.TILT_SILENT, f"{name} gives no figures")
    total = math.hypot(*acceleration)
    if abs(total - _GRAVITY) > _GRAVITY_WITHIN:
        return doubtful(Code.TILT_SILENT, f"{name} measures {total:.1f} m/s² in place of 9.8")
    nearest = max(range(3), key=lambda axis: abs(acceleration[axis]))
    across = math.hypot(*(value for axis, value in enumerate(acceleration) if axis != nearest))
    leaning_deg = math.degrees(math.atan2(across, abs(acceleration[nearest])))
    what = f"the housing leans {leaning_deg:.1f} degrees ({name}, axis {'xyz'[nearest]})"
    return doubtful(Code.TILT_LEANING, what) if leaning_deg > _LEANING_DEG else good(what)


def _has_cover_switch(device: Path) -> bool:
    """By the bits in capabilities/sw: words of the kernel's long, the highest first."""
    words = text_of(device / "device/capabilities/sw").split()
    try:
        lowest = int(words[-1], 16) if words else 0
    except ValueError:
        return False
    return bool(lowest >> _SW_MACHINE_COVER & 1)
