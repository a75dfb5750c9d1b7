"""A rule that is on, or off, by an order."""

from __future__ import annotations

import msgspec


class OrderedSchedule(msgspec.Struct, frozen=True):
    """A rule is on, or off, whatever its schedule says, until a monotonic time."""

    is_on: bool
    until_mono_ns: int
