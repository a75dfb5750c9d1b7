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

    A clock that stands still or steps back does not make ids go back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sequence = _Sequence()

    def new(self) -> str:
        """The next id."""
        with self._lock:
            unix_ms, counter = self._sequence.next(self._clock)
            return format_uuid7(unix_ms, counter, int.from_bytes(os.urandom(8), "big"))


class DerivedIds:
    """UUIDv7 whose random part is the hash of a seed and a count: same input, same ids.

    Strictly increasing like those of `ClockIds`.
    """

    def __init__(self, clock: Clock, seed: bytes) -> None:
        self._clock = clock
        self._seed = seed
        self._lock = threading.Lock()
        self._sequence = _Sequence()
        self._count = 0

    def new(self) -> str:
        """The next id."""
        with self._lock:
            digest = hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
            self._count += 1
            unix_ms, counter = self._sequence.next(self._clock)
            return format_uuid7(unix_ms, counter, int.from_bytes(digest[:8], "big"))


class _Sequence:
    """Milliseconds and a counter that only grow (RFC 9562, section 6.2, fixed-length counter)."""

    def __init__(self) -> None:
        self._unix_ms = -1
        self._counter = 0

    def next(self, clock: Clock) -> tuple[int, int]:
        now_ms = clock.read().t_utc_ns // NS_PER_MS
        if now_ms > self._unix_ms:
            self._unix_ms, self._counter = now_ms, 0
        else:
            self._counter += 1
            if self._counter >> _COUNTER_BITS:
                self._unix_ms, self._counter = self._unix_ms + 1, 0
        return self._unix_ms, self._counter
