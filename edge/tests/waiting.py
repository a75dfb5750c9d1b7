"""Waiting for what can be seen, never for time to pass."""

from roeh.core.clock import NS_PER_S, SystemClock

_CLOCK = SystemClock()
_POLL_S = 0.005


def wait_until(predicate, timeout_s=60.0):
    """The first true value of `predicate`; fails when there is none in time."""
    deadline_ns = _CLOCK.mono_ns() + int(timeout_s * NS_PER_S)
    while not (found := predicate()):
        assert _CLOCK.mono_ns() < deadline_ns, f"not within {timeout_s} s: {predicate}"
        _CLOCK.wait(_POLL_S)
    return found
