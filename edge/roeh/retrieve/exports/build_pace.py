"""How fast a bundle may be made: a bucket of bits that fills at a constant rate."""

from __future__ import annotations

from typing import Final

from roeh.core.clock import NS_PER_S, Clock

#: What may be made at once after a pause.
_BURST_S: Final = 0.25


class BuildPace:
    """Lets bytes go at `bps` bits a second at the most."""

    def __init__(self, bps: int, clock: Clock) -> None:
        self._bps = bps
        self._clock = clock
        self._free_ns = clock.mono_ns()

    def take(self, size_bytes: int) -> None:
        """Wait until so many may go."""
        now_ns = self._clock.mono_ns()
        earliest_ns = now_ns - int(_BURST_S * NS_PER_S)
        self._free_ns = max(self._free_ns, earliest_ns) + size_bytes * 8 * NS_PER_S // self._bps
        if self._free_ns > now_ns:
            self._clock.wait((self._free_ns - now_ns) / NS_PER_S)
