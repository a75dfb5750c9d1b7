"""Times as people read and write them: in the pole's time zone, UTC beside. Pure."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from typing import Literal

from markupsafe import Markup

from roeh.retrieve.pages.wording import Words

US_PER_S = 1_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_WRITTEN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z)?", re.ASCII
)

Edge = Literal["from", "to"]


def utc_text(t_utc_us: int) -> str:
    """Microseconds as `2026-11-23T06:21:04Z`, with a fraction where there is one."""
    return _shown(_instant(t_utc_us), "T") + "Z"


def read_instant(text: str, zone: zoneinfo.ZoneInfo, edge: Edge) -> int | None:
    """What somebody wrote, in microseconds of UTC; None: not a time.

    With a `Z` it is UTC, else the pole's own time. Where the clocks are put back an hour
    stands for two: the first is taken for `from`, the second for `to`, so that nothing that
    may be meant is left out. An hour that the clocks leap over is counted on from before.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute = (int(part) for part in found.group(1, 2, 3, 4, 5))
    second, fraction = int(found[6] or 0), int((found[7] or "").ljust(6, "0"))
    try:
        written = datetime.datetime(year, month, day, hour, minute, second, fraction)
        if found[8]:
            instant = written.replace(tzinfo=datetime.timezone.utc)
        else:
            instant = written.replace(tzinfo=zone, fold=1 if edge == "to" else 0)
        since = instant.astimezone(datetime.timezone.utc) - _EPOCH
    except (ValueError, OverflowError):
        return None
    t_utc_us = since // datetime.timedelta(microseconds=1)
    return t_utc_us if 0 <= t_utc_us < 2**53 else None


class Times:
    """How times are shown to a visitor, as markup."""

    def __init__(self, zone: zoneinfo.ZoneInfo, words: Words) -> None:
        self._zone = zone
        self._words = words

    @property
    def zone_name(self) -> str:
        """As the configuration calls it."""
        return self._zone.key

    def both(self, t_utc_us: int) -> Markup:
        """The pole's time with its date, and UTC after it."""
        local, utc = self._local(t_utc_us), _instant(t_utc_us)
        beside = _shown(utc, " ") if utc.date() != local.date() else _clock(utc)
        return self._element(t_utc_us, _shown(local, " "), beside)

    def field(self, t_utc_us: int) -> str:
        """The value of an <input type="datetime-local">: the pole's time, whole seconds."""
        return f"{self._local(t_utc_us):%Y-%m-%dT%H:%M:%S}"

    def utc(self, t_utc_us: int) -> str:
        """For addresses."""
        return utc_text(t_utc_us)

    def tick(self, t_utc_us: int, step_us: int) -> str:
        """A label of an axis."""
        local = self._local(t_utc_us)
        return f"{local:%H:%M:%S}" if step_us % (60 * US_PER_S) else f"{local:%H:%M}"

    def days(self, from_utc_us: int, to_utc_us: int) -> str:
        """The pole's dates of a span: one, or the first and the last."""
        first, last = (f"{self._local(t):%Y-%m-%d}" for t in (from_utc_us, to_utc_us))
        return first if first == last else f"{first} / {last}"

    def length(self, length_us: int) -> Markup:
        """A duration in the two largest units that it has."""
        seconds = round(length_us / US_PER_S)
        if seconds < 1:
            return self._words("length.ms", n=f"{length_us / 1000:.0f}")
        parts: list[Markup] = []
        for unit, size_s in (("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
            count, seconds = divmod(seconds, size_s)
            if count:
                # Hebrew has forms of its own for one and two.
                form = {1: "one", 2: "two"}.get(count, "many")
                parts.append(self._words(f"length.{unit}_{form}", n=count))
        text = parts[0]
        if len(parts) > 1:
            text = self._words("length.both", first=parts[0], second=parts[1])
        return Markup("<span>{}</span>").format(text)

    def _local(self, t_utc_us: int) -> datetime.datetime:
        return _instant(t_utc_us).astimezone(self._zone)

    def _element(self, t_utc_us: int, local: str, utc: str) -> Markup:
        return Markup(
            '<time datetime="{}"><bdi dir="ltr">{}</bdi> '
            '<bdi dir="ltr" class="utc">{} UTC</bdi></time>'
        ).format(utc_text(t_utc_us), local, utc)


def _instant(t_utc_us: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=t_utc_us)


def _clock(instant: datetime.datetime) -> str:
    fraction = f".{instant.microsecond // 1000:03d}" if instant.microsecond else ""
    return f"{instant:%H:%M:%S}{fraction}"


def _shown(instant: datetime.datetime, between: str) -> str:
    return f"{instant:%Y-%m-%d}{between}{_clock(instant)}"
