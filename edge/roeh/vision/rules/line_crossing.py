"""Somebody goes over a line: surely on one side, then surely on the other."""

from __future__ import annotations

from roeh.core.config import LineCrossingRule
from roeh.core.types import RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.ground import Line, sigma_m

#: Surely on a side: this many sigmas from the line, and at least this far.
_SIGMAS = 1.0
_LEAST_M = 0.25

_LEFT, _RIGHT = 1, -1
_DIRECTIONS = {"left_to_right": (_LEFT, _RIGHT), "right_to_left": (_RIGHT, _LEFT)}


class LineCrossing:
    """One momentary occurrence for each crossing."""

    kind = RuleKind.LINE_CROSSING

    def __init__(self, settings: LineCrossingRule, line: Line) -> None:
        self.place: str | None = settings.line
        self._line = line
        self._wanted = _DIRECTIONS.get(settings.direction)
        self._side: dict[int, int] = {}
        self._crossed_beside: dict[int, bool] = {}
        self._offset_m: dict[int, float] = {}
        self._crossings = 0

    def update(self, tracks: tuple[Track, ...], t_mono_ns: int) -> list[Condition]:
        """A condition for each crossing completed now."""
        live = {track.id for track in tracks}
        for gone in [track_id for track_id in self._offset_m if track_id not in live]:
            self._forget(gone)
        found: list[Condition] = []
        for track in tracks:
            crossing = self._step(track)
            if crossing is not None and self._wanted in (None, crossing):
                self._crossings += 1
                found.append(
                    Condition(
                        key=f"crossing-{self._crossings}",
                        cool_key=f"track-{track.id}",
                        tracks=(track,),
                        position=track.position,
                        started_mono_ns=t_mono_ns,
                    )
                )
        return found

    def _step(self, track: Track) -> tuple[int, int] | None:
        """From which side to which the track has surely gone with this look."""
        point = track.position
        offset_m = self._line.left_of_m(point.east_m, point.north_m)
        before_m = self._offset_m.get(track.id)
        self._offset_m[track.id] = offset_m
        if before_m is not None and (before_m > 0) != (offset_m > 0):
            self._crossed_beside[track.id] = self._line.is_beside(point.east_m, point.north_m)
        if abs(offset_m) < max(_LEAST_M, _SIGMAS * sigma_m(point)):
            return None
        side = _LEFT if offset_m > 0 else _RIGHT
        came_from = self._side.get(track.id)
        self._side[track.id] = side
        if came_from is None or came_from == side:
            return None
        return (came_from, side) if self._crossed_beside.get(track.id, False) else None

    def _forget(self, track_id: int) -> None:
        del self._offset_m[track_id]
        self._side.pop(track_id, None)
        self._crossed_beside.pop(track_id, None)
