"""Whether a clock may be believed when it says that something is old enough to be deleted. Pure.

A clock that was set forward by a year would have everything deleted at once, and nothing brings
it back. So expiry looks often, keeps when it looked, and waits a day when the clock is far
ahead of that: time for an alarm, and for a person who puts the clock right.
"""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_US, ClockReading

_US_PER_H = 3_600_000_000
#: The clock may be ahead of the last look by so much.
LEAP_US = 24 * _US_PER_H
#: Further ahead it has to go on so evenly for so long.
DOUBT_US = 24 * _US_PER_H
#: Evenly: looks are not further apart.
_EVEN_US = 12 * _US_PER_H


class Doubt(msgspec.Struct, frozen=True):
    """The clock leapt: since when that is known, and when it was looked at last, by that clock."""

    since_utc_us: int
    seen_utc_us: int


class Looked(msgspec.Struct, frozen=True):
    """When the clock was last believed, None: never; and what is doubted since."""

    utc_us: int | None
    doubt: Doubt | None = None


def look(before: Looked, now: ClockReading) -> tuple[Looked, bool]:
    """What is to be kept of this look, and whether the clock may be believed."""
    if not now.synchronised:
        return before, False
    now_us = now.t_utc_ns // NS_PER_US
    if before.utc_us is None or now_us - before.utc_us <= LEAP_US:
        return Looked(now_us), True
    doubt = before.doubt
    if doubt is None or not 0 <= now_us - doubt.seen_utc_us <= _EVEN_US:
        return Looked(before.utc_us, Doubt(now_us, now_us)), False
    if now_us - doubt.since_utc_us >= DOUBT_US:
        return Looked(now_us), True
    return Looked(before.utc_us, Doubt(doubt.since_utc_us, now_us)), False
