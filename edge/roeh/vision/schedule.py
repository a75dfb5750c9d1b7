"""Which tiles the network looks at: where something moves, where somebody is, then all in turn.

Every tile is looked at within `sweep_s`, moving or not, since motion alone misses people
who stand and most people at night. At most `max_tiles` are looked at in one picture,
which holds in rain; then the longest unseen goes first among equals, and because age
outweighs every other reason in the end no tile starves (see `worst_wait_s`).
"""

from __future__ import annotations

from collections.abc import Collection

from roeh.core.clock import NS_PER_S

#: What a reason to look is worth, in sweeps of waiting.
_MOVING_WORTH = 2.0
_TRACKED_WORTH = 1.0


class TileScheduler:
    """Chooses tiles for one camera, picture by picture.

    Args:
        tile_count: how many there are.
        max_tiles: at most so many in one picture.
        sweep_s: time in which each is looked at whatever happens.
    """

    def __init__(self, tile_count: int, *, max_tiles: int, sweep_s: float) -> None:
        self._max_tiles = max_tiles
        self._sweep_s = sweep_s
        self._looked_ns: list[int | None] = [None] * tile_count
        self._last_ns: int | None = None
        self._step_s = 0.0

    def choose(
        self, moving: Collection[int], tracked: Collection[int], t_mono_ns: int
    ) -> tuple[int, ...]:
        """The tiles to look at in this picture, in ascending order.

        Args:
            moving: tiles in which something moves.
            tracked: tiles in which a live track is.
            t_mono_ns: when the picture was taken.
        """
        if self._last_ns is not None:
            self._step_s = max(0.0, (t_mono_ns - self._last_ns) / NS_PER_S)
        self._last_ns = t_mono_ns
        waits = [self._wait_s(tile, t_mono_ns) for tile in range(len(self._looked_ns))]
        due = [
            tile
            for tile, wait_s in enumerate(waits)
            # The next picture would be too late for the sweep.
            if tile in moving or tile in tracked or wait_s + self._step_s > self._sweep_s
        ]

        def urgency(tile: int) -> tuple[float, int]:
            reasons = _MOVING_WORTH * (tile in moving) + _TRACKED_WORTH * (tile in tracked)
            return reasons + waits[tile] / self._sweep_s, -tile

        chosen = sorted(due, key=urgency, reverse=True)[: self._max_tiles]
        for tile in chosen:
            self._looked_ns[tile] = t_mono_ns
        return tuple(sorted(chosen))

    def worst_wait_s(self, frame_interval_s: float) -> float:
        """The longest that any tile waits while pictures come at this interval.

        Sorted by urgency, a tile is passed over by a given other one only while that
        other's reasons outweigh its age: at most (moving + tracked) sweeps more than the
        time to go once round all tiles.
        """
        rounds = -(-len(self._looked_ns) // self._max_tiles)
        head_start_s = (_MOVING_WORTH + _TRACKED_WORTH) * self._sweep_s
        return self._sweep_s + head_start_s + (rounds + 1) * frame_interval_s

    def _wait_s(self, tile: int, t_mono_ns: int) -> float:
        looked_ns = self._looked_ns[tile]
        if looked_ns is None:
            return self._sweep_s + tile * 1e-6  # never looked at: due at once
        return (t_mono_ns - looked_ns) / NS_PER_S
