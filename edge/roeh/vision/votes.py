"""How sure one may be of what some of the tiles that see a place found there. Pure.

A person is found by most of the tiles that see him, a chair that looks like one from a
single side by one. Figures: edge/design/detection-quality.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from roeh.optics.tiles import Tile

#: Nearer to its edge than this part of a tile's width, a tile may well miss somebody.
_MARGIN_SHARE = 0.04
#: What the best look counts for beside the mean of all.
_BEST_SHARE = 0.2
#: Brings agreed confidences back to the scale of single looks, so that one threshold
#: means the same for both; the order is not touched.
_SCALE_POWER = 0.6


def tiles_that_see(tiles: Sequence[Tile], pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which tiles show pixels (n, 2) of the sensor, clear of their edges: (tiles, n)."""
    sees = np.zeros((len(tiles), len(pixels)), np.bool_)
    for row, tile in enumerate(tiles):
        margin_px = _MARGIN_SHARE * tile.width_px
        size_px = np.asarray([tile.width_px, tile.height_px])
        points = tile.from_source_px(pixels)
        # NaN, behind the tile, compares false.
        sees[row] = np.all((points > margin_px) & (points < size_px - margin_px), axis=1)
    return sees


def agreed_confidence(votes: Sequence[tuple[int, float]], voters: Collection[int]) -> float:
    """Confidence in an object after the vote.

    Args:
        votes: which look found it, and how surely; a look may have found parts of it.
        voters: looks that see its place; those without a vote count as 0.
    """
    best: dict[int, float] = {}
    for look, confidence in votes:
        best[look] = max(best.get(look, 0.0), confidence)
    mean = sum(best.values()) / len(best.keys() | set(voters))
    agreed = _BEST_SHARE * max(best.values()) + (1 - _BEST_SHARE) * mean
    return float(agreed**_SCALE_POWER)
