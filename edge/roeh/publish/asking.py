"""When evidence may be asked: after it failed to answer, not for a moment."""

from __future__ import annotations

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import RoehError
from roeh.core.log import log_error, log_for
from roeh.publish.standing import Standing

_RETRY_S = 0.25

_log = log_for("publish")


class Asking:
    """Shared by everybody in publish who asks evidence."""

    def __init__(self, clock: Clock, standing: Standing) -> None:
        self._clock = clock
        self._standing = standing
        self.from_ns = clock.mono_ns()

    def is_open(self) -> bool:
        """Whether it may be asked now."""
        return self._clock.mono_ns() >= self.from_ns

    def failed(self, error: RoehError) -> None:
        """It did not answer; told once."""
        if self._standing.evidence_away():
            log_error(_log, error)
        self.from_ns = self._clock.mono_ns() + int(_RETRY_S * NS_PER_S)
