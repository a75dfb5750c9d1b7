"""A clock on which hours pass in minutes, alike in every process that is given it."""

from __future__ import annotations

import threading

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, ClockReading, SystemClock


class FastClock(SystemClock):
    """The machine's monotonic time since `origin_mono_ns`, `speed` times as fast.

    UTC goes with it and counts as synchronised.
    """

    def __init__(self, speed: float, origin_mono_ns: int, origin_utc_ns: int) -> None:
        self.speed = speed
        self._origin_mono_ns = origin_mono_ns
        self._origin_utc_ns = origin_utc_ns

    @classmethod
    def starting_now(cls, speed: float) -> FastClock:
        """Its time is the machine's at this moment, and runs ahead from here."""
        now = SystemClock().read()
        return cls(speed, now.t_mono_ns, now.t_utc_ns)

    def read(self) -> ClockReading:
        now = super().read()
        passed_ns = round((now.t_mono_ns - self._origin_mono_ns) * self.speed)
        return msgspec.structs.replace(
            now,
            t_mono_ns=self._origin_mono_ns + passed_ns,
            t_utc_ns=self._origin_utc_ns + passed_ns,
            utc_error_ns=1_000_000,
            synchronised=True,
        )

    def mono_ns(self) -> int:
        passed_ns = super().mono_ns() - self._origin_mono_ns
        return self._origin_mono_ns + round(passed_ns * self.speed)

    def s_of(self, t_mono_us: int) -> float:
        """From a monotonic time in a record to seconds since its start."""
        return (t_mono_us * NS_PER_US - self._origin_mono_ns) / NS_PER_S

    def since_start_s(self) -> float:
        return (self.mono_ns() - self._origin_mono_ns) / NS_PER_S

    def wait(self, duration_s: float, stop: threading.Event | None = None) -> bool:
        return super().wait(duration_s / self.speed, stop)
