"""Identifiers: UUID version 7 (RFC 9562), from the clock or derived from an input.

An alert's id sorts by the time it was made and is the key by which every receiver
removes duplicates. Replay derives ids from its input, so that the same video gives
the same alerts byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import threading
from typing import Protocol

from roeh.core.clock import Clock

NS_PER_MS = 1_000_000
_COUNTER_BITS = 12
_RANDOM_BITS = 62


def format_uuid7(unix_ms: int, counter: int, random: int) -> str:
    """A UUIDv7 from its parts: 48 bit Unix milliseconds, 12 bit counter, 62 bit random."""
    value = (
        (unix_ms & ((1 << 48) - 1)) << 80
        | 7 << 76
        | (counter & ((1 << _COUNTER_BITS) - 1)) << 64
        | 2 << _RANDOM_BITS
        | (random & ((1 << _RANDOM_BITS) - 1))
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Ids(Protocol):
    """A maker of unique, time-ordered ids."""

    def new(self) -> str:
        """The next id, as canonical UUID text."""
        ...


class ClockIds:
    """UUIDv7 from a clock and the system's randomness; strictly increasing in a process.

    The counter method of RFC 9562 section 6.2: a clock that stands still or steps back
    does not make ids go back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last_ms = 0
        self._counter = 0

    def new(self) -> str:
        """The next id."""
        with self._lock:
            now_ms = self._clock.read().t_utc_ns // NS_PER_MS
            if now_ms > self._last_ms:
                self._last_ms, self._counter = now_ms, 0
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._last_ms, self._counter = self._last_ms + 1, 0
            random = int.from_bytes(os.urandom(8), "big")
            return format_uuid7(self._last_ms, self._counter, random)


class DerivedIds:
    """UUIDv7 whose random part is the hash of a seed and a counter: same input, same ids."""

    def __init__(self, clock: Clock, seed: bytes) -> None:
        self._clock = clock
        self._seed = seed
        self._count = 0

    def new(self) -> str:
        """The next id."""
        digest = hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        self._count += 1
        return format_uuid7(
            self._clock.read().t_utc_ns // NS_PER_MS,
            self._count,
            int.from_bytes(digest[:8], "big"),
        )
