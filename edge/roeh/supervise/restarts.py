"""When to start a process again, and when to leave it for a person. Pure."""

from __future__ import annotations

from collections import deque

from roeh.core.clock import NS_PER_S
from roeh.core.config import SuperviseSection

#: Short enough that what keeps failing reaches the default limit within its window.
_MAX_BACKOFF_S = 3.0


class RestartLimit:
    """At most `max_restarts` in any `window_s`, each after a longer wait than the last."""

    def __init__(self, settings: SuperviseSection) -> None:
        self._settings = settings
        self._restarts: deque[int] = deque()

    def after_exit(self, t_mono_ns: int) -> float | None:
        """Seconds to wait before the next start; None when it is to be left alone."""
        horizon_ns = t_mono_ns - int(self._settings.window_s * NS_PER_S)
        while self._restarts and self._restarts[0] < horizon_ns:
            self._restarts.popleft()
        if len(self._restarts) >= self._settings.max_restarts:
            return None
        backoff_s: float = min(_MAX_BACKOFF_S, self._settings.backoff_s * 2 ** len(self._restarts))
        self._restarts.append(t_mono_ns)
        return backoff_s
