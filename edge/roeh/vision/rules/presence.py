"""Who is inside an area, with hysteresis: surely in before in, surely out before out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.types import Track
from roeh.vision.rules.geometry import Area

#: In from this certainty on (geometry.Area.certainties), out again from that one down.
ENTER_CERTAINTY = 0.8
LEAVE_CERTAINTY = 0.2
#: A filtered track still wanders by half its sigma within half a second. Whoever stands
#: on an edge is therefore out only when nothing has spoken for inside for this long.
LEAVE_S = 2.0


class _Looks(msgspec.Struct):
    """What the last looks said of one track; mutable, private to the presence.

    Attributes:
        sure: whether each of the last looks had the track surely inside.
        out_since_ns: since when every look had it surely outside.
    """

    sure: deque[bool]
    inside: bool = False
    out_since_ns: int | None = None


class Presence:
    """Follows who is inside an area.

    Only what is seen moves anybody in or out: a track that coasts stays where it was.

    Args:
        area: None for everywhere.
        min_looks: somebody is in once surely seen inside in so many ...
        of_looks: ... of the last looks that saw them at all.
    """

    def __init__(self, area: Area | None, *, min_looks: int = 1, of_looks: int = 1) -> None:
        self._area = area
        self._min_looks = min_looks
        self._of_looks = of_looks
        self._looks: dict[int, _Looks] = {}

    def update(self, tracks: Sequence[Track], t_mono_ns: int) -> frozenset[int]:
        """Ids of the tracks that are inside now.

        Args:
            tracks: all that are live; whoever is missing is gone.
            t_mono_ns: when they were seen.
        """
        live = {track.id for track in tracks}
        if self._area is None:
            return frozenset(live)
        self._looks = {key: looks for key, looks in self._looks.items() if key in live}
        seen = [track for track in tracks if track.seen]
        if seen:
            certainties = self._area.certainties([track.position for track in seen])
            for track, certainty in zip(seen, certainties.tolist(), strict=True):
                self._judge(track.id, certainty, t_mono_ns)
        return frozenset(key for key, looks in self._looks.items() if looks.inside)

    def _judge(self, track_id: int, certainty: float, t_mono_ns: int) -> None:
        looks = self._looks.get(track_id)
        if looks is None:
            looks = self._looks[track_id] = _Looks(deque(maxlen=self._of_looks))
        looks.sure.append(certainty >= ENTER_CERTAINTY)
        if certainty > LEAVE_CERTAINTY:
            looks.out_since_ns = None
        elif looks.out_since_ns is None:
            looks.out_since_ns = t_mono_ns
        if not looks.inside:
            looks.inside = sum(looks.sure) >= self._min_looks
        elif looks.out_since_ns is not None:
            looks.inside = t_mono_ns - looks.out_since_ns < LEAVE_S * NS_PER_S
