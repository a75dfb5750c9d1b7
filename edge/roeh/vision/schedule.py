"""Which tiles the network looks at: all in turn, where something moves, where somebody is.

Motion alone misses people who stand and most people at night, so every tile is looked
at within `sweep_s` whatever happens. In a quiet scene that is all: each tile once in
`sweep_s`, as late as can be, spread over the pictures as far as the cap asks. Beyond it
tiles are looked at in every picture in which something moves or somebody is in them, and
every `predictable_every_s` where all who are in them go on as expected.

At most `max_tiles` are looked at in one picture. When more are wanted, in rain say, half
of the looks go to the sweep as far as it needs them, the longest unseen first, and the
rest to what is wanted, in proportion to how much and how long. So no tile starves:
`worst_wait_s` says how long one may wait, and a property test holds it to that.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from roeh.core.clock import NS_PER_S

#: A tile where something moves and somebody is counts so much more than one or the other.
_BOTH_WEIGHT = 1.5
_SWEEP_SHARE = 0.5


class TileScheduler:
    """Chooses tiles for one camera, picture by picture.

    Args:
        tile_count: how many there are.
        max_tiles: at most so many in one picture.
        sweep_s: time in which each is looked at whatever happens.
        predictable_every_s: how often a tile is looked at in which nobody is but
            predictable tracks; 0 for every picture.
    """

    def __init__(
        self, tile_count: int, *, max_tiles: int, sweep_s: float, predictable_every_s: float = 0.0
    ) -> None:
        self._sweep_s = sweep_s
        self.allow(max_tiles=max_tiles, predictable_every_s=predictable_every_s)
        self._looked_ns: list[int] = []
        self._tile_count = tile_count
        self._last_ns = 0
        # Looks set aside for the sweep, carried over where half of them is no whole one.
        self._set_aside = 0.0

    def allow(self, *, max_tiles: int, predictable_every_s: float) -> None:
        """Look at more or fewer tiles from now on; see the class."""
        self._max_tiles, self._predictable_every_s = max_tiles, predictable_every_s

    def choose(
        self,
        moving: Collection[int],
        tracked: Collection[int],
        t_mono_ns: int,
        *,
        predictable: Collection[int] = (),
    ) -> tuple[int, ...]:
        """The tiles to look at in this picture, in ascending order.

        Args:
            moving: tiles in which something moves that no predictable track accounts for.
            tracked: tiles in which a live track is that may do anything.
            t_mono_ns: when the picture was taken.
            predictable: tiles in which a predictable track is.
        """
        step_s = self._step_s(t_mono_ns)
        waits = [(t_mono_ns - looked_ns) / NS_PER_S for looked_ns in self._looked_ns]
        oldest = sorted(range(self._tile_count), key=lambda tile: (-waits[tile], tile))
        due = oldest[: self._due_count([waits[tile] for tile in oldest], step_s)]
        rarely = [
            tile
            for tile in predictable
            # Half a step early is nearer to the time asked for than half a step late.
            if 0 <= tile < len(waits) and waits[tile] + step_s / 2 >= self._predictable_every_s
        ]
        wanted = _wanted(moving, {*tracked, *rarely}, waits)

        self._set_aside = min(
            self._set_aside % 1.0 + _SWEEP_SHARE * self._max_tiles, float(self._max_tiles)
        )
        chosen = due[: int(self._set_aside)]
        for tile in (*wanted, *due):
            if len(chosen) < self._max_tiles and tile not in chosen:
                chosen.append(tile)
        for tile in chosen:
            self._looked_ns[tile] = t_mono_ns
        return tuple(sorted(chosen))

    def worst_wait_s(self, interval_s: float) -> float:
        """The longest that any tile waits while pictures come at this interval.

        The sweep has at least half of the looks, serves the longest unseen first and
        begins early enough; it keeps to `sweep_s` unless going once round all tiles
        takes longer than that.
        """
        rounds = math.ceil(self._tile_count / (_SWEEP_SHARE * self._max_tiles)) + 1
        return max(self._sweep_s, rounds * interval_s)

    def _step_s(self, t_mono_ns: int) -> float:
        """Time since the last picture, which the next one is expected to take as well."""
        if not self._looked_ns:
            # As if the sweep had been going on, so that it begins evenly spread; the
            # first tile's turn is now.
            part_ns = self._sweep_s * NS_PER_S / self._tile_count
            self._looked_ns = [
                t_mono_ns - 1 - math.ceil(part_ns * (self._tile_count - tile))
                for tile in range(self._tile_count)
            ]
            self._last_ns = t_mono_ns
        step_s = max(0.0, (t_mono_ns - self._last_ns) / NS_PER_S)
        self._last_ns = max(t_mono_ns, self._last_ns)
        return step_s

    def _due_count(self, waits_s: Sequence[float], step_s: float) -> int:
        """How many of the tiles, longest unseen first, the sweep cannot put off.

        Those left over can be served by the sweep's share of the coming pictures, and
        each of them in time.
        """
        share = _SWEEP_SHARE * self._max_tiles
        due = 0
        for rank, wait_s in enumerate(waits_s):
            while due <= rank:
                # The picture in which its turn comes, if `due` are looked at in this one.
                pictures = math.ceil((rank - due + 1) / share)
                if wait_s + pictures * step_s <= self._sweep_s:
                    break
                due += 1
        return due


def _wanted(
    moving: Collection[int], tracked: Collection[int], waits_s: Sequence[float]
) -> list[int]:
    """Tiles with a reason to look, the most urgent first.

    Where something begins to move nobody looked just now: it goes before tiles that
    are looked at in every picture.
    """
    urgency: dict[int, float] = {}
    for tile, wait_s in enumerate(waits_s):
        moves, followed = tile in moving, tile in tracked
        if moves or followed:
            urgency[tile] = wait_s * (_BOTH_WEIGHT if moves and followed else 1.0)
    return sorted(urgency, key=lambda tile: (-urgency[tile], tile))
