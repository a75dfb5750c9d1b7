"""When a pole counts as silent: one rule for `roeh watch`, the alarms and `roeh desk poles`."""

from __future__ import annotations

#: Nothing was heard for longer: something is wrong.
STALE_AFTER_S = 90.0
#: A pole that is told to speak less often is given this many of its heartbeats.
_HEARTBEATS = 1.5


def stale_after_s(heartbeat_s: float | None, stale_after_s: float = STALE_AFTER_S) -> float:
    """After how long without a word a pole is silent; `heartbeat_s` None: it never told."""
    return max(stale_after_s, _HEARTBEATS * (heartbeat_s or 0.0))
