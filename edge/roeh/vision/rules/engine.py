"""All rules of a pole, and the life of what they find: raised, updated, cleared, each in turn.

Time here is monotonic. UTC decides only whether a schedule covers the hour.
"""

from __future__ import annotations

import math

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import (
    LineCrossingRule,
    LoiteringRule,
    NodeConfig,
    RuleSection,
    ZoneEntryRule,
)
from roeh.core.types import AlertPhase, Frame, GroundPoint, Track
from roeh.vision.rules.crowd import Crowd
from roeh.vision.rules.finding import Condition, Finding, Rule
from roeh.vision.rules.ground import Line, area_of
from roeh.vision.rules.line_crossing import LineCrossing
from roeh.vision.rules.loitering import Loitering
from roeh.vision.rules.schedule import Schedule
from roeh.vision.rules.zone_entry import ZoneEntry

#: An update is worth sending when this much changed, and not more often than that.
_UPDATE_PERIOD_NS = 5 * NS_PER_S
_UPDATE_MOVED_M = 3.0
_UPDATE_DWELL_FACTOR = 2.0


class RuleEngine:
    """The rules of one configuration."""

    def __init__(self, config: NodeConfig) -> None:
        schedules = {
            section.name: Schedule(section, config.node.time_zone) for section in config.schedules
        }
        self._lives = tuple(
            _Life(section, _rule(section, config), schedules.get(section.schedule))
            for section in config.rules
        )

    def update(self, tracks: tuple[Track, ...], frame: Frame) -> tuple[Finding, ...]:
        """What is raised, updated or cleared with this frame.

        Args:
            tracks: all live tracks as of the frame; only confirmed ones count.
            frame: gives both times and the frame's number.
        """
        confirmed = tuple(track for track in tracks if track.confirmed)
        found: list[Finding] = []
        for life in self._lives:
            found.extend(life.update(confirmed, frame))
        return tuple(found)


class _Occurrence(msgspec.Struct):
    """One that was raised and not cleared; mutable, private to its life."""

    number: int
    condition: Condition
    first_frame_seq: int
    said_ns: int
    said_count: int
    said_dwell_s: float
    said_position: GroundPoint


class _Life:
    """One rule with its schedule, its cool-down and what it has raised."""

    def __init__(self, section: RuleSection, rule: Rule, schedule: Schedule | None) -> None:
        self._section = section
        self._rule = rule
        self._schedule = schedule
        self._labels = frozenset(section.labels)
        self._raised: dict[str, _Occurrence] = {}
        self._quiet_until_ns: dict[str, int] = {}
        self._count = 0

    def update(self, tracks: tuple[Track, ...], frame: Frame) -> list[Finding]:
        now_ns = frame.t_mono_ns
        conditions: list[Condition] = []
        # Off schedule the rule still follows who is where, so that nobody "enters" at
        # the stroke of the hour who has been there all along without being seen to.
        held = self._rule.update(
            tuple(track for track in tracks if track.label in self._labels), now_ns
        )
        if self._schedule is None or self._schedule.holds(frame.t_utc_ns):
            conditions = held
        found = self._clear({condition.key for condition in conditions}, frame)
        for condition in conditions:
            occurrence = self._raised.get(condition.key)
            if occurrence is not None:
                found.extend(self._update(occurrence, condition, frame))
            elif now_ns >= self._quiet_until_ns.get(condition.cool_key, now_ns):
                found.append(self._raise(condition, frame))
        self._forget_quiet(now_ns)
        return found

    def _raise(self, condition: Condition, frame: Frame) -> Finding:
        self._count += 1
        occurrence = _Occurrence(
            number=self._count,
            condition=condition,
            first_frame_seq=frame.seq,
            said_ns=frame.t_mono_ns,
            said_count=len(condition.tracks),
            said_dwell_s=_dwell_s(condition, frame),
            said_position=condition.position,
        )
        self._raised[condition.key] = occurrence
        return self._finding(AlertPhase.RAISED, occurrence, frame)

    def _update(self, occurrence: _Occurrence, condition: Condition, frame: Frame) -> list[Finding]:
        """An update, if something that matters changed since the last word."""
        occurrence.condition = condition
        dwell_s = _dwell_s(condition, frame)
        changed = (
            len(condition.tracks) != occurrence.said_count
            or dwell_s >= _UPDATE_DWELL_FACTOR * max(1.0, occurrence.said_dwell_s)
            or _apart_m(condition.position, occurrence.said_position) > _UPDATE_MOVED_M
        )
        if not changed or frame.t_mono_ns - occurrence.said_ns < _UPDATE_PERIOD_NS:
            return []
        occurrence.said_ns = frame.t_mono_ns
        occurrence.said_count = len(condition.tracks)
        occurrence.said_dwell_s = dwell_s
        occurrence.said_position = condition.position
        return [self._finding(AlertPhase.UPDATED, occurrence, frame)]

    def _clear(self, holding: set[str], frame: Frame) -> list[Finding]:
        found: list[Finding] = []
        for key in [key for key in self._raised if key not in holding]:
            occurrence = self._raised.pop(key)
            cool_key = occurrence.condition.cool_key
            cool_down_ns = int(self._section.cool_down_s * NS_PER_S)
            self._quiet_until_ns[cool_key] = frame.t_mono_ns + cool_down_ns
            found.append(self._finding(AlertPhase.CLEARED, occurrence, frame))
        return found

    def _forget_quiet(self, now_ns: int) -> None:
        """Tracks come and go for ever; their cool-downs need not be remembered."""
        if len(self._quiet_until_ns) > 1000:
            self._quiet_until_ns = {
                key: until_ns for key, until_ns in self._quiet_until_ns.items() if until_ns > now_ns
            }

    def _finding(self, phase: AlertPhase, occurrence: _Occurrence, frame: Frame) -> Finding:
        condition = occurrence.condition
        first = condition.tracks[0]
        return Finding(
            rule=self._section.name,
            rule_kind=self._rule.kind,
            number=occurrence.number,
            phase=phase,
            priority=self._section.priority,
            zone=self._rule.place,
            label=first.label,
            confidence=max(track.confidence for track in condition.tracks),
            position=condition.position,
            track_ids=tuple(track.id for track in condition.tracks),
            count=len(condition.tracks),
            dwell_s=_dwell_s(condition, frame),
            started_mono_ns=condition.started_mono_ns,
            first_frame_seq=occurrence.first_frame_seq,
        )


def _rule(section: RuleSection, config: NodeConfig) -> Rule:
    areas = {zone.name: area_of(zone) for zone in config.zones}
    if isinstance(section, ZoneEntryRule):
        return ZoneEntry(section, areas[section.zone])
    if isinstance(section, LineCrossingRule):
        (line,) = [line for line in config.lines if line.name == section.line]
        return LineCrossing(section, Line(line))
    area = areas[section.zone] if section.zone else None
    if isinstance(section, LoiteringRule):
        return Loitering(section, area)
    return Crowd(section, area)


def _dwell_s(condition: Condition, frame: Frame) -> float:
    return (frame.t_mono_ns - condition.started_mono_ns) / NS_PER_S


def _apart_m(a: GroundPoint, b: GroundPoint) -> float:
    return math.hypot(a.east_m - b.east_m, a.north_m - b.north_m)
