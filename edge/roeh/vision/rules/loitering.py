"""Somebody stays: within a radius of where they have been on the whole, gaps bridged.

A stay belongs to a place more than to a track: who is lost and found again under a new
number, at the same place and within the gap allowed, goes on with the stay.
"""

from __future__ import annotations

import math

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import LoiteringRule, VehicleStoppedRule
from roeh.core.types import Frame, RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.geometry import Area, sigma_m
from roeh.vision.rules.presence import Presence
from roeh.vision.scene import Scene

#: A track unseen for so long may have come back under another number.
_LOST_S = 0.5
_LEAST_SLACK_M = 0.25
#: Who stands still is looked at once in a sweep: seen so short a time ago they still stand there.
_STANDS_S = 1.0


class _Stay(msgspec.Struct):
    """Where somebody has been since when; mutable, private to the rule.

    Attributes:
        east_m, north_m: mean place, weighted by time.
        last_ns: when the track was last seen.
        holds: it has lasted long enough.
    """

    number: int
    track: Track
    east_m: float
    north_m: float
    started: Frame
    last_ns: int
    holds: bool = False

    def away_m(self, track: Track) -> float:
        """How far a track is from the mean place."""
        return math.hypot(
            track.position.east_m - self.east_m, track.position.north_m - self.north_m
        )


class Loitering:
    """One occurrence for everybody who stays; of vehicles, for each that has stopped."""

    def __init__(self, settings: LoiteringRule | VehicleStoppedRule, area: Area | None) -> None:
        self.kind = (
            RuleKind.VEHICLE_STOPPED
            if isinstance(settings, VehicleStoppedRule)
            else RuleKind.LOITERING
        )
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._presence = Presence(area)
        self._stays: dict[int, _Stay] = {}
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each who has stayed long enough."""
        tracks, frame = scene.tracks, scene.frame
        now_ns = frame.t_mono_ns
        inside = self._presence.update(tracks, now_ns)
        live = {track.id for track in tracks}
        gap_ns = self._settings.max_gap_s * NS_PER_S
        self._stays = {
            track_id: stay
            for track_id, stay in self._stays.items()
            if now_ns - stay.last_ns <= gap_ns and (track_id in inside or track_id not in live)
        }
        for track in tracks:
            if track.seen and track.id in inside:
                self._follow(track, frame)
        for stay in self._stays.values():
            if now_ns - stay.last_ns <= _STANDS_S * NS_PER_S:
                stay.holds |= self._has_lasted(stay, now_ns)
        return [self._condition(stay) for stay in self._stays.values() if stay.holds]

    def _follow(self, track: Track, frame: Frame) -> None:
        now_ns = frame.t_mono_ns
        stay = self._stays.get(track.id) or self._taken_over(track, now_ns)
        if stay is None or stay.away_m(track) > self._reach_m(stay, track):
            self._count += 1
            place = track.position
            stay = _Stay(self._count, track, place.east_m, place.north_m, frame, now_ns)
        elapsed_ns = now_ns - stay.started.t_mono_ns
        # The mean reaches back no farther than the dwell asked for, so that a slow
        # stroll leaves its beginning behind and a long watch may shift its feet.
        memory_ns = min(float(elapsed_ns), self._settings.dwell_s * NS_PER_S)
        share = (now_ns - stay.last_ns) / memory_ns if memory_ns > 0 else 1.0
        stay.east_m += min(share, 1.0) * (track.position.east_m - stay.east_m)
        stay.north_m += min(share, 1.0) * (track.position.north_m - stay.north_m)
        stay.track, stay.last_ns = track, now_ns
        self._stays[track.id] = stay

    def _has_lasted(self, stay: _Stay, now_ns: int) -> bool:
        return now_ns - stay.started.t_mono_ns >= self._settings.dwell_s * NS_PER_S

    def _reach_m(self, stay: _Stay, track: Track) -> float:
        """How far from the mean place is still there: farther once the stay is said to hold."""
        slack_m = max(_LEAST_SLACK_M, sigma_m(track.position)) if stay.holds else 0.0
        return self._settings.radius_m + slack_m

    def _taken_over(self, track: Track, now_ns: int) -> _Stay | None:
        """The stay of somebody just lost here, whom this new track may well be."""
        lost = [
            stay
            for stay in self._stays.values()
            if now_ns - stay.last_ns >= _LOST_S * NS_PER_S
            and track.first_seen_mono_ns >= stay.last_ns
            and stay.track.label == track.label
            and stay.away_m(track) <= self._reach_m(stay, track)
        ]
        if not lost:
            return None
        stay = min(lost, key=lambda stay: (stay.away_m(track), stay.number))
        del self._stays[stay.track.id]
        return stay

    def _condition(self, stay: _Stay) -> Condition:
        return Condition(
            key=f"stay-{stay.number}",
            cool_key=f"track-{stay.track.id}",
            cool_radius_m=self._settings.radius_m,
            tracks=(stay.track,),
            position=stay.track.position,
            started=stay.started,
        )
