"""How fast a track really went of late: over a second of places, not one filtered velocity.

A track that jumps (another person's picture taken for this one's) covers ground too. It does so
in one step, so both halves of the second have to agree.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.types import Track

#: Speed is told over so long, and not before most of it was seen.
WINDOW_S = 1.0
_LEAST_SPAN_S = 0.7
_LEAST_LOOKS = 3


class Pace(msgspec.Struct, frozen=True):
    """A speed over the window.

    Attributes:
        speed_mps: of the straight line that fits the places best.
        slower_half_mps: along that line, of the half of the window that went slower.
    """

    speed_mps: float
    slower_half_mps: float


class PaceMeter:
    """Remembers a second of one track's places."""

    def __init__(self) -> None:
        self._places: deque[tuple[int, float, float]] = deque()

    def look(self, track: Track) -> Pace | None:
        """The pace with this look; None while too little was seen.

        Args:
            track: seen in this look.
        """
        place = track.position
        self._places.append((track.t_mono_ns, place.east_m, place.north_m))
        oldest_ns = track.t_mono_ns - round(WINDOW_S * NS_PER_S)
        while self._places[0][0] < oldest_ns:
            self._places.popleft()
        span_s = (self._places[-1][0] - self._places[0][0]) / NS_PER_S
        if len(self._places) < _LEAST_LOOKS or span_s < _LEAST_SPAN_S:
            return None
        return self._fit()

    def _fit(self) -> Pace:
        """Least squares of east and north over time, and the two halves along its direction."""
        count = len(self._places)
        times_s = [t_ns / NS_PER_S for t_ns, _, _ in self._places]
        middle_s = sum(times_s) / count
        spread = sum((t_s - middle_s) ** 2 for t_s in times_s)
        east = sum((t - middle_s) * p[1] for t, p in zip(times_s, self._places, strict=True))
        north = sum((t - middle_s) * p[2] for t, p in zip(times_s, self._places, strict=True))
        east_mps, north_mps = east / spread, north / spread
        speed_mps = math.hypot(east_mps, north_mps)
        if speed_mps == 0.0:
            return Pace(0.0, 0.0)
        along = (east_mps / speed_mps, north_mps / speed_mps)
        halves = (self._between(0, count // 2, along), self._between(count // 2, count - 1, along))
        return Pace(speed_mps, min(halves))

    def _between(self, first: int, last: int, along: tuple[float, float]) -> float:
        (from_ns, from_east, from_north) = self._places[first]
        (to_ns, to_east, to_north) = self._places[last]
        went_m = (to_east - from_east) * along[0] + (to_north - from_north) * along[1]
        return went_m * NS_PER_S / (to_ns - from_ns)
