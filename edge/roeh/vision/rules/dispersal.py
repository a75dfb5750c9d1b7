"""Those who were together go apart: half of them gone within seconds, outwards and fast.

What counts is who was close together a moment ago: of those, how many are left there, and how
fast the ones who are still seen go away from the middle. Who is lost from sight in the turmoil
has left too, but nobody knows where to: at least half of those who left must have been seen
going.
"""

from __future__ import annotations

from collections import deque

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S
from roeh.core.config import DispersalRule
from roeh.core.types import Frame, RuleKind, Track
from roeh.vision.rules.crowd import Array, fullest_circle, middle_of, places_of
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.geometry import Area, sigma_m
from roeh.vision.rules.presence import Presence
from roeh.vision.scene import Scene

#: Who came close together has to have been so for as long: no cluster by passing.
_TOGETHER_S = 1.0
_LEAST_SLACK_M = 0.25
#: Together no longer, when the share of those who were is no more than this.
_LEFT_SHARE = 0.5
#: Of those who left so many have to be seen going.
_SEEN_SHARE = 0.5
#: Who was seen so lately is there still: not every track is looked at in every picture.
_LATELY_S = 0.9
#: It happens once; it stands this long for people to read it.
_STANDS_S = 5.0


class _Cluster(msgspec.Struct, frozen=True):
    """Who was close together at one moment.

    Attributes:
        since_ns: when such a cluster was first found there.
    """

    frame: Frame
    middle_m: Array
    members: tuple[Track, ...]
    since_ns: int


class _Seen(msgspec.Struct, frozen=True):
    """Who is seen now: where (n, 2), and how far from a middle each still counts as there (n,)."""

    tracks: tuple[Track, ...]
    places_m: Array
    reach_m: Array


class Dispersal:
    """One occurrence for each cluster that breaks up."""

    kind = RuleKind.DISPERSAL

    def __init__(self, settings: DispersalRule, area: Area | None) -> None:
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._presence = Presence(area)
        self._past: deque[_Cluster] = deque()
        self._standing: list[Condition] = []
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each cluster that broke up in the last seconds."""
        tracks, frame = scene.tracks, scene.frame
        now_ns = frame.t_mono_ns
        inside = self._presence.update(tracks, now_ns)
        self._standing = [
            condition
            for condition in self._standing
            if now_ns - condition.started.t_mono_ns < _STANDS_S * NS_PER_S
        ]
        horizon_ns = now_ns - round(self._settings.within_s * NS_PER_S)
        while self._past and self._past[0].frame.t_mono_ns < horizon_ns:
            self._past.popleft()
        seen = self._seen(tracks)
        broken = next((past for past in self._past if self._broke_up(past, seen)), None)
        if broken is not None:
            self._count += 1
            self._standing.append(self._condition(broken, frame))
            self._forget(broken)
        self._remember([track for track in seen.tracks if track.id in inside], frame)
        return list(self._standing)

    def _forget(self, broken: _Cluster) -> None:
        """What was there; another group that scatters at the same bang is told next."""
        apart_m = 2 * self._settings.radius_m
        kept = [
            past for past in self._past if np.hypot(*(past.middle_m - broken.middle_m)) > apart_m
        ]
        self._past = deque(kept)

    def _remember(self, free: list[Track], frame: Frame) -> None:
        """Every cluster there is now, each as old as the one that was there before."""
        while len(free) >= self._settings.count:
            places = places_of(free)
            middle, chosen = fullest_circle(places, self._settings.radius_m)
            if np.count_nonzero(chosen) < self._settings.count:
                return
            members = tuple(t for t, taken in zip(free, chosen, strict=True) if taken)
            since_ns = min(
                (
                    past.since_ns
                    for past in self._past
                    if np.hypot(*(past.middle_m - middle)) <= self._settings.radius_m
                ),
                default=frame.t_mono_ns,
            )
            self._past.append(_Cluster(frame, middle, members, since_ns))
            free = [t for t, taken in zip(free, chosen, strict=True) if not taken]

    def _seen(self, tracks: tuple[Track, ...]) -> _Seen:
        seen = tuple(
            track
            for track in tracks
            if track.t_mono_ns - track.last_seen_mono_ns <= _LATELY_S * NS_PER_S
        )
        slack_m = [max(_LEAST_SLACK_M, sigma_m(track.position)) for track in seen]
        reach_m = self._settings.radius_m + np.asarray(slack_m, np.float64)
        return _Seen(seen, places_of(seen), reach_m)

    def _broke_up(self, past: _Cluster, seen: _Seen) -> bool:
        """Whether half of that cluster has gone since, and was seen going fast."""
        if past.frame.t_mono_ns - past.since_ns < _TOGETHER_S * NS_PER_S:
            return False
        were = {track.id for track in past.members}
        is_there = np.hypot(*(seen.places_m - past.middle_m).T) <= seen.reach_m
        # Whoever stands there counts, under whatever number: tracks change hands in a crowd.
        still = int(np.count_nonzero(is_there))
        if still > _LEFT_SHARE * len(were):
            return False
        going = sum(
            1
            for track, stays in zip(seen.tracks, is_there.tolist(), strict=True)
            if not stays and track.id in were and self._is_fast(track, past)
        )
        return going >= max(2.0, _SEEN_SHARE * (len(were) - still))

    def _is_fast(self, track: Track, past: _Cluster) -> bool:
        """Outwards: the speed away from the middle, surely above what was asked for."""
        out = np.array([track.position.east_m, track.position.north_m]) - past.middle_m
        velocity = (track.velocity_east_mps, track.velocity_north_mps)
        outwards_mps = float(out @ velocity) / max(float(np.hypot(*out)), 1e-9)
        return outwards_mps - track.speed_sigma_mps >= self._settings.speed_mps

    def _condition(self, past: _Cluster, frame: Frame) -> Condition:
        return Condition(
            key=f"dispersal-{self._count}",
            cool_key=f"dispersal-{self._count}",
            cool_radius_m=2 * self._settings.radius_m,
            tracks=past.members,
            # Where they were: there it happened, and there somebody may be left.
            position=middle_of(past.members),
            started=frame,
            until_mono_ns=frame.t_mono_ns + round(_STANDS_S * NS_PER_S),
        )
