"""What rules raise over scenes: the same as detection would, in seconds instead of hours. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.core.clock import NS_PER_US
from roeh.core.config import NodeConfig
from roeh.core.types import AlertPhase, RuleKind, Track, Where
from roeh.optics.configured import pole_from, rig_from
from roeh.optics.ground import locate
from roeh.tune.footage import Moment
from roeh.vision.rules import Finding, RuleEngine
from roeh.vision.scene import Scene

Outline = tuple[tuple[float, float], ...]


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that would have been raised.

    Attributes:
        number: counts the rule's in its boot.
        at: the picture that it was raised with, of `camera_id`.
        cleared_utc_us: None: it still held when the footage ended.
        held_back: how many its rule held back as chatter before it, since the one before.
        outlines: in that picture, of what it is about, the most telling first; empty where
            this camera shows none of it, or where it is about the whole picture.
    """

    rule: str
    kind: RuleKind
    priority: int
    zone: str | None
    label: str
    count: int
    number: int
    camera_id: str
    at: Moment
    t_utc_us: int
    cleared_utc_us: int | None
    where: Where
    track_ids: tuple[int, ...]
    held_back: int
    outlines: tuple[Outline, ...] = ()


class Judge:
    """Gathers everything that the rules of a configuration raise.

    Rules begin anew with each boot, as detection does.

    Args:
        config: rules, and the rig that says where things are.
    """

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._rig, self._pole = rig_from(config), pole_from(config)
        self._raised: dict[tuple[str, str, int], Raised] = {}
        self._engine: RuleEngine | None = None
        self._boot_id = ""

    def see(self, scene: Scene) -> None:
        """The next scene."""
        if self._engine is None or scene.frame.boot_id != self._boot_id:
            self._engine, self._boot_id = RuleEngine(self._config), scene.frame.boot_id
        for finding in self._engine.update(scene):
            key = (self._boot_id, finding.rule, finding.number)
            if finding.phase is AlertPhase.RAISED:
                where = locate(finding.position, self._rig, self._pole)
                self._raised[key] = _raised(finding, scene, where)
            elif finding.phase is AlertPhase.CLEARED:
                t_utc_us = scene.frame.t_utc_ns // NS_PER_US
                cleared = msgspec.structs.replace(self._raised[key], cleared_utc_us=t_utc_us)
                self._raised[key] = cleared

    @property
    def raised(self) -> tuple[Raised, ...]:
        """In the order in which they were raised."""
        return tuple(self._raised.values())


def _raised(finding: Finding, scene: Scene, where: Where) -> Raised:
    frame = scene.frame
    return Raised(
        rule=finding.rule,
        kind=finding.rule_kind,
        priority=finding.priority,
        zone=finding.zone,
        label=finding.label,
        count=finding.count,
        number=finding.number,
        camera_id=frame.camera_id,
        at=Moment(frame.boot_id, frame.t_mono_ns),
        t_utc_us=frame.t_utc_ns // NS_PER_US,
        cleared_utc_us=None,
        where=where,
        track_ids=finding.track_ids,
        held_back=finding.chatter,
        outlines=_outlines(finding, scene.tracks, frame.camera_id),
    )


def _outlines(finding: Finding, tracks: Sequence[Track], camera_id: str) -> tuple[Outline, ...]:
    """As a thumbnail of the alert would show them (detect/alerts.py)."""
    if finding.subject is not None:
        outline = finding.subject.outline_sensor_px
        return (outline,) if outline and finding.subject.sensor == camera_id else ()
    shown = [one for one in tracks if one.id in finding.track_ids and one.sensor == camera_id]
    shown.sort(key=lambda track: (not track.seen, -track.confidence, track.id))
    return tuple(track.outline_sensor_px for track in shown)
