"""Whether a rule holds now: its hours, its operation, what it is replaced by, an order."""

from __future__ import annotations

from collections.abc import Mapping

from roeh.core.config import NodeConfig
from roeh.core.schedule import Schedule
from roeh.core.types import Frame
from roeh.vision.rules.operations import Operation, Operations
from roeh.vision.rules.schedule import OrderedSchedule


class Hours:
    """Of one rule. An order comes first; a rule that is replaced rests meanwhile."""

    def __init__(self, schedule: Schedule | None, operation: Operation | None) -> None:
        self._schedule = schedule
        self._operation = operation
        self._replaced_by: list[Hours] = []
        self._ordered: OrderedSchedule | None = None

    def order(self, ordered: OrderedSchedule | None) -> None:
        """Put this in the place of the hours until it ends; None: as configured again.

        From any thread; it holds from the next frame on.
        """
        self._ordered = ordered

    def rest_during(self, other: Hours) -> None:
        """Rest for as long as another rule would hold."""
        self._replaced_by.append(other)

    def hold(self, frame: Frame) -> bool:
        """Whether the rule does at that time."""
        ordered = self._in_time(frame)
        if ordered is not None:
            return ordered.is_on
        return self._own_hold(frame) and not any(
            other.would_hold(frame) for other in self._replaced_by
        )

    def would_hold(self, frame: Frame) -> bool:
        """Whether it does, but for what it is replaced by itself."""
        ordered = self._in_time(frame)
        return self._own_hold(frame) if ordered is None else ordered.is_on

    def _in_time(self, frame: Frame) -> OrderedSchedule | None:
        ordered = self._ordered
        is_over = ordered is None or frame.t_mono_ns >= ordered.until_mono_ns
        return None if is_over else ordered

    def _own_hold(self, frame: Frame) -> bool:
        operation, schedule = self._operation, self._schedule
        return (schedule is None or schedule.holds(frame.t_utc_ns)) and (
            operation is None or operation.holds(t_utc_ns=frame.t_utc_ns, t_mono_ns=frame.t_mono_ns)
        )


def hours_of_rules(
    config: NodeConfig, schedules: Mapping[str, Schedule], operations: Operations
) -> dict[str, Hours]:
    """By the rule's name."""
    hours = {
        rule.name: Hours(schedules.get(rule.schedule), operations.get(rule.operation))
        for rule in config.rules
    }
    for rule in config.rules:
        if rule.instead_of:
            hours[rule.instead_of].rest_during(hours[rule.name])
    return hours
