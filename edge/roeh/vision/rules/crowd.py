"""Many are close together: at least N within a circle, for a time.

The circle is the fullest there is, wherever its middle lies; several crowds apart are
several occurrences. A crowd that is there already is given more room by one sigma, and
shorter absences of its members are bridged.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.core.clock import NS_PER_S
from roeh.core.config import CrowdRule
from roeh.core.types import Covariance, Frame, GroundPoint, RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.geometry import Area, sigma_m
from roeh.vision.rules.presence import Presence
from roeh.vision.scene import Scene

Array = NDArray[np.float64]

#: A crowd bridges being too few for so long.
_BRIDGE_S = 2.0
#: Somebody unseen still counts for so long.
_UNSEEN_S = 1.5
_LEAST_SLACK_M = 0.25


class _Gathering(msgspec.Struct):
    """A crowd, or what may become one; mutable, private to the rule."""

    number: int
    started: Frame
    middle_m: Array
    members: tuple[Track, ...]
    enough_ns: int
    holds: bool = False


class Crowd:
    """One occurrence for each crowd."""

    kind = RuleKind.CROWD

    def __init__(self, settings: CrowdRule, area: Area | None) -> None:
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._presence = Presence(area)
        self._gatherings: list[_Gathering] = []
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each crowd that has lasted long enough."""
        tracks, frame = scene.tracks, scene.frame
        now_ns = frame.t_mono_ns
        inside = self._presence.update(tracks, now_ns)
        free = [
            track
            for track in tracks
            if track.id in inside and now_ns - track.last_seen_mono_ns <= _UNSEEN_S * NS_PER_S
        ]
        for gathering in self._gatherings:
            free = self._continue(gathering, free, now_ns)
        self._gatherings = [
            gathering
            for gathering in self._gatherings
            if now_ns - gathering.enough_ns <= _BRIDGE_S * NS_PER_S
        ]
        while len(free) >= self._settings.count:
            middle, chosen = fullest_circle(places_of(free), self._settings.radius_m)
            if np.count_nonzero(chosen) < self._settings.count:
                break
            self._count += 1
            members, free = _split(free, chosen)
            self._gatherings.append(_Gathering(self._count, frame, middle, members, now_ns))
        for gathering in self._gatherings:
            lasted_ns = gathering.enough_ns - gathering.started.t_mono_ns
            gathering.holds |= lasted_ns >= self._settings.duration_s * NS_PER_S
        return [self._condition(gathering) for gathering in self._gatherings if gathering.holds]

    def _continue(self, gathering: _Gathering, free: list[Track], now_ns: int) -> list[Track]:
        """Find a crowd again near where it was; returns who is left over."""
        radius_m = self._settings.radius_m
        near = [
            track
            for track, place in zip(free, places_of(free), strict=True)
            if np.hypot(*(place - gathering.middle_m)) <= 2 * radius_m
        ]
        if len(near) < self._settings.count:
            return free
        slack_m = max(_LEAST_SLACK_M, float(np.mean([sigma_m(t.position) for t in near])))
        middle, chosen = fullest_circle(places_of(near), radius_m + slack_m)
        if np.count_nonzero(chosen) < self._settings.count:
            return free
        gathering.middle_m, gathering.enough_ns = middle, now_ns
        gathering.members, _ = _split(near, chosen)
        taken = {track.id for track in gathering.members}
        return [track for track in free if track.id not in taken]

    def _condition(self, gathering: _Gathering) -> Condition:
        return Condition(
            key=f"crowd-{gathering.number}",
            cool_key=f"crowd-{gathering.number}",
            cool_radius_m=2 * self._settings.radius_m,
            tracks=gathering.members,
            position=middle_of(gathering.members),
            started=gathering.started,
        )


def fullest_circle(places_m: Array, radius_m: float) -> tuple[Array, NDArray[np.bool_]]:
    """The circle of that radius that holds most places.

    Any circle can be moved, without losing a place, until two lie on its rim or one in
    its middle: only those need be tried.

    Args:
        places_m: (n, 2), n at least 1.
        radius_m: of the circle.

    Returns:
        Its middle (2,) and which places it holds (n,). Among equals the tightest.
    """
    first, second = np.triu_indices(len(places_m), 1)
    gap = places_m[second] - places_m[first]
    apart = np.hypot(gap[:, 0], gap[:, 1])
    usable = (apart > 1e-9) & (apart <= 2 * radius_m)
    first, second, gap, apart = first[usable], second[usable], gap[usable], apart[usable]
    halfway = (places_m[first] + places_m[second]) / 2
    aside = np.sqrt(radius_m**2 - (apart / 2) ** 2)[:, None] * gap[:, ::-1] / apart[:, None]
    turned = aside * (-1, 1)
    middles = np.concatenate([places_m, halfway + turned, halfway - turned])
    squared = np.sum((middles[:, None] - places_m[None]) ** 2, axis=2)
    held = squared <= (radius_m + 1e-6) ** 2
    spread = np.sum(np.where(held, squared, 0.0), axis=1)
    counts = np.count_nonzero(held, axis=1)
    fullest = np.lexsort((spread, -counts))[0]
    return middles[fullest], held[fullest]


def _split(
    tracks: Sequence[Track], chosen: NDArray[np.bool_]
) -> tuple[tuple[Track, ...], list[Track]]:
    members = tuple(track for track, taken in zip(tracks, chosen, strict=True) if taken)
    others = [track for track, taken in zip(tracks, chosen, strict=True) if not taken]
    return members, others


def places_of(tracks: Sequence[Track]) -> Array:
    """Where tracks are (n, 2): metres east and north."""
    return np.array([(t.position.east_m, t.position.north_m) for t in tracks]).reshape(-1, 2)


def middle_of(members: Sequence[Track]) -> GroundPoint:
    """The members' mean place, no better known than theirs on the whole.

    Most of their error is the tilt's and common to all: it does not average out.
    """
    count = len(members)
    covariances = [track.position.covariance for track in members]
    return GroundPoint(
        east_m=sum(track.position.east_m for track in members) / count,
        north_m=sum(track.position.north_m for track in members) / count,
        covariance=Covariance(
            east_east_m2=sum(c.east_east_m2 for c in covariances) / count,
            east_north_m2=sum(c.east_north_m2 for c in covariances) / count,
            north_north_m2=sum(c.north_north_m2 for c in covariances) / count,
        ),
    )
