"""As far as rules name ground: the outlines of their zones, and their lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roeh.core.config import LineCrossingRule, NodeConfig
from roeh.vision.rules.geometry import outline_of

Array = NDArray[np.float64]

#: Edges are followed in such steps, finer than any tile is wide.
_STEP_M = 0.5


def named_ground(config: NodeConfig) -> Array:
    """Points (n, 2), metres east and north of the pole, along the edges of what rules name.

    What lies farther than `detect.max_range_m` is brought nearer, to that range: beyond it
    nothing has a place.
    """
    zones = {getattr(rule, "zone", "") for rule in config.rules}
    crossed = {rule.line for rule in config.rules if isinstance(rule, LineCrossingRule)}
    edges = [_followed(outline_of(zone)) for zone in config.zones if zone.name in zones]
    edges += [_followed([line.from_m, line.to_m]) for line in config.lines if line.name in crossed]
    points = np.concatenate([np.zeros((0, 2)), *edges])
    ranges_m = np.hypot(points[:, 0], points[:, 1])
    nearer = config.detect.max_range_m / np.maximum(ranges_m, config.detect.max_range_m)
    named: Array = points * nearer[:, None]
    return named


def _followed(corners_m: Sequence[tuple[float, float]]) -> Array:
    """Points (n, 2) along a closed line."""
    corners = np.asarray(corners_m, np.float64)
    sides = np.roll(corners, -1, axis=0) - corners
    counts = np.maximum(1, np.ceil(np.hypot(sides[:, 0], sides[:, 1]) / _STEP_M)).astype(int)
    return np.concatenate(
        [
            corner + side * (np.arange(count) / count)[:, None]
            for corner, side, count in zip(corners, sides, counts, strict=True)
        ]
    )
