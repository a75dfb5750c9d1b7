"""What alarms ask of the person who answers them: the figures of alarm management. Pure.

The terms and targets are those of ANSI/ISA-18.2-2016 (clause 16, monitoring and assessment), of
IEC 62682:2014, which took them over, and of EEMUA publication 191, from which both come:

    alarms an operator hour: 6 are very likely to be acceptable, 12 the most that can be
        managed (150 and 300 a day; one and two in ten minutes; EEMUA 191 calls five excessive);
    peak: at most 10 in any ten minutes; more is a flood, which ends below 5;
    hours with more than 30: fewer than 1 %;
    chattering: a rule that raises three times or more within a minute; none;
    stale: in alarm for longer than 24 hours; fewer than 5 on any day;
    top contributors: the ten most frequent together no more than about 5 %. That is meant for
        plants with thousands of alarms: a pole with five rules cannot keep it, so they are
        named here and not judged.

Alarms of EEMUA 191 that stand at one time (fewer than 10) are `standing`.
"""

from __future__ import annotations

from collections import Counter, deque

import msgspec

US_PER_S = 1_000_000
_MINUTE_US = 60 * US_PER_S
_TEN_MINUTES_US = 10 * _MINUTE_US
_HOUR_US = 60 * _MINUTE_US
DAY_US = 24 * _HOUR_US

ACCEPTABLE_PER_OPERATOR_HOUR = 6.0
MANAGEABLE_PER_OPERATOR_HOUR = 12.0
MOST_IN_TEN_MINUTES = 10
FLOOD_ENDS_BELOW = 5
MANY_IN_AN_HOUR = 30
LARGEST_SHARE_OF_HOURS = 0.01
CHATTERS_IN_A_MINUTE = 3
STALE_AFTER_US = DAY_US
FEWEST_TOO_MANY_STALE = 5
FEWEST_TOO_MANY_STANDING = 10
#: What is called a top contributor.
TOP = 10


class AlarmTimes(msgspec.Struct, frozen=True):
    """One alarm.

    Attributes:
        source: what raised it: a rule of a pole.
        raised_us: UTC.
        over_us: UTC; None while it stands.
    """

    source: str
    raised_us: int
    over_us: int | None = None


class Contributor(msgspec.Struct, frozen=True):
    """What raises much, and its share of all alarms."""

    source: str
    alarms: int
    share: float


class AlarmFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a stretch of time.

    Attributes:
        hours: how long it was.
        operators: how many share the alarms.
        alarms: raised in it.
        per_operator_hour: of those.
        peak: the most in any ten minutes, of all operators together.
        flood_share: of the time.
        busy_hours_share: of the hours that began in it, those with more than 30 an operator.
        chattering: sources that raised three times or more within a minute.
        stale: how many were in alarm for longer than a day, at any time of it.
        standing: how many stood when it ended.
        top: the most frequent sources, the most first.
    """

    hours: float
    operators: int
    alarms: int
    per_operator_hour: float
    peak: int
    flood_share: float
    busy_hours_share: float
    chattering: tuple[str, ...]
    stale: int
    standing: int
    top: tuple[Contributor, ...]

    @property
    def exceeded(self) -> tuple[str, ...]:
        """Which targets are missed, in words with the figure; empty: none."""
        found: list[str] = []
        if self.per_operator_hour > MANAGEABLE_PER_OPERATOR_HOUR:
            found.append(
                f"{self.per_operator_hour:.1f} alarms an operator hour (at most"
                f" {MANAGEABLE_PER_OPERATOR_HOUR:.0f} can be managed)"
            )
        elif self.per_operator_hour > ACCEPTABLE_PER_OPERATOR_HOUR:
            found.append(
                f"{self.per_operator_hour:.1f} alarms an operator hour (up to"
                f" {ACCEPTABLE_PER_OPERATOR_HOUR:.0f} are acceptable)"
            )
        if self.peak > MOST_IN_TEN_MINUTES * self.operators:
            most = MOST_IN_TEN_MINUTES * self.operators
            found.append(f"{self.peak} within ten minutes (at most {most})")
        if self.busy_hours_share >= LARGEST_SHARE_OF_HOURS:
            found.append(f"{self.busy_hours_share:.0%} of hours with more than {MANY_IN_AN_HOUR}")
        if self.chattering:
            found.append(f"{len(self.chattering)} chattering (none)")
        if self.stale >= FEWEST_TOO_MANY_STALE:
            found.append(f"{self.stale} stale (fewer than {FEWEST_TOO_MANY_STALE})")
        if self.standing >= FEWEST_TOO_MANY_STANDING:
            found.append(f"{self.standing} standing (fewer than {FEWEST_TOO_MANY_STANDING})")
        return tuple(found)


class AlarmCount:
    """Counts alarms one after another; memory grows with the sources and not with the alarms.

    Args:
        from_us, to_us: UTC; alarms raised in [from, to) are counted. One raised before may
            still be stale or standing in it.
        operators: how many share them.
    """

    def __init__(self, from_us: int, to_us: int, operators: int = 1) -> None:
        if to_us <= from_us or operators < 1:
            raise ValueError("no time, or nobody to answer")
        self._from_us, self._to_us, self._operators = from_us, to_us, operators
        self._sources: Counter[str] = Counter()
        self._recent_of: dict[str, deque[int]] = {}
        self._chattering: set[str] = set()
        self._recent: deque[int] = deque()
        self._periods: Counter[int] = Counter()
        self._hours: Counter[int] = Counter()
        self._peak = self._stale = self._standing = 0

    def add(self, alarm: AlarmTimes) -> None:
        """Count one; in the order in which they were raised."""
        over_us = alarm.over_us
        is_over = over_us is not None and over_us < self._to_us
        if alarm.raised_us < self._to_us and not is_over:
            self._standing += 1
        ends_us = self._to_us if over_us is None else min(over_us, self._to_us)
        if ends_us > self._from_us and ends_us - alarm.raised_us > STALE_AFTER_US:
            self._stale += 1
        if not self._from_us <= alarm.raised_us < self._to_us:
            return
        self._sources[alarm.source] += 1
        since_us = alarm.raised_us - self._from_us
        self._periods[since_us // _TEN_MINUTES_US] += 1
        self._hours[since_us // _HOUR_US] += 1
        self._peak = max(self._peak, _within(self._recent, alarm.raised_us, _TEN_MINUTES_US))
        of_source = self._recent_of.setdefault(alarm.source, deque(maxlen=CHATTERS_IN_A_MINUTE))
        if _within(of_source, alarm.raised_us, _MINUTE_US) >= CHATTERS_IN_A_MINUTE:
            self._chattering.add(alarm.source)

    def figures(self) -> AlarmFigures:
        """Of what was counted so far."""
        length_us = self._to_us - self._from_us
        hours = length_us / _HOUR_US
        alarms = self._sources.total()
        begun_hours = -(-length_us // _HOUR_US)
        busy = sum(1 for n in self._hours.values() if n > MANY_IN_AN_HOUR * self._operators)
        return AlarmFigures(
            hours=hours,
            operators=self._operators,
            alarms=alarms,
            per_operator_hour=alarms / hours / self._operators,
            peak=self._peak,
            flood_share=self._flooded() / -(-length_us // _TEN_MINUTES_US),
            busy_hours_share=busy / begun_hours,
            chattering=tuple(sorted(self._chattering)),
            stale=self._stale,
            standing=self._standing,
            top=tuple(
                Contributor(source, count, count / alarms)
                for source, count in sorted(
                    self._sources.items(), key=lambda item: (-item[1], item[0])
                )[:TOP]
            ),
        )

    def _flooded(self) -> int:
        """Ten-minute periods from the first above the most that can be managed to the last."""
        flooded = 0
        is_flood = False
        before = -1
        for period in sorted(self._periods):
            count = self._periods[period]
            # A period without any ends a flood.
            is_flood = is_flood and period == before + 1 and count >= FLOOD_ENDS_BELOW
            is_flood = is_flood or count > MOST_IN_TEN_MINUTES
            flooded += is_flood
            before = period
        return flooded


def _within(recent: deque[int], t_us: int, window_us: int) -> int:
    """How many there are in the window that ends at `t_us`, that one among them."""
    recent.append(t_us)
    while t_us - recent[0] >= window_us:
        recent.popleft()
    return len(recent)
