"""Days and hours of a schedule, in the node's time zone.

With the times of operations the only place that looks at UTC to decide what holds: a wrong clock
shifts hours and changes nothing else.
"""

from __future__ import annotations

import datetime
import zoneinfo

from roeh.core.clock import NS_PER_S
from roeh.core.config import NodeConfig, ScheduleSection

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Schedule:
    """Days and hours.

    A window whose end is not after its start runs over midnight and belongs to the day
    it started on; equal start and end are a whole day from then on. Hours are those of
    the clock on the wall: on the days of the change a window is an hour shorter or longer.
    """

    def __init__(self, section: ScheduleSection, time_zone: str) -> None:
        self._days = frozenset(_DAYS.index(day) for day in section.days)
        self._start_min, self._end_min = _minutes(section.start), _minutes(section.end)
        self._zone = zoneinfo.ZoneInfo(time_zone)

    def holds(self, t_utc_ns: int) -> bool:
        """Whether it covers that instant."""
        local = datetime.datetime.fromtimestamp(t_utc_ns // NS_PER_S, tz=self._zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self._start_min < self._end_min:
            return today in self._days and self._start_min <= minute < self._end_min
        if minute >= self._start_min:
            return today in self._days
        return minute < self._end_min and (today - 1) % len(_DAYS) in self._days


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def schedules_of(config: NodeConfig) -> dict[str, Schedule]:
    """Those of a configuration, by name."""
    return {one.name: Schedule(one, config.node.time_zone) for one in config.schedules}
