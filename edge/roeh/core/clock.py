"""The only place that asks the system for the time.

Monotonic time orders things inside one boot; UTC with an error bound says when they
happened; the boot id says which boot. Nothing is ordered by UTC. Tests and replay
use SimulatedClock.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from pathlib import Path
from typing import Protocol

import msgspec

NS_PER_S = 1_000_000_000
NS_PER_US = 1_000

#: What a clock that was never synchronised is said to be off by, at the least.
UNSYNCHRONISED_ERROR_NS = 3600 * NS_PER_S


class ClockReading(msgspec.Struct, frozen=True):
    """One instant on every time scale, read together.

    Attributes:
        t_mono_ns: CLOCK_MONOTONIC of this boot.
        t_utc_ns: UTC since the Unix epoch.
        utc_error_ns: bound of |t_utc_ns - true UTC|, as the kernel's discipline states it.
        synchronised: whether the kernel believes its clock is disciplined.
        boot_id: the kernel's random id of this boot.
    """

    t_mono_ns: int
    t_utc_ns: int
    utc_error_ns: int
    synchronised: bool
    boot_id: str


class Discipline(msgspec.Struct, frozen=True):
    """How the kernel's clock is kept.

    Attributes:
        synchronised: whether the kernel believes its clock is disciplined.
        utc_error_ns: bound of its distance from true UTC.
    """

    synchronised: bool
    utc_error_ns: int


#: Nothing is known of it.
UNKNOWN_DISCIPLINE = Discipline(False, UNSYNCHRONISED_ERROR_NS)


class DisciplineTold(Protocol):
    """Whom to ask where the kernel may not be asked."""

    def at(self, t_mono_ns: int, t_utc_ns: int, boot_id: str) -> Discipline:
        """How the clock was kept when it read this."""
        ...


class Clock(Protocol):
    """What time it is. `wait` is the only way to let time pass."""

    def read(self) -> ClockReading:
        """All time scales at one instant."""
        ...

    def mono_ns(self) -> int:
        """Monotonic time alone, for intervals."""
        ...

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME: monotonic time and all the time this board was suspended."""
        ...

    def wait(self, duration_s: float, stop: threading.Event | None = None) -> bool:
        """Let time pass; True when `stop` was set before it had."""
        ...


class _Timex(ctypes.Structure):
    """`struct timex` of Linux (adjtimex(2)); only the leading fields are read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("reserved", ctypes.c_byte * 256),
    )


_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_STA_UNSYNC = 0x0040


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _kernel_discipline() -> Discipline | None:
    """How the kernel's clock is kept; None where it may not be asked."""
    timex = _Timex()
    state: int = _libc().adjtimex(ctypes.byref(timex))
    if state < 0:
        return None
    if state == _TIME_ERROR or timex.status & _STA_UNSYNC:
        return UNKNOWN_DISCIPLINE
    return Discipline(True, int(timex.maxerror) * NS_PER_US)


@functools.cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class SystemClock:
    """The machine's own clocks, with the error bound the kernel states (adjtimex(2)).

    Args:
        told: believed where a sandbox forbids adjtimex; without it the clock counts as
            unsynchronised there.
    """

    def __init__(self, told: DisciplineTold | None = None) -> None:
        self._told = told

    def read(self) -> ClockReading:
        """All time scales at one instant."""
        kept = _kernel_discipline()
        t_mono_ns, t_utc_ns, boot_id = time.monotonic_ns(), time.time_ns(), _boot_id()
        if kept is None:
            told = self._told
            kept = UNKNOWN_DISCIPLINE if told is None else told.at(t_mono_ns, t_utc_ns, boot_id)
        return ClockReading(
            t_mono_ns=t_mono_ns,
            t_utc_ns=t_utc_ns,
            utc_error_ns=kept.utc_error_ns,
            synchronised=kept.synchronised,
            boot_id=boot_id,
        )

    def mono_ns(self) -> int:
        """Monotonic time alone, for intervals."""
        return time.monotonic_ns()

    def boot_ns(self) -> int:
        """Time since boot, suspended or not (clock_gettime(2))."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wait(self, duration_s: float, stop: threading.Event | None = None) -> bool:
        """Sleep, or wait for `stop`; True when `stop` was set."""
        if stop is not None:
            return stop.wait(max(0.0, duration_s))
        time.sleep(max(0.0, duration_s))
        return False


class SimulatedClock:
    """A clock that moves only when told to; UTC may be stepped apart from monotonic time."""

    def __init__(
        self,
        *,
        t_utc_ns: int = 1_700_000_000 * NS_PER_S,
        t_mono_ns: int = 0,
        utc_error_ns: int = 0,
        synchronised: bool = True,
        boot_id: str = "00000000-0000-4000-8000-000000000000",
        suspended_ns: int = 0,
    ) -> None:
        self._suspended_ns = suspended_ns
        self._reading = ClockReading(
            t_mono_ns=t_mono_ns,
            t_utc_ns=t_utc_ns,
            utc_error_ns=utc_error_ns,
            synchronised=synchronised,
            boot_id=boot_id,
        )

    def read(self) -> ClockReading:
        """The simulated instant."""
        return self._reading

    def mono_ns(self) -> int:
        """The simulated monotonic time."""
        return self._reading.t_mono_ns

    def boot_ns(self) -> int:
        """The simulated time since boot."""
        return self.mono_ns() + self._suspended_ns

    def suspend(self, duration_s: float) -> None:
        """The board sleeps: monotonic time stands still."""
        self._suspended_ns += round(duration_s * NS_PER_S)

    def wait(self, duration_s: float, stop: threading.Event | None = None) -> bool:
        """Time passes at once; True when `stop` is set."""
        self.advance(max(0.0, duration_s))
        return stop is not None and stop.is_set()

    def advance(self, duration_s: float) -> None:
        """Move both time scales forward."""
        step_ns = round(duration_s * NS_PER_S)
        now = self._reading
        self._reading = msgspec.structs.replace(
            now, t_mono_ns=now.t_mono_ns + step_ns, t_utc_ns=now.t_utc_ns + step_ns
        )

    def step_utc(self, step_s: float) -> None:
        """Step UTC as a wrong time server would; monotonic time stays."""
        now = self._reading
        self._reading = msgspec.structs.replace(
            now, t_utc_ns=now.t_utc_ns + round(step_s * NS_PER_S)
        )


def process_cpu_ns() -> int:
    """CPU time of this process, all threads (for the bench and the health report)."""
    return time.process_time_ns()


def thread_cpu_ns() -> int:
    """CPU time of the calling thread."""
    return time.thread_time_ns()
