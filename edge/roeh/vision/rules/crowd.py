"""Many are close together: at least N within a circle, for a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from roeh.core.clock import NS_PER_S
from roeh.core.config import CrowdRule
from roeh.core.types import Covariance, GroundPoint, RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.ground import Area

#: A crowd that holds goes on at one fewer, and bridges shorter absences.
_BRIDGE_S = 2.0


class Crowd:
    """One occurrence for the rule: the densest crowd there is."""

    kind = RuleKind.CROWD

    def __init__(self, settings: CrowdRule, area: Area | None) -> None:
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._area = area
        self._since_ns: int | None = None
        self._last_ns = 0
        self._holds = False
        self._members: tuple[Track, ...] = ()

    def update(self, tracks: tuple[Track, ...], t_mono_ns: int) -> list[Condition]:
        """One condition while there is a crowd."""
        members = _densest(self._counted(tracks), self._settings.radius_m)
        needed = self._settings.count - (1 if self._holds else 0)
        if len(members) >= needed:
            self._since_ns = t_mono_ns if self._since_ns is None else self._since_ns
            self._last_ns, self._members = t_mono_ns, members
        elif t_mono_ns - self._last_ns > (_BRIDGE_S * NS_PER_S if self._holds else 0):
            self._since_ns, self._holds, self._members = None, False, ()
        if self._since_ns is None:
            return []
        self._holds |= t_mono_ns - self._since_ns >= self._settings.duration_s * NS_PER_S
        if not self._holds:
            return []
        return [
            Condition(
                key=f"crowd-{self._since_ns}",
                cool_key="crowd",
                tracks=self._members,
                position=_middle(self._members),
                started_mono_ns=self._since_ns,
            )
        ]

    def _counted(self, tracks: tuple[Track, ...]) -> list[Track]:
        if self._area is None:
            return list(tracks)
        area = self._area
        return [
            track
            for track in tracks
            if area.depth_m(track.position.east_m, track.position.north_m) > 0
        ]


def _densest(tracks: Sequence[Track], radius_m: float) -> tuple[Track, ...]:
    """The most tracks within `radius_m` of one of them; ties by the lowest id in the middle."""
    best: tuple[Track, ...] = ()
    for middle in tracks:
        near = tuple(track for track in tracks if _apart_m(middle, track) <= radius_m)
        if len(near) > len(best):
            best = near
    return best


def _apart_m(a: Track, b: Track) -> float:
    return math.hypot(
        a.position.east_m - b.position.east_m, a.position.north_m - b.position.north_m
    )


def _middle(members: Sequence[Track]) -> GroundPoint:
    """The members' mean place; its covariance is that of the mean of their places."""
    count = len(members)
    covariances = [track.position.covariance for track in members]
    return GroundPoint(
        east_m=sum(track.position.east_m for track in members) / count,
        north_m=sum(track.position.north_m for track in members) / count,
        covariance=Covariance(
            east_east_m2=sum(c.east_east_m2 for c in covariances) / count**2,
            east_north_m2=sum(c.east_north_m2 for c in covariances) / count**2,
            north_north_m2=sum(c.north_north_m2 for c in covariances) / count**2,
        ),
    )
