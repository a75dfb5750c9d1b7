"""The life of what a rule finds: raised once, updated while it lasts, cleared once.

Several sensors may see whom it is about. It is raised with a picture of the one that sees
them best, waiting a moment for it, and refers to pictures of a sensor that saw them.

Time here is monotonic. UTC decides only whether the schedule covers the hour.
"""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.config import RuleSection
from roeh.core.types import AlertPhase, EvidenceReference, Frame, GroundPoint
from roeh.vision.mobility import TWO_WHEELER, mobility_of
from roeh.vision.rules.chatter import Chatter
from roeh.vision.rules.finding import SIGHTLESS_KINDS, Condition, Finding, Rule
from roeh.vision.rules.geometry import apart_m
from roeh.vision.rules.hours import Hours
from roeh.vision.scene import Scene

#: An update is worth sending when this much changed, and not more often than that.
UPDATE_PERIOD_S = 5.0
_UPDATE_MOVED_M = 3.0
_UPDATE_DWELL_FACTOR = 2.0
_LEAST_DWELL_S = 1.0
#: Of this priority and above nothing is held back because there is much of it.
URGENT_PRIORITY = 8
#: A sensor that sees better is given so long for its next picture.
_BETTER_PICTURE_S = 0.5
#: Without a picture for so long, what ends by itself is not left to the next one. Longer than
#: pictures are under way: none that comes later is of before.
_UNSEEN_S = 10.0


class _Occurrence(msgspec.Struct):
    """One that was raised and not cleared; mutable, private to its life.

    Attributes:
        first: by camera, the earliest frame it rests on.
        said_ns, said_count, said_dwell_s, said_position: as the last message said.
    """

    number: int
    condition: Condition
    first: dict[str, Frame]
    said_ns: int
    said_count: int
    said_dwell_s: float
    said_position: GroundPoint


class _Cooling(msgspec.Struct, frozen=True):
    """Where and of whom nothing is raised again until a time."""

    condition: Condition
    until_ns: int

    def holds_back(self, condition: Condition) -> bool:
        """Whether that would be the same thing once more."""
        ended = self.condition
        return condition.cool_key == ended.cool_key or (
            condition.cool_radius_m > 0
            and apart_m(condition.position, ended.position) <= condition.cool_radius_m
        )


class Life:
    """One rule with its hours, its cool-down and what it has raised.

    A rule goes on watching outside its hours, so that whoever was there before they began is
    found when they do.
    """

    def __init__(self, section: RuleSection, rule: Rule, hours: Hours) -> None:
        self._section = section
        self._rule = rule
        self._hours = hours
        self._labels = frozenset(section.labels)
        self._raised: dict[str, _Occurrence] = {}
        self._waiting_since_ns: dict[str, int] = {}
        self._newest: dict[str, Frame] = {}
        self._asked_ns = 0
        self._is_sightless = rule.kind in SIGHTLESS_KINDS
        self._cooling: list[_Cooling] = []
        is_urgent = section.priority >= URGENT_PRIORITY
        self._chatter = Chatter(0 if is_urgent else section.chatter_count, section.chatter_window_s)
        self._count = 0

    def update(self, scene: Scene) -> list[Finding]:
        """What is raised, updated or cleared."""
        frame = scene.frame
        self._newest[frame.camera_id] = frame
        self._asked_ns = frame.t_mono_ns
        confirmed = [one for one in scene.tracks if one.confirmed]
        conditions = self._rule.update(
            msgspec.structs.replace(
                scene,
                tracks=tuple(one for one in confirmed if one.label in self._labels),
                wheels=tuple(one for one in confirmed if mobility_of(one.label) is TWO_WHEELER),
            )
        )
        return self._live(conditions, frame)

    def update_unseen(self, scene: Scene) -> list[Finding]:
        """The same of a rule that asks for nothing that pictures show; others wait."""
        return self.update(scene) if self._is_sightless else []

    def tick(self, scene: Scene) -> list[Finding]:
        """What is raised or cleared although no picture comes.

        What others saw last stands, for nobody sees whether it is over; but for what ends by
        itself, and for hours that end.

        Args:
            scene: its frame gives the times and is of no camera.
        """
        now = scene.frame
        if self._is_sightless:
            return self.update(scene)
        if not self._raised or now.t_mono_ns - self._asked_ns < _UNSEEN_S * NS_PER_S:
            return []
        if not self._hours.hold(now):
            return self._clear(set(), now)
        return self._clear(
            {key for key, raised in self._raised.items() if not _is_over(raised.condition, now)},
            now,
        )

    def _live(self, conditions: list[Condition], frame: Frame) -> list[Finding]:
        now_ns = frame.t_mono_ns
        if not self._hours.hold(frame):
            conditions = []
        holding = {condition.key for condition in conditions}
        found = self._clear(holding, frame)
        self._waiting_since_ns = {
            key: since_ns for key, since_ns in self._waiting_since_ns.items() if key in holding
        }
        self._cooling = [cooling for cooling in self._cooling if cooling.until_ns > now_ns]
        self._chatter.keep(holding)
        for condition in conditions:
            occurrence = self._raised.get(condition.key)
            if occurrence is not None:
                found.extend(self._update(occurrence, condition, frame))
            elif not self._is_held_back(condition, frame):
                found.append(self._raise(condition, frame))
        return found

    def _is_held_back(self, condition: Condition, frame: Frame) -> bool:
        """Whether what holds is not to be raised, or not yet."""
        return (
            any(cooling.holds_back(condition) for cooling in self._cooling)
            or self._waits(condition, frame)
            or self._chatter.holds_back(condition.key, frame.t_mono_ns)
        )

    def _waits(self, condition: Condition, frame: Frame) -> bool:
        """Whether another sensor's picture, soon to come, shows better what this is about."""
        if condition.subject is not None or any(
            track.sensor == track.best_sensor == frame.camera_id for track in condition.tracks
        ):
            return False
        since_ns = self._waiting_since_ns.setdefault(condition.key, frame.t_mono_ns)
        return frame.t_mono_ns - since_ns < _BETTER_PICTURE_S * NS_PER_S

    def _raise(self, condition: Condition, frame: Frame) -> Finding:
        self._count += 1
        occurrence = _Occurrence(
            number=self._count,
            condition=condition,
            first={condition.started.camera_id: condition.started},
            said_ns=frame.t_mono_ns,
            said_count=condition.count,
            said_dwell_s=_dwell_s(condition, frame),
            said_position=condition.position,
        )
        self._raised[condition.key] = occurrence
        chatter = self._chatter.raise_now(condition.key, frame.t_mono_ns)
        return self._finding(AlertPhase.RAISED, occurrence, frame, chatter)

    def _update(self, occurrence: _Occurrence, condition: Condition, frame: Frame) -> list[Finding]:
        """An update, if something that matters changed since the last word."""
        occurrence.condition = condition
        if not condition.is_shown_by(frame.camera_id):
            return []
        occurrence.first.setdefault(frame.camera_id, frame)
        if frame.t_mono_ns - occurrence.said_ns < UPDATE_PERIOD_S * NS_PER_S:
            return []
        dwell_s = _dwell_s(condition, frame)
        changed = (
            condition.count != occurrence.said_count
            or dwell_s >= _UPDATE_DWELL_FACTOR * max(_LEAST_DWELL_S, occurrence.said_dwell_s)
            or apart_m(condition.position, occurrence.said_position) > _UPDATE_MOVED_M
        )
        if not changed:
            return []
        occurrence.said_ns = frame.t_mono_ns
        occurrence.said_count = condition.count
        occurrence.said_dwell_s = dwell_s
        occurrence.said_position = condition.position
        return [self._finding(AlertPhase.UPDATED, occurrence, frame)]

    def _clear(self, holding: set[str], frame: Frame) -> list[Finding]:
        found: list[Finding] = []
        cool_down_ns = int(self._section.cool_down_s * NS_PER_S)
        for key in [key for key in self._raised if key not in holding]:
            occurrence = self._raised.pop(key)
            self._cooling.append(_Cooling(occurrence.condition, frame.t_mono_ns + cool_down_ns))
            found.append(self._finding(AlertPhase.CLEARED, occurrence, frame))
        return found

    def _finding(
        self, phase: AlertPhase, occurrence: _Occurrence, frame: Frame, chatter: int = 0
    ) -> Finding:
        condition = occurrence.condition
        last = frame
        if not condition.is_shown_by(frame.camera_id):
            last = self._newest.get(condition.sensor, condition.started)
        return Finding(
            rule=self._section.name,
            rule_kind=self._rule.kind,
            number=occurrence.number,
            phase=phase,
            priority=self._section.priority,
            zone=self._rule.place,
            label=condition.label,
            confidence=condition.confidence,
            position=condition.position,
            track_ids=tuple(track.id for track in condition.tracks),
            count=condition.count,
            dwell_s=_dwell_s(condition, frame),
            evidence=_evidence(occurrence.first.get(last.camera_id, last), last),
            subject=condition.subject,
            chatter=chatter,
        )


def _evidence(first: Frame, last: Frame) -> EvidenceReference:
    return EvidenceReference(
        camera_id=last.camera_id,
        first_frame_seq=first.seq,
        last_frame_seq=last.seq,
        first_t_mono_us=first.t_mono_ns // NS_PER_US,
        last_t_mono_us=last.t_mono_ns // NS_PER_US,
    )


def _is_over(condition: Condition, now: Frame) -> bool:
    return condition.until_mono_ns is not None and now.t_mono_ns >= condition.until_mono_ns


def _dwell_s(condition: Condition, frame: Frame) -> float:
    return (frame.t_mono_ns - condition.started.t_mono_ns) / NS_PER_S
