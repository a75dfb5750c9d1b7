"""Somebody goes over a line: surely on one side, then surely on the other, between its ends."""

from __future__ import annotations

import enum

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import LineCrossingRule
from roeh.core.types import GroundPoint, RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.geometry import Line
from roeh.vision.scene import Scene

#: Surely on a side: this many sigmas from the line, and at least this far. To begin with
#: less is enough, since only a change of sides says anything.
_SIGMAS_FIRST = 1.0
_SIGMAS_OVER = 2.0
_LEAST_M = 0.25
#: A crossing is over when it happened; it stands this long for people to read it.
_STANDS_S = 5.0


class _Side(enum.Enum):
    LEFT = "left"
    RIGHT = "right"


class _Passage(msgspec.Struct):
    """One track beside the line; mutable, private to the rule.

    Attributes:
        point: where it was seen last.
        side: where it surely was last; None until it surely was anywhere.
        between_ends: whether it last passed the line between the line's ends.
    """

    point: GroundPoint
    side: _Side | None = None
    between_ends: bool = False


class LineCrossing:
    """One occurrence for each crossing."""

    kind = RuleKind.LINE_CROSSING

    def __init__(self, settings: LineCrossingRule, line: Line) -> None:
        self.place: str | None = settings.line
        self._line = line
        self._direction = settings.direction
        self._passages: dict[int, _Passage] = {}
        self._standing: list[Condition] = []
        self._crossings = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each crossing of the last seconds."""
        tracks, frame = scene.tracks, scene.frame
        live = {track.id for track in tracks}
        self._passages = {key: kept for key, kept in self._passages.items() if key in live}
        self._standing = [
            condition
            for condition in self._standing
            if frame.t_mono_ns - condition.started.t_mono_ns < _STANDS_S * NS_PER_S
        ]
        for track in tracks:
            # Where a track is thought to have gone unseen, it did not surely cross.
            if track.seen and self._crosses(track):
                self._crossings += 1
                self._standing.append(
                    Condition(
                        key=f"crossing-{self._crossings}",
                        cool_key=f"track-{track.id}",
                        tracks=(track,),
                        position=track.position,
                        started=frame,
                        until_mono_ns=frame.t_mono_ns + round(_STANDS_S * NS_PER_S),
                    )
                )
        return list(self._standing)

    def _crosses(self, track: Track) -> bool:
        """Whether with this look the track has surely gone over, in the wanted direction."""
        point = track.position
        passage = self._passages.setdefault(track.id, _Passage(point))
        before_m, now_m = self._line.left_of_m(passage.point), self._line.left_of_m(point)
        if (before_m > 0) != (now_m > 0):
            part = before_m / (before_m - now_m)
            start_m, end_m = self._line.along_m(passage.point), self._line.along_m(point)
            met_m = start_m + part * (end_m - start_m)
            passage.between_ends = 0.0 <= met_m <= self._line.length_m
        passage.point = point
        sigmas = _SIGMAS_FIRST if passage.side is None else _SIGMAS_OVER
        if abs(now_m) < max(_LEAST_M, sigmas * self._line.across_sigma_m(point)):
            return False
        came_from, passage.side = passage.side, _Side.LEFT if now_m > 0 else _Side.RIGHT
        if came_from is None or came_from is passage.side or not passage.between_ends:
            return False
        return self._direction in ("any", f"{came_from.value}_to_{passage.side.value}")
