"""Rows that are left out for a while: how long, longer each time."""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_S

_MAX_DOUBLINGS = 16
#: How long a row's refusals are remembered after it may be tried again.
_MEMORY_NS = 3600 * NS_PER_S


class LeftOut(msgspec.Struct, frozen=True):
    """How often a row was left out, and when it may be tried again (monotonic)."""

    count: int
    until_ns: int


def doubled_s(first_s: float, times: int, cap_s: float) -> float:
    """The first wait, doubled with every further time, up to the cap."""
    return min(cap_s, first_s * 2.0 ** (min(times, _MAX_DOUBLINGS) - 1))


def one_more(
    known: dict[int, LeftOut], row: int, now_ns: int, first_s: float, cap_s: float
) -> dict[int, LeftOut]:
    """One more row left out, longer each time; what is long over is forgotten."""
    before = known.get(row)
    count = 1 if before is None else before.count + 1
    kept = {
        other: left_out
        for other, left_out in known.items()
        if left_out.until_ns > now_ns - _MEMORY_NS
    }
    wait_s = doubled_s(first_s, count, cap_s)
    return {**kept, row: LeftOut(count, now_ns + int(wait_s * NS_PER_S))}
