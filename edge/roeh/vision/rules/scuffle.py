"""Perhaps a scuffle: two people within reach of each other, and wild motion in their boxes.

Advisory: it has no accuracy to promise (edge/docs/rules.md says what is known), its priority is 3
at most, and it is there only where somebody wrote it. People who grapple become one box to the
detector, and their numbers change, so that it is followed by place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S
from roeh.core.config import ScuffleRule
from roeh.core.types import Frame, RuleKind, Track
from roeh.vision.rules.crowd import Array, middle_of, places_of
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.geometry import Area
from roeh.vision.rules.presence import Presence
from roeh.vision.scene import Agitation, Scene

#: Of the looks within `duration_s` so many must be wild, and so many there must be.
_WILD_SHARE = 0.7
_LEAST_LOOKS = 4
#: So far the two may go meanwhile, and so long they may be one.
_SAME_M = 1.5
_BRIDGE_S = 1.5
#: Over, when nothing has been wild for so long.
_CALM_S = 3.0


class _Look(msgspec.Struct, frozen=True):
    """Whether anybody there moved wildly in one picture."""

    t_mono_ns: int
    is_wild: bool


class _Tussle(msgspec.Struct):
    """Two who are close together; mutable, private to the rule.

    Attributes:
        near_ns: when two were last within reach there.
    """

    number: int
    started: Frame
    middle_m: Array
    members: tuple[Track, ...]
    near_ns: int
    looks: deque[_Look]
    wild_ns: int = 0
    holds: bool = False


class Scuffle:
    """One occurrence for each place where it looks like one."""

    kind = RuleKind.SCUFFLE

    def __init__(self, settings: ScuffleRule, area: Area | None) -> None:
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._presence = Presence(area)
        self._tussles: list[_Tussle] = []
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each place where it has been wild for long enough."""
        frame, now_ns = scene.frame, scene.frame.t_mono_ns
        inside = self._presence.update(scene.tracks, now_ns)
        people = [track for track in scene.tracks if track.id in inside]
        for pair in self._pairs(people):
            self._meet(pair, frame)
        for tussle in self._tussles:
            self._judge(tussle, people, scene.agitation, now_ns)
        self._tussles = [tussle for tussle in self._tussles if not _is_over(tussle, now_ns)]
        return [
            Condition(
                key=f"scuffle-{tussle.number}",
                cool_key=f"scuffle-{tussle.number}",
                cool_radius_m=2 * _SAME_M,
                tracks=tussle.members,
                position=middle_of(tussle.members),
                started=tussle.started,
            )
            for tussle in self._tussles
            if tussle.holds
        ]

    def _pairs(self, people: Sequence[Track]) -> list[tuple[Track, Track]]:
        places = places_of(people)
        gaps_m = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
        return [
            (people[a], people[b])
            for a, b in zip(*np.nonzero(np.triu(gaps_m <= self._settings.near_m, 1)), strict=True)
        ]

    def _meet(self, pair: tuple[Track, Track], frame: Frame) -> None:
        """See two who are close together: as those who were there, or anew."""
        middle_m = places_of(pair).mean(axis=0)
        for tussle in self._tussles:
            if float(np.hypot(*(tussle.middle_m - middle_m))) <= _SAME_M:
                tussle.middle_m, tussle.members = middle_m, pair
                tussle.near_ns = frame.t_mono_ns
                return
        self._count += 1
        self._tussles.append(
            _Tussle(self._count, frame, middle_m, pair, frame.t_mono_ns, looks=deque())
        )

    def _judge(
        self,
        tussle: _Tussle,
        people: Sequence[Track],
        agitation: Sequence[Agitation],
        now_ns: int,
    ) -> None:
        there = {
            track.id
            for track, place in zip(people, places_of(people), strict=True)
            if float(np.hypot(*(place - tussle.middle_m))) <= _SAME_M
        }
        seen = [one for one in agitation if one.track_id in there]
        if not seen:
            return
        is_wild = any(self._is_wild(one) for one in seen)
        tussle.looks.append(_Look(now_ns, is_wild))
        tussle.wild_ns = now_ns if is_wild else tussle.wild_ns
        window_ns = round(self._settings.duration_s * NS_PER_S)
        while now_ns - tussle.looks[0].t_mono_ns > window_ns:
            tussle.looks.popleft()
        wild = sum(look.is_wild for look in tussle.looks)
        has_lasted = now_ns - tussle.started.t_mono_ns >= window_ns
        tussle.holds |= has_lasted and wild >= max(_LEAST_LOOKS, _WILD_SHARE * len(tussle.looks))

    def _is_wild(self, one: Agitation) -> bool:
        """Fast, and in all directions: whoever runs is fast in one."""
        return (
            one.entropy >= self._settings.entropy
            and one.speed_heights_per_s >= self._settings.speed_heights_per_second
        )


def _is_over(tussle: _Tussle, now_ns: int) -> bool:
    if tussle.holds:
        return now_ns - tussle.wild_ns > _CALM_S * NS_PER_S
    return now_ns - tussle.near_ns > _BRIDGE_S * NS_PER_S
