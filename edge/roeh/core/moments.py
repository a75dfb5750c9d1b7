"""UTC, lengths and sizes as a person writes and reads them."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta, timezone

from roeh.core.clock import NS_PER_US, ClockReading

_US_PER_S = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: What a calendar can show: years 1 to 9999.
_MIN_SHOWN_US = (datetime.min.replace(tzinfo=timezone.utc) - _EPOCH) // timedelta(microseconds=1)
_MAX_SHOWN_US = (datetime.max.replace(tzinfo=timezone.utc) - _EPOCH) // timedelta(microseconds=1)


def utc_argument(text: str) -> int:
    """A time of ISO 8601 in microseconds since 1970; without an offset it is UTC."""
    try:
        # Python 3.10 does not know the Z.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "zZ" else text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time; write 2026-01-31T18:30:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    t_us = (moment - _EPOCH) // timedelta(microseconds=1)
    if t_us < 0:
        raise argparse.ArgumentTypeError("must be after 1970")
    return t_us


def utc_text(t_us: int, *, synchronised: bool = True) -> str:
    """A time of UTC to the second; `~` before it where the clock was not synchronised."""
    shown_us = max(_MIN_SHOWN_US, min(t_us, _MAX_SHOWN_US))
    moment = _EPOCH + timedelta(microseconds=shown_us)
    return f"{'' if synchronised else '~'}{moment:%Y-%m-%d %H:%M:%S}Z"


def reading_text(reading: ClockReading) -> str:
    """A clock's reading, as `utc_text`."""
    return utc_text(reading.t_utc_ns // NS_PER_US, synchronised=reading.synchronised)


def length_text(length_us: int) -> str:
    """A length of time, short."""
    seconds = length_us / _US_PER_S
    if 0 < abs(seconds) < 1:
        return f"{max(1, round(abs(seconds) * 1000)) * (1 if seconds > 0 else -1)} ms"
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    if abs(seconds) < 7200:
        return f"{seconds / 60:.1f} min"
    if abs(seconds) < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"


def size_text(size_bytes: int) -> str:
    """A size, short."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
