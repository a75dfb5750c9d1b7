"""All rules of a pole."""

from __future__ import annotations

from roeh.core.config import (
    CrowdRule,
    DispersalRule,
    LineCrossingRule,
    LoiteringRule,
    NodeConfig,
    RuleSection,
    RunningRule,
    VehicleStoppedRule,
    ZoneEntryRule,
)
from roeh.vision.rules.crowd import Crowd
from roeh.vision.rules.dispersal import Dispersal
from roeh.vision.rules.finding import Finding, Rule
from roeh.vision.rules.geometry import Line, area_of
from roeh.vision.rules.hours import hours_of_rules
from roeh.vision.rules.life import Life
from roeh.vision.rules.line_crossing import LineCrossing
from roeh.vision.rules.loitering import Loitering
from roeh.vision.rules.operations import Operations
from roeh.vision.rules.running import Running
from roeh.vision.rules.schedule import OrderedSchedule, Schedule
from roeh.vision.rules.zone_entry import ZoneEntry
from roeh.vision.scene import Scene


class RuleEngine:
    """The rules of one configuration. It remembers nothing of an earlier start."""

    def __init__(self, config: NodeConfig) -> None:
        schedules = {
            section.name: Schedule(section, config.node.time_zone) for section in config.schedules
        }
        self.operations = Operations(config, schedules)
        self._hours = hours_of_rules(config, schedules, self.operations)
        self._lives = tuple(
            Life(section, _rule(section, config), self._hours[section.name])
            for section in config.rules
        )

    def order(self, rule: str, ordered: OrderedSchedule | None) -> bool:
        """Let a rule be on or off until a time; None: as configured. False: no such rule."""
        hours = self._hours.get(rule)
        if hours is not None:
            hours.order(ordered)
        return hours is not None

    def update(self, scene: Scene) -> tuple[Finding, ...]:
        """What is raised, updated or cleared with this frame.

        Args:
            scene: as of a frame that gives both times; frames come in the order of their
                monotonic times.
        """
        return tuple(finding for life in self._lives for finding in life.update(scene))


def _rule(section: RuleSection, config: NodeConfig) -> Rule:
    # The configuration's check has seen that zones and lines exist.
    zones = {zone.name: area_of(zone) for zone in config.zones}
    match section:
        case LineCrossingRule():
            (line,) = [line for line in config.lines if line.name == section.line]
            return LineCrossing(section, Line(line))
        case ZoneEntryRule():
            return ZoneEntry(section, zones[section.zone])
        case LoiteringRule() | VehicleStoppedRule():
            return Loitering(section, zones.get(section.zone))
        case CrowdRule():
            return Crowd(section, zones.get(section.zone))
        case RunningRule():
            return Running(section, zones.get(section.zone))
        case DispersalRule():
            return Dispersal(section, zones.get(section.zone))
