"""Stamps of CLOCK_BOOTTIME, as libcamera gives them, brought to the monotonic clock.

The two differ by how long the board was suspended, which for a pole is not at all. A
driver may stamp by the monotonic clock all the same (buffers of V4L2 do): the reading
under which a picture is just past is the right one.
"""

from __future__ import annotations

from roeh.core.clock import Clock
from roeh.sources.timeline import MAX_TRANSIT_NS, MIN_STEP_NS

_READINGS = 3
#: A board suspends for longer than this, and reading two clocks takes less.
_LEAST_SUSPENDED_NS = 5_000_000


class BootStamps:
    """Places the pictures of one camera on the monotonic clock.

    Args:
        clock: read for how long the board was suspended so far.
        after_ns: monotonic time of the last picture before; all of these are later.
    """

    def __init__(self, clock: Clock, after_ns: int = 0) -> None:
        self._clock = clock
        self._last_ns = after_ns
        #: What the stamps are ahead of the monotonic clock; None until one made sense.
        self._ahead_ns: int | None = None

    def place(self, stamp_ns: int | None, arrival_ns: int) -> int:
        """Monotonic time of a frame that arrived at `arrival_ns`; grows with each.

        A frame whose stamp cannot be true counts as taken when it arrived.
        """
        taken_ns = arrival_ns
        if stamp_ns is not None:
            for ahead_ns in (suspended_ns(self._clock), 0):
                if 0 <= arrival_ns - (stamp_ns - ahead_ns) < MAX_TRANSIT_NS:
                    self._ahead_ns = ahead_ns
                    taken_ns = stamp_ns - ahead_ns
                    break
        self._last_ns = max(taken_ns, self._last_ns + MIN_STEP_NS)
        return self._last_ns

    def locate(self, stamp_ns: int) -> int:
        """Monotonic time of a coded picture, by what the frames have shown so far."""
        if self._ahead_ns is None:
            return stamp_ns - suspended_ns(self._clock)
        return stamp_ns - self._ahead_ns


def suspended_ns(clock: Clock) -> int:
    """For how long the board was suspended since it booted."""
    narrowest: tuple[int, int] | None = None
    for _ in range(_READINGS):
        before_ns = clock.mono_ns()
        boot_ns = clock.boot_ns()
        width_ns = clock.mono_ns() - before_ns
        if narrowest is None or width_ns < narrowest[0]:
            narrowest = (width_ns, boot_ns - before_ns - width_ns // 2)
    apart_ns = 0 if narrowest is None else narrowest[1]
    return apart_ns if apart_ns > _LEAST_SUSPENDED_NS else 0
