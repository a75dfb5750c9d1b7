"""The largest upright rectangle of a picture that shows ground alone: for cameras that meter one.

A driver that takes a single region for its exposure gets this one, so that the sky does not
darken the street. What counts as ground is `sources.metering`'s.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from roeh.core.types import Box
from roeh.optics.rig import Sensor
from roeh.sources.light.metering import BELOW_HORIZON_DEG

#: Cells along each side that are looked at.
_CELLS = 64
#: A region of fewer cells each way would follow whoever walks through it.
_LEAST_CELLS = 8


def ground_region(sensor: Sensor) -> Box | None:
    """The rectangle, in pixels of the lens's picture; None where all or too little is ground."""
    ground = _ground_cells(sensor)
    if ground.all():
        return None
    top, bottom, left, right = _largest_rectangle(ground)
    if min(bottom - top, right - left) < _LEAST_CELLS:
        return None
    cell_x, cell_y = sensor.lens.width_px / _CELLS, sensor.lens.height_px / _CELLS
    return Box(left * cell_x, top * cell_y, right * cell_x, bottom * cell_y)


def _ground_cells(sensor: Sensor) -> npt.NDArray[np.bool_]:
    """Which cells (rows, columns) show ground at all four corners."""
    lens = sensor.lens
    columns = np.linspace(0, lens.width_px - 1, _CELLS + 1)
    rows = np.linspace(0, lens.height_px - 1, _CELLS + 1)
    points = np.stack([axis.reshape(-1) for axis in np.meshgrid(columns, rows)], axis=1)
    up = sensor.pole_directions(points)[:, 2]
    low = up < -math.sin(math.radians(BELOW_HORIZON_DEG))
    corner = (lens.inside(points) & low).reshape(_CELLS + 1, _CELLS + 1)
    cells: npt.NDArray[np.bool_] = corner[1:, 1:] & corner[:-1, 1:] & corner[1:, :-1]
    return cells & corner[:-1, :-1]


def _largest_rectangle(cells: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the largest all-true rectangle, the ends not in it.

    Each row is the foot of a histogram of how far cells above it are true; in a histogram the
    largest rectangle under a bar ends where a lower bar comes, seen with one stack.
    """
    heights = np.zeros(cells.shape[1] + 1, np.int64)
    best, found = 0, (0, 0, 0, 0)
    for row, line in enumerate(cells):
        heights[:-1] = np.where(line, heights[:-1] + 1, 0)
        open_bars: list[int] = []
        for column, height in enumerate(heights):
            while open_bars and heights[open_bars[-1]] >= height:
                high = int(heights[open_bars.pop()])
                left = open_bars[-1] + 1 if open_bars else 0
                if high * (column - left) > best:
                    best = high * (column - left)
                    found = (row + 1 - high, row + 1, left, column)
            open_bars.append(column)
    return found
