"""How many in each hour, as configured and as changed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.tune.comparison import RuleComparison
from roeh.tune.judging import Raised

_HOUR_US = 3_600_000_000


class RuleHour(msgspec.Struct, frozen=True):
    """One rule in one hour."""

    rule: str
    before: int
    after: int


class HourRow(msgspec.Struct, frozen=True):
    """One hour of UTC, from `begin_us` on; hours in which nothing is raised are left out."""

    begin_us: int
    rules: tuple[RuleHour, ...]

    @property
    def before(self) -> int:
        """All rules, as configured."""
        return sum(one.before for one in self.rules)

    @property
    def after(self) -> int:
        """All rules, as changed."""
        return sum(one.after for one in self.rules)


def by_hour(rules: Sequence[RuleComparison]) -> tuple[HourRow, ...]:
    """The hours in which anything is raised, in order."""
    hours: dict[int, list[RuleHour]] = {}
    for rule in rules:
        before, after = _counts(rule.before), _counts(rule.after)
        for hour in before.keys() | after.keys():
            counts = RuleHour(rule.rule, before.get(hour, 0), after.get(hour, 0))
            hours.setdefault(hour, []).append(counts)
    return tuple(HourRow(hour * _HOUR_US, tuple(hours[hour])) for hour in sorted(hours))


def _counts(raised: Sequence[Raised]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for one in raised:
        hour = one.t_utc_us // _HOUR_US
        counts[hour] = counts.get(hour, 0) + 1
    return counts
