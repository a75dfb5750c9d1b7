"""Alarms of one pole and rule within five minutes, shown as one line. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from roeh.desk.alarms.rows import AlarmRow
from roeh.desk.alarms.states import AlarmState

#: From the first alarm of a group to the last.
GROUP_US = 300 * 1_000_000
_STATE_ORDER = {state: order for order, state in enumerate(AlarmState)}


class AlarmGroup(msgspec.Struct, frozen=True):
    """Alarms that are one line: of one pole, rule and state, opened within five minutes.

    `alarms` has one at the least, the first opened first.
    """

    alarms: tuple[AlarmRow, ...]

    @property
    def first(self) -> AlarmRow:
        """The one opened first; the line shows its id."""
        return self.alarms[0]

    @property
    def priority(self) -> int:
        """The highest in it."""
        return max(alarm.priority for alarm in self.alarms)

    @property
    def newest_utc_us(self) -> int:
        """When its last one was opened."""
        return self.alarms[-1].t_opened_utc_us


def grouped(alarms: Iterable[AlarmRow]) -> list[AlarmGroup]:
    """The lines of a list: what is new first, urgent before less so, newest before older."""
    members: dict[tuple[str, ...], list[list[AlarmRow]]] = {}
    for alarm in sorted(alarms, key=lambda one: (one.t_opened_utc_us, one.row)):
        runs = members.setdefault(_alike(alarm), [])
        if runs and alarm.t_opened_utc_us - runs[-1][0].t_opened_utc_us <= GROUP_US:
            runs[-1].append(alarm)
        else:
            runs.append([alarm])
    groups = [AlarmGroup(tuple(run)) for runs in members.values() for run in runs]
    return sorted(
        groups,
        key=lambda group: (
            _STATE_ORDER[group.first.state],
            -group.priority,
            -group.newest_utc_us,
            group.first.row,
        ),
    )


def _alike(alarm: AlarmRow) -> tuple[str, ...]:
    # The desk's own have no rule: their kind and what they are about tell them apart.
    own = alarm.subject if alarm.is_own else ""
    return alarm.site, alarm.node, alarm.kind, alarm.rule, own, alarm.state.value
