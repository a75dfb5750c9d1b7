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


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something a rule looks for holds at this moment.

    Attributes:
        key: the same for as long as it is the same occurrence, and never used again by
            the rule for another.
        cool_key: occurrences that share it are kept apart by the rule's cool-down ...
        cool_radius_m: ... and so are those that are this close to one another.
        tracks: whom it is about, the most telling first; as last known.
        position: where.
        started: the frame with which it began to hold.
    """

    key: str
    cool_key: str
    cool_radius_m: float = 0.0
    tracks: tuple[Track, ...]
    position: GroundPoint
    started: Frame


class Finding(msgspec.Struct, frozen=True):
    """A rule raises, updates or clears.

    Attributes:
        rule: name from the configuration.
        number: counts the rule's occurrences; raise, updates and clear share it.
        zone: name of the zone or line.
        evidence: the pictures that it rests on, from long before it was raised maybe, of the
            camera whose frame it was made with, if that shows whom it is about.
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


class Rule(Protocol):
    """A rule's own memory; its life as alerts is another's matter (`life`)."""

    @property
    def kind(self) -> RuleKind:
        """Which rule it is."""

    @property
    def place(self) -> str | None:
        """Name of its zone or line."""

    def update(self, tracks: tuple[Track, ...], frame: Frame) -> list[Condition]:
        """What holds now, given the confirmed tracks of the rule's labels."""
