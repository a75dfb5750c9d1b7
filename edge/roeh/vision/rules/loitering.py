"""Somebody stays: within a radius of where they mostly are, for a time, gaps bridged."""

from __future__ import annotations

import math

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import LoiteringRule
from roeh.core.types import RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.ground import Area, is_clearly_outside, sigma_m

#: How fast the middle of a stay follows, seconds.
_FOLLOW_S = 10.0


class _Stay(msgspec.Struct):
    """Where somebody has been since when; mutable, private to the rule."""

    east_m: float
    north_m: float
    since_ns: int
    last_ns: int
    last_seen_ns: int
    holds: bool = False


class Loitering:
    """One occurrence for each track that stays."""

    kind = RuleKind.LOITERING

    def __init__(self, settings: LoiteringRule, area: Area | None) -> None:
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._area = area
        self._stays: dict[int, _Stay] = {}

    def update(self, tracks: tuple[Track, ...], t_mono_ns: int) -> list[Condition]:
        """A condition for each track that has stayed long enough."""
        live = {track.id for track in tracks}
        for gone in [track_id for track_id in self._stays if track_id not in live]:
            del self._stays[gone]
        found: list[Condition] = []
        for track in tracks:
            stay = self._follow(track, t_mono_ns)
            if stay is not None and stay.holds:
                found.append(
                    Condition(
                        key=f"track-{track.id}-{stay.since_ns}",
                        cool_key=f"track-{track.id}",
                        tracks=(track,),
                        position=track.position,
                        started_mono_ns=stay.since_ns,
                    )
                )
        return found

    def _follow(self, track: Track, t_mono_ns: int) -> _Stay | None:
        point = track.position
        stay = self._stays.get(track.id)
        if self._area is not None:
            depth_m = self._area.depth_m(point.east_m, point.north_m)
            outside = is_clearly_outside(depth_m, point) if stay is not None else depth_m <= 0
            if outside:
                self._stays.pop(track.id, None)
                return None
        if stay is None or self._has_left(stay, track, t_mono_ns):
            stay = _Stay(point.east_m, point.north_m, t_mono_ns, t_mono_ns, t_mono_ns)
            self._stays[track.id] = stay
            return stay
        share = 1 - math.exp(-(t_mono_ns - stay.last_ns) / (_FOLLOW_S * NS_PER_S))
        stay.east_m += share * (point.east_m - stay.east_m)
        stay.north_m += share * (point.north_m - stay.north_m)
        stay.last_ns = t_mono_ns
        if track.seen:
            stay.last_seen_ns = t_mono_ns
            # Said only of somebody who is seen, so that the picture shows them.
            stay.holds |= t_mono_ns - stay.since_ns >= self._settings.dwell_s * NS_PER_S
        return stay

    def _has_left(self, stay: _Stay, track: Track, t_mono_ns: int) -> bool:
        if t_mono_ns - stay.last_seen_ns > self._settings.max_gap_s * NS_PER_S:
            return True
        point = track.position
        away_m = math.hypot(point.east_m - stay.east_m, point.north_m - stay.north_m)
        slack_m = sigma_m(point) if stay.holds else 0.0
        return away_m > self._settings.radius_m + slack_m
