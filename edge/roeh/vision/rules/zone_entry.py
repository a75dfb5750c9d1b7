"""Somebody is in a zone: in N of the last M looks, and out again only well outside."""

from __future__ import annotations

from collections import deque

from roeh.core.config import ZoneEntryRule
from roeh.core.types import RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.ground import Area, is_clearly_outside


class ZoneEntry:
    """One occurrence for the zone, from the first who enters to the last who leaves."""

    kind = RuleKind.ZONE_ENTRY

    def __init__(self, settings: ZoneEntryRule, area: Area) -> None:
        self.place: str | None = settings.zone
        self._settings = settings
        self._area = area
        self._looks: dict[int, deque[bool]] = {}
        self._inside_since_ns: dict[int, int] = {}

    def update(self, tracks: tuple[Track, ...], t_mono_ns: int) -> list[Condition]:
        """One condition while anybody is inside."""
        live = {track.id for track in tracks}
        for gone in [track_id for track_id in self._looks if track_id not in live]:
            del self._looks[gone]
            self._inside_since_ns.pop(gone, None)
        for track in tracks:
            self._judge(track, t_mono_ns)
        inside = [track for track in tracks if track.id in self._inside_since_ns]
        if not inside:
            return []
        inside.sort(key=lambda track: (self._inside_since_ns[track.id], track.id))
        return [
            Condition(
                key="zone",
                cool_key="zone",
                tracks=tuple(inside),
                position=inside[0].position,
                started_mono_ns=self._inside_since_ns[inside[0].id],
            )
        ]

    def _judge(self, track: Track, t_mono_ns: int) -> None:
        depth_m = self._area.depth_m(track.position.east_m, track.position.north_m)
        if track.id in self._inside_since_ns:
            if is_clearly_outside(depth_m, track.position):
                del self._inside_since_ns[track.id]
                self._looks[track.id].clear()
            return
        looks = self._looks.setdefault(track.id, deque(maxlen=self._settings.of_frames))
        # A track that merely coasts into the zone was not seen there.
        looks.append(depth_m > 0 and track.seen)
        if sum(looks) >= self._settings.min_frames:
            self._inside_since_ns[track.id] = t_mono_ns
