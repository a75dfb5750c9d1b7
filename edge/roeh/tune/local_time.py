"""Times as the pole's clock on the wall shows them. Pure."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta, timezone

from roeh.core.errors import EvidenceRefused

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment_us(text: str, time_zone: str, option: str) -> int:
    """UTC in microseconds of a time of ISO 8601: with Z or an offset, or as the wall shows it.

    Raises:
        EvidenceRefused: it is no time.
    """
    try:
        # Python 3.10 does not know the Z.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "zZ" else text)
    except ValueError:
        raise EvidenceRefused(
            what=f"{text!r} is not a time",
            which=option,
            remedy="write 2026-01-31T18:30 as the clock shows it there, or 2026-01-31T17:30Z",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zoneinfo.ZoneInfo(time_zone))
    return (moment - _EPOCH) // timedelta(microseconds=1)


def local_text(t_us: int, time_zone: str) -> str:
    """A time of UTC as the wall shows it, to the second."""
    return f"{_local(t_us, time_zone):%Y-%m-%d %H:%M:%S}"


def hour_text(t_us: int, time_zone: str) -> str:
    """The begin of an hour."""
    return f"{_local(t_us, time_zone):%a %d %b %H:%M}"


def _local(t_us: int, time_zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=t_us)).astimezone(zoneinfo.ZoneInfo(time_zone))
