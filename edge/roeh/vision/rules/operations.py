"""Operations: named times in which rules of their own hold, by their hours or by an order.

As with the hours of rules UTC decides whether they hold, and nothing else.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Mapping

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import NodeConfig, OperationSection
from roeh.core.operations import OperationNow
from roeh.core.schedule import Schedule


class OrderedOperation(msgspec.Struct, frozen=True):
    """An operation holds, or does not, whatever its hours say, until a monotonic time.

    Attributes:
        is_in_force: None: as configured.
        command_id: of the order.
    """

    is_in_force: bool | None
    until_mono_ns: int
    command_id: str


class Operation:
    """One operation. It is asked by rules, and by who tells evidence, from several threads."""

    def __init__(
        self, section: OperationSection, schedule: Schedule | None, time_zone: str
    ) -> None:
        self.name = section.name
        self._schedule = schedule
        self._from_utc_ns = _utc_ns(section.from_local, time_zone)
        self._to_utc_ns = _utc_ns(section.to_local, time_zone)
        self._ordered: OrderedOperation | None = None
        self._held_by: OrderedOperation | None = None
        self._told: OperationNow | None = None

    def order(self, ordered: OrderedOperation) -> None:
        """Put this in the place of the hours until it ends."""
        self._ordered = ordered

    def holds(self, *, t_utc_ns: int, t_mono_ns: int) -> bool:
        """Whether it does at that instant."""
        ordered = self._in_time(t_mono_ns)
        return self._hours_hold(t_utc_ns) if ordered is None else bool(ordered.is_in_force)

    def now(self, *, t_utc_ns: int, t_mono_ns: int) -> OperationNow:
        """How it is, and why it became so. One thread asks, in the order of time."""
        is_in_force = self.holds(t_utc_ns=t_utc_ns, t_mono_ns=t_mono_ns)
        held_by = self._in_time(t_mono_ns)
        # The order that held it is over, or another one lets its hours count.
        is_let_go = held_by is None and self._held_by is not None
        cause = self._ordered if is_let_go else held_by
        self._held_by = held_by
        if self._told is None or self._told.is_in_force != is_in_force:
            self._told = self._because(is_in_force=is_in_force, ordered=cause)
        return self._told

    @property
    def _has_hours(self) -> bool:
        return (self._schedule, self._from_utc_ns, self._to_utc_ns) != (None, None, None)

    def _in_time(self, t_mono_ns: int) -> OrderedOperation | None:
        """The order that comes before the hours then."""
        ordered = self._ordered
        if ordered is None or ordered.is_in_force is None or t_mono_ns >= ordered.until_mono_ns:
            return None
        return ordered

    def _hours_hold(self, t_utc_ns: int) -> bool:
        return (
            self._has_hours
            and (self._from_utc_ns is None or self._from_utc_ns <= t_utc_ns)
            and (self._to_utc_ns is None or t_utc_ns < self._to_utc_ns)
            and (self._schedule is None or self._schedule.holds(t_utc_ns))
        )

    def _because(self, *, is_in_force: bool, ordered: OrderedOperation | None) -> OperationNow:
        if ordered is not None:
            return OperationNow(self.name, is_in_force, "order", ordered.command_id)
        return OperationNow(self.name, is_in_force, "hours" if self._has_hours else "configuration")


class Operations:
    """All operations of a configuration."""

    def __init__(self, config: NodeConfig, schedules: Mapping[str, Schedule]) -> None:
        time_zone = config.node.time_zone
        self._by_name = {
            section.name: Operation(section, schedules.get(section.schedule), time_zone)
            for section in config.operations
        }

    def get(self, name: str) -> Operation | None:
        """The one of that name."""
        return self._by_name.get(name)

    def order(self, name: str, ordered: OrderedOperation) -> bool:
        """Let one hold or not until a time; False: there is none of that name."""
        operation = self._by_name.get(name)
        if operation is not None:
            operation.order(ordered)
        return operation is not None

    def now(self, *, t_utc_ns: int, t_mono_ns: int) -> tuple[OperationNow, ...]:
        """How each is. One thread asks, in the order of time."""
        return tuple(
            operation.now(t_utc_ns=t_utc_ns, t_mono_ns=t_mono_ns)
            for operation in self._by_name.values()
        )


def _utc_ns(local: str | None, time_zone: str) -> int | None:
    """That instant; of an hour that the clock on the wall shows twice, the first."""
    if local is None:
        return None
    there = datetime.datetime.fromisoformat(local).replace(tzinfo=zoneinfo.ZoneInfo(time_zone))
    return int(there.timestamp()) * NS_PER_S
