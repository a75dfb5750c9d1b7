"""Instants as certificates, records and people write them. Without IO."""

from __future__ import annotations

import datetime

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_US = datetime.timedelta(microseconds=1)


def microseconds(instant: datetime.datetime) -> int:
    """UTC microseconds since the Unix epoch."""
    return (instant - _EPOCH) // _US


def instant(t_utc_us: int) -> datetime.datetime:
    """The instant, to the whole second (certificates know no smaller part).

    Raises:
        OverflowError: beyond the year 9999 or before the year 1.
    """
    return _EPOCH + datetime.timedelta(seconds=t_utc_us // 1_000_000)


def as_text(t_utc_us: int) -> str:
    """For people: 2026-11-23T00:12:00Z, or the number where no calendar reaches."""
    try:
        return instant(t_utc_us).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return f"{t_utc_us} us since 1970"


def contains(start_us: int, end_us: int, t_us: int, error_us: int) -> bool:
    """Whether a time known to +- error may lie in the span, whose last second counts whole."""
    return t_us + error_us >= start_us and t_us - error_us < end_us + 1_000_000
