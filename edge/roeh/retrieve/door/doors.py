"""Who is let to the door, and how often: pure counting, bounded, by a clock's monotonic time."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TypeVar

from roeh.core.clock import NS_PER_S

_ValueT = TypeVar("_ValueT")
_MINUTE_NS = 60 * NS_PER_S

#: Refusals of one address within a minute before the door closes for it, for a minute.
REFUSALS_A_MINUTE = 5
#: More addresses or persons than these are not told apart: the one heard longest ago is forgotten.
_MAX_KNOWN = 1024


class RefusalDoor:
    """Closes for an address that was refused too often."""

    def __init__(self) -> None:
        self._refused_ns: OrderedDict[str, list[int]] = OrderedDict()
        self._closed_until_ns: OrderedDict[str, int] = OrderedDict()

    @property
    def known(self) -> int:
        """How many addresses are remembered."""
        return len(self._refused_ns) + len(self._closed_until_ns)

    def is_open(self, address: str, now_ns: int) -> bool:
        """Whether somebody from there may try."""
        return self._closed_until_ns.get(address, now_ns) <= now_ns

    def refused(self, address: str, now_ns: int) -> bool:
        """Count a refusal; True when the door closes by it."""
        recent = [at for at in self._refused_ns.pop(address, []) if now_ns - at < _MINUTE_NS]
        recent.append(now_ns)
        if len(recent) >= REFUSALS_A_MINUTE:
            self._closed_until_ns.pop(address, None)  # the newest stand last
            self._closed_until_ns[address] = now_ns + _MINUTE_NS
            _forget(self._closed_until_ns)
            return True
        self._refused_ns[address] = recent
        _forget(self._refused_ns)
        return False


class MinuteBudget:
    """So many a minute for each key, a minute's worth at once; refills evenly."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str, now_ns: int) -> int:
        """Take one; 0, or the whole seconds after which there is one again."""
        left, at_ns = self._left.pop(key, (float(self._per_minute), now_ns))
        left += (now_ns - at_ns) * self._per_minute / _MINUTE_NS
        left = min(left, float(self._per_minute))
        wait_s = 0
        if left >= 1.0:
            left -= 1.0
        else:
            wait_s = math.ceil((1.0 - left) * 60 / self._per_minute)
        self._left[key] = left, now_ns
        _forget(self._left)
        return wait_s


class Turns:
    """Turns at a rate, some at once: who comes too early waits for theirs.

    Args:
        rate_hz: how many a second.
        at_once: how many without waiting, after a pause.
    """

    def __init__(self, rate_hz: float, at_once: int) -> None:
        self._period_ns = int(NS_PER_S / rate_hz)
        self._ahead_ns = (at_once - 1) * self._period_ns
        self._next_ns: int | None = None

    def take(self, now_ns: int, patience_s: float) -> float | None:
        """The seconds until the turn; None when it is further away than that, and not taken."""
        next_ns = now_ns if self._next_ns is None else max(self._next_ns, now_ns)
        wait_s = max(0, next_ns - self._ahead_ns - now_ns) / NS_PER_S
        if wait_s > patience_s:
            return None
        self._next_ns = next_ns + self._period_ns
        return wait_s


class ByteBudget:
    """Bytes a second that all share; who takes them waits until they are paid for."""

    def __init__(self, bps: int) -> None:
        self._bps = bps
        self._paid_until_ns = 0

    def take(self, size_bytes: int, now_ns: int) -> float:
        """Take that many bytes; the seconds to wait before they are used."""
        begin_ns = max(self._paid_until_ns, now_ns)
        self._paid_until_ns = begin_ns + size_bytes * 8 * NS_PER_S // self._bps
        return (begin_ns - now_ns) / NS_PER_S


class Places:
    """Connections of persons: so many in all, at most half of them of one person."""

    def __init__(self, in_all: int) -> None:
        self._in_all = in_all
        self._of_one = max(1, in_all // 2)
        self._taken: dict[str, int] = {}

    @property
    def taken(self) -> int:
        """How many there are."""
        return sum(self._taken.values())

    def take(self, person: str) -> bool:
        """Whether there was a place for them; it is theirs until `leave`."""
        if self.taken >= self._in_all or self._taken.get(person, 0) >= self._of_one:
            return False
        self._taken[person] = self._taken.get(person, 0) + 1
        return True

    def leave(self, person: str) -> None:
        """One of their connections ended."""
        self._taken[person] -= 1
        if not self._taken[person]:
            del self._taken[person]


def _forget(known: OrderedDict[str, _ValueT]) -> None:
    while len(known) > _MAX_KNOWN:
        known.popitem(last=False)
