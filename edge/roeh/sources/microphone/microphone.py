"""The pole's microphone: a thread that listens, and tells how loud it is."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import MicrophoneSection
from roeh.core.log import log_for
from roeh.sources.backoff import Backoff
from roeh.sources.microphone.listening import MicrophoneFailed, listen

#: One that has said nothing, or zeros alone, for so long is out of order.
_SILENT_S = 5.0
_JOIN_S = 2.0

_log = log_for("capture")


class Microphone:
    """Listens in a thread of its own from `start` to `close`, and tries again when it fails.

    Args:
        section: which one, and what full scale is.
        clock: for waits and to see that it is silent.
        told: the loudest level of each 50 ms, dB, calibrated; from its thread.
    """

    def __init__(
        self, section: MicrophoneSection, clock: Clock, told: Callable[[float], None]
    ) -> None:
        self._section = section
        self._clock = clock
        self._told = told
        self._failure = ""
        self._heard_ns = clock.mono_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def trouble(self) -> str:
        """Why it is not heard, in a line; empty when it is."""
        if self._failure:
            return f"microphone {self._section.device}: {self._failure}"
        if self._clock.mono_ns() - self._heard_ns > _SILENT_S * NS_PER_S:
            return f"microphone {self._section.device}: nothing for more than {_SILENT_S:.0f} s"
        return ""

    def close(self) -> None:
        """End; one that hangs in its driver ends with the process."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        # Jitter is no secret.
        backoff = Backoff(random.Random())  # noqa: S311
        while not self._stop.is_set():
            began_ns = self._clock.mono_ns()
            try:
                listen(self._section.device, self._clock, self._stop, self._hear)
            except MicrophoneFailed as failed:
                if not self._failure:
                    _log.warning("microphone %s: %s", self._section.device, failed)
                self._failure = str(failed)
                backoff.worked((self._clock.mono_ns() - began_ns) / NS_PER_S)
                self._clock.wait(backoff.next_s(), self._stop)

    def _hear(self, level_db: float) -> None:
        if level_db == -math.inf:
            # Zeros alone: a microphone has a noise of its own, a loose plug has none.
            return
        if self._failure:
            _log.info("microphone %s: heard again", self._section.device)
        self._failure = ""
        self._heard_ns = self._clock.mono_ns()
        self._told(level_db + (self._section.calibration_db or 0.0))
