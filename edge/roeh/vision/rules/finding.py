"""What a rule says: a condition that holds now, and the finding that becomes an alert."""

from __future__ import annotations

from typing import Protocol

import msgspec

from roeh.core.types import (
    AlertPhase,
    EvidenceReference,
    Frame,
    GroundPoint,
    RuleKind,
    Track,
)
from roeh.vision.scene import Scene

#: They ask for nothing that a picture shows, only whether one comes, and what is heard: they are
#: asked while pictures settle, and without any (a scene whose frame is of no camera).
SIGHTLESS_KINDS = frozenset({RuleKind.CAMERA_BLIND, RuleKind.LOUD_NOISE})


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a finding is about when it is nobody who is tracked: an object, a camera, a noise.

    Attributes:
        label: what an alert says was seen.
        confidence: in [0, 1].
        sensor: whose picture shows it, or which camera it is about.
        outline_sensor_px: points round it in that picture; empty: the whole picture shows it.
        rests_on_model: whether the network saw it.
        level_db: of a noise.
    """

    label: str
    confidence: float
    sensor: str
    outline_sensor_px: tuple[tuple[float, float], ...] = ()
    rests_on_model: bool = False
    level_db: float | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something a rule looks for holds at this moment.

    Attributes:
        key: the same for as long as it is the same occurrence, and never used again by
            the rule for another.
        cool_key: occurrences that share it are kept apart by the rule's cool-down ...
        cool_radius_m: ... and so are those that are this close to one another.
        tracks: whom it is about, the most telling first; as last known.
        subject: what it is about where that is no track; one of the two is there.
        position: where.
        started: the frame with which it began to hold.
        until_mono_ns: then it is over by itself, whatever is seen; None: the rule has to see it.
    """

    key: str
    cool_key: str
    cool_radius_m: float = 0.0
    tracks: tuple[Track, ...] = ()
    subject: Subject | None = None
    position: GroundPoint
    started: Frame
    until_mono_ns: int | None = None

    @property
    def label(self) -> str:
        """What was seen."""
        return self.tracks[0].label if self.subject is None else self.subject.label

    @property
    def confidence(self) -> float:
        """How surely, in [0, 1]."""
        if self.subject is not None:
            return self.subject.confidence
        return max(track.confidence for track in self.tracks)

    @property
    def count(self) -> int:
        """How many it is about."""
        return len(self.tracks) or 1

    @property
    def sensor(self) -> str:
        """The camera that shows best what it is about."""
        return self.tracks[0].sensor if self.subject is None else self.subject.sensor

    def is_shown_by(self, camera_id: str) -> bool:
        """Whether a camera shows something of it."""
        if self.subject is not None:
            return self.subject.sensor == camera_id
        return any(track.sensor == camera_id for track in self.tracks)


class Finding(msgspec.Struct, frozen=True):
    """A rule raises, updates or clears.

    Attributes:
        rule: name from the configuration.
        number: counts the rule's occurrences; raise, updates and clear share it.
        zone: name of the zone or line.
        evidence: the pictures that it rests on, from long before it was raised maybe, of the
            camera whose frame it was made with, if that shows whom it is about.
        subject: what it is about where that is no track.
        chatter: how many were held back before it, since the rule raised last.
    """

    rule: str
    rule_kind: RuleKind
    number: int
    phase: AlertPhase
    priority: int
    zone: str | None
    label: str
    confidence: float
    position: GroundPoint
    track_ids: tuple[int, ...]
    count: int
    dwell_s: float
    evidence: EvidenceReference
    subject: Subject | None = None
    chatter: int = 0


class Rule(Protocol):
    """A rule's own memory; its life as alerts is another's matter (`life`)."""

    @property
    def kind(self) -> RuleKind:
        """Which rule it is."""

    @property
    def place(self) -> str | None:
        """Name of its zone or line."""

    def update(self, scene: Scene) -> list[Condition]:
        """What holds now; of the scene's tracks there are those of the rule's labels."""
