"""Which tracks go on as was expected, so that they need not be looked at in every picture."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S
from roeh.core.types import Track

#: A track is predictable after so many sightings in a row ...
_SIGHTINGS = 5
#: ... each within so many metres, or one sigma, of where it was expected ...
_JUMP_M = 0.3
#: ... its velocity changed by no more than this.
_CHANGE_MPS = 0.5
#: Faster than this somebody runs or rides: rules of a second have to see them all the time.
_FAST_MPS = 2.5
#: Nearer to one another than this, two may be taken for each other.
_ALONE_M = 2.0
_MAX_GAP_NS = NS_PER_S


class _Sighting(msgspec.Struct, frozen=True):
    track: Track
    in_a_row: int


class Predictability:
    """Follows how well each track was foretold, as one camera sees it."""

    def __init__(self) -> None:
        self._sightings: dict[int, _Sighting] = {}
        self._looked_at: frozenset[int] = frozenset()
        self._looked_ns = 0

    def judge(self, tracks: Sequence[Track]) -> frozenset[int]:
        """Ids of the tracks that may be looked at rarely.

        Args:
            tracks: all live ones, as the last picture left them.
        """
        self._sightings = {track.id: self._sighting(track) for track in tracks}
        crowded = _crowded(tracks)
        return frozenset(
            track.id
            for track in tracks
            if track.confirmed
            and track.id not in crowded
            and self._sightings[track.id].in_a_row >= _SIGHTINGS
            and _speed_mps(track) <= _FAST_MPS
        )

    def looked_at(self, track_ids: Collection[int], t_mono_ns: int) -> None:
        """Remember whom the next detections should show."""
        self._looked_at, self._looked_ns = frozenset(track_ids), t_mono_ns

    def _sighting(self, track: Track) -> _Sighting:
        before = self._sightings.get(track.id)
        if before is None:
            return _Sighting(track, 0)
        if track.id in self._looked_at and track.last_seen_mono_ns < self._looked_ns:
            return _Sighting(before.track, 0)
        if track.last_seen_mono_ns == before.track.last_seen_mono_ns:
            return before
        return _Sighting(track, before.in_a_row + 1 if _went_on(before.track, track) else 0)


def _went_on(before: Track, now: Track) -> bool:
    """Whether a track is seen where and as it was expected when it was seen before."""
    if now.last_seen_mono_ns - before.last_seen_mono_ns > _MAX_GAP_NS:
        return False
    passed_s = (now.t_mono_ns - before.t_mono_ns) / NS_PER_S
    jump_m = math.hypot(
        now.position.east_m - before.position.east_m - passed_s * before.velocity_east_mps,
        now.position.north_m - before.position.north_m - passed_s * before.velocity_north_mps,
    )
    change_mps = math.hypot(
        now.velocity_east_mps - before.velocity_east_mps,
        now.velocity_north_mps - before.velocity_north_mps,
    )
    spread = now.position.covariance
    sigma_m = math.sqrt(max(spread.east_east_m2, spread.north_north_m2))
    return jump_m <= max(_JUMP_M, sigma_m) and change_mps <= _CHANGE_MPS


def _crowded(tracks: Sequence[Track]) -> frozenset[int]:
    """Ids of the tracks with another one near."""
    if len(tracks) < 2:
        return frozenset()
    places = np.asarray([(t.position.east_m, t.position.north_m) for t in tracks])
    gap = places[:, None] - places[None]
    near = gap[..., 0] ** 2 + gap[..., 1] ** 2 < _ALONE_M**2
    return frozenset(
        track.id
        for track, count in zip(tracks, near.sum(axis=1).tolist(), strict=True)
        if count > 1
    )


def _speed_mps(track: Track) -> float:
    return math.hypot(track.velocity_east_mps, track.velocity_north_mps)
