"""Somebody is in a zone: surely in N of the last M looks, and out again only if surely out."""

from __future__ import annotations

from roeh.core.clock import NS_PER_S
from roeh.core.config import ZoneEntryRule
from roeh.core.types import Frame, RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.geometry import Area
from roeh.vision.rules.presence import Presence
from roeh.vision.scene import Scene

#: Somebody lost inside the zone may be found again, under another number, so much later.
_LOST_S = 2.0


class ZoneEntry:
    """One occurrence for the zone, from the first who enters to the last who leaves."""

    kind = RuleKind.ZONE_ENTRY

    def __init__(self, settings: ZoneEntryRule, area: Area) -> None:
        self.place: str | None = settings.zone
        self._presence = Presence(area, min_looks=settings.min_frames, of_looks=settings.of_frames)
        self._entered: dict[int, Frame] = {}
        self._standing: Condition | None = None
        self._lost_until_ns = 0
        self._occurrences = 0

    def update(self, scene: Scene) -> list[Condition]:
        """One condition while anybody is inside."""
        tracks, frame = scene.tracks, scene.frame
        live = {track.id for track in tracks}
        if any(track_id not in live for track_id in self._entered):
            self._lost_until_ns = frame.t_mono_ns + round(_LOST_S * NS_PER_S)
        present = self._presence.update(tracks, frame.t_mono_ns)
        self._entered = {
            track.id: self._entered.get(track.id, frame) for track in tracks if track.id in present
        }
        inside = [track for track in tracks if track.id in present]
        if inside:
            self._standing = self._condition(inside)
        elif frame.t_mono_ns >= self._lost_until_ns:
            self._standing = None
        return [] if self._standing is None else [self._standing]

    def _condition(self, inside: list[Track]) -> Condition:
        first = min(inside, key=lambda track: (self._entered[track.id].t_mono_ns, track.id))
        if self._standing is None:
            self._occurrences += 1
            key, started = f"occupied-{self._occurrences}", self._entered[first.id]
        else:
            key, started = self._standing.key, self._standing.started
        return Condition(
            key=key,
            cool_key="zone",
            tracks=(first, *(track for track in inside if track is not first)),
            position=first.position,
            started=started,
        )
