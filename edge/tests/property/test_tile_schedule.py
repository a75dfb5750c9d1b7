"""No tile starves, whatever moves: the bound that the scheduler states, held."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.vision.schedule import TileScheduler


@settings(max_examples=150, deadline=None)
@given(
    tiles=st.integers(1, 16),
    max_tiles=st.integers(1, 8),
    sweep_s=st.floats(0.2, 5.0),
    fps=st.floats(1.0, 30.0),
    seed=st.integers(0, 2**32 - 1),
    wish=st.floats(0.0, 1.0),
    hold=st.floats(0.0, 1.0),
)
def test_no_tile_waits_longer_than_the_bound(
    tiles: int, max_tiles: int, sweep_s: float, fps: float, seed: int, wish: float, hold: float
):
    """Wishes come and go at random, the same tiles again and again or ever others."""
    rng = np.random.default_rng(seed)
    scheduler = TileScheduler(tiles, max_tiles=max_tiles, sweep_s=sweep_s)
    bound_s = scheduler.worst_wait_s(1 / fps)
    looked_s = dict.fromkeys(range(tiles), 0.0)
    moving, tracked = rng.random(tiles) < wish, rng.random(tiles) < wish

    for number in range(300):
        t_s = number / fps
        if rng.random() > hold:
            moving, tracked = rng.random(tiles) < wish, rng.random(tiles) < wish
        chosen = scheduler.choose(
            set(np.flatnonzero(moving).tolist()),
            set(np.flatnonzero(tracked).tolist()),
            round(t_s * NS_PER_S),
        )

        assert len(chosen) <= max_tiles
        assert list(chosen) == sorted(set(chosen))
        for tile in chosen:
            looked_s[tile] = t_s
        assert all(t_s - last_s <= bound_s + 1e-6 for last_s in looked_s.values())


@settings(max_examples=100, deadline=None)
@given(
    tiles=st.integers(1, 16),
    max_tiles=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
    slowest_s=st.floats(0.02, 1.0),
)
def test_pictures_at_irregular_times_delay_a_tile_by_no_more_than_the_slowest(
    tiles: int, max_tiles: int, seed: int, slowest_s: float
):
    rng = np.random.default_rng(seed)
    scheduler = TileScheduler(tiles, max_tiles=max_tiles, sweep_s=1.0)
    bound_s = scheduler.worst_wait_s(slowest_s)
    t_s, looked_s = 0.0, dict.fromkeys(range(tiles), 0.0)

    for _ in range(300):
        chosen = scheduler.choose(range(tiles), (), round(t_s * NS_PER_S))
        for tile in chosen:
            looked_s[tile] = t_s
        assert all(t_s - last_s <= bound_s + 2 * slowest_s for last_s in looked_s.values())
        t_s += float(rng.uniform(0.2, 1.0)) * slowest_s
