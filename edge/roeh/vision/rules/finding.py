"""What a rule says: a condition that holds now, and the finding that becomes an alert."""

from __future__ import annotations

from typing import Protocol

import msgspec

from roeh.core.types import AlertPhase, GroundPoint, RuleKind, Track


class Condition(msgspec.Struct, frozen=True):
    """Something a rule looks for holds at this moment.

    Attributes:
        key: the same for as long as it is the same occurrence.
        cool_key: occurrences that share it are kept apart by the rule's cool-down.
        tracks: whom it is about, the most telling first.
        position: where.
        started_mono_ns: since when it holds.
    """

    key: str
    cool_key: str
    tracks: tuple[Track, ...]
    position: GroundPoint
    started_mono_ns: int


class Finding(msgspec.Struct, frozen=True):
    """A rule raises, updates or clears.

    Attributes:
        rule: name from the configuration.
        number: counts the rule's occurrences; raise, updates and clear share it.
        zone: name of the zone or line.
        first_frame_seq: of the frame in which it was raised.
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
    started_mono_ns: int
    first_frame_seq: int


class Rule(Protocol):
    """A rule's own memory; its life as alerts is the engine's matter."""

    @property
    def kind(self) -> RuleKind:
        """Which rule it is."""

    @property
    def place(self) -> str | None:
        """Name of its zone or line."""

    def update(self, tracks: tuple[Track, ...], t_mono_ns: int) -> list[Condition]:
        """What holds now, given confirmed tracks of the rule's labels."""
