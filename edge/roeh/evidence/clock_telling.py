"""Telling the others how the kernel keeps the clock (core/told_clock.py)."""

from __future__ import annotations

import threading
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.told_clock import TOLD_EVERY_S, tell_clock

_END_TIMEOUT_S = 5.0


class ClockTelling:
    """Every second, from before the store is opened until it is closed.

    Args:
        path: the file.
        clock: of the machine.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._stop = threading.Event()
        self._failure = ""
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def begin(self) -> None:
        """From now on; it was told once when this returns."""
        self._tell()
        self._thread.start()

    def close(self) -> None:
        """No more."""
        self._stop.set()
        self._thread.join(_END_TIMEOUT_S)

    def alarms(self) -> tuple[str, ...]:
        """What a person should know of it, a line each."""
        failure = self._failure
        return (f"how the clock is kept cannot be told: {failure}",) if failure else ()

    def _run(self) -> None:
        while not self._stop.wait(TOLD_EVERY_S):
            self._tell()

    def _tell(self) -> None:
        try:
            tell_clock(self._path, self._clock)
            self._failure = ""
        except OSError as error:
            self._failure = f"{error.strerror} ({self._path})"
