"""What a try of changed rules came to: all that is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from roeh.core.alarm_figures import AlarmCount, AlarmFigures, AlarmTimes
from roeh.ledger.utc_spans import UtcSpan
from roeh.tune.comparison import RuleComparison
from roeh.tune.hours import HourRow


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A try.

    Attributes:
        node: site and name.
        when, cameras: of the footage judged.
        scenes: how many pictures rules were given.
        rules: each that raised anything, then, as configured or as changed.
        hours: in which anything was raised.
        then: by rule, what the pole itself raised in that time, by its ledger.
        is_untold: whether nobody knows what the pole raised then (a file tells nothing of it).
        figures_then, figures_before, figures_after: of alarm management, with one operator; of
            what the pole itself raised, as configured and as changed.
        damages: of the footage, what could not be read or is not what was recorded.
        remarks: what a reader has to know, a line each.
    """

    node: str
    when: UtcSpan
    cameras: tuple[str, ...]
    scenes: int
    rules: tuple[RuleComparison, ...]
    hours: tuple[HourRow, ...]
    then: Mapping[str, int]
    is_untold: bool
    figures_then: AlarmFigures
    figures_before: AlarmFigures
    figures_after: AlarmFigures
    damages: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def figures_of(alarms: Iterable[AlarmTimes], when: UtcSpan) -> AlarmFigures:
    """Of that time: each alert is an alarm for one operator."""
    count = AlarmCount(when.from_us, max(when.to_us, when.from_us + 1))
    for one in sorted(alarms, key=lambda each: each.raised_us):
        count.add(one)
    return count.figures()
