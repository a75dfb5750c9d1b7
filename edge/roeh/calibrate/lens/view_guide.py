"""Which view of the board is wanted next, while a camera runs. Pure.

The picture has nine parts: the middle and eight round it, counted from the lens's axis.
A view is taken when the board is held still, is not where an earlier view has it, and its
part has not had its share; at least half of the views are to lean.
"""

from __future__ import annotations

import math

import numpy as np

from roeh.calibrate.lens.board import Board
from roeh.optics.polar import Array

_AROUND = (
    "right", "lower right", "bottom", "lower left", "left", "upper left", "top", "upper right",
)  # fmt: skip
_MIDDLE = "middle"
_MIDDLE_OF_HALF = 0.35
#: As shares of what the lens shows across.
_STILL, _NEW = 0.004, 0.05
#: Opposite sides of the board differ by this much, or its shape, where it leans.
_LEANING = 1.18
_LEANING_SHARE = 0.5


class ViewGuide:
    """Says of each sight of the board whether to take it, and what is missing.

    Args:
        board: what is held.
        center_px: where the lens's axis lands.
        half_px: from there to where the lens shows nothing more, across and down.
        count: views wanted.
    """

    def __init__(
        self,
        board: Board,
        *,
        center_px: tuple[float, float],
        half_px: tuple[float, float],
        count: int,
    ) -> None:
        self._board = board
        self._center, self._half = np.asarray(center_px), np.asarray(half_px)
        self._count = count
        self._quota = math.ceil(count / (len(_AROUND) + 1)) + 1
        self._taken: list[Array] = []
        self._before: Array | None = None

    @property
    def is_complete(self) -> bool:
        """Whether there are as many views as wanted."""
        return len(self._taken) >= self._count

    def refusal(self, corners_px: Array) -> str:
        """Empty: take this one. Else what to do, for the person who holds the board."""
        before, self._before = self._before, corners_px
        across_px = 2 * float(self._half.max())
        if before is None or _apart(before, corners_px) > _STILL * across_px:
            return "hold it still"
        part = self.part_of(corners_px)
        if sum(self.part_of(taken) == part for taken in self._taken) >= self._quota:
            return f"enough of the {part}: show it at the {self.missing}"
        if any(_apart(taken, corners_px) < _NEW * across_px for taken in self._taken):
            return f"that view is taken: lean it otherwise, or show it at the {self.missing}"
        flat_allowed = self._count - math.ceil(_LEANING_SHARE * self._count)
        flat = sum(not self.is_leaning(taken) for taken in self._taken)
        if flat >= flat_allowed and not self.is_leaning(corners_px):
            return "lean it more, by 30 to 45 degrees"
        return ""

    def take(self, corners_px: Array) -> None:
        """This view has been taken."""
        self._taken.append(corners_px)

    def away(self) -> None:
        """The board was not seen."""
        self._before = None

    @property
    def missing(self) -> str:
        """The part of the picture that has the fewest views."""
        parts = (_MIDDLE, *_AROUND)
        counts = [sum(self.part_of(taken) == part for taken in self._taken) for part in parts]
        return parts[int(np.argmin(counts))]

    def part_of(self, corners_px: Array) -> str:
        """Where in the picture the board is."""
        x, y = (corners_px.mean(axis=0) - self._center) / self._half
        if math.hypot(x, y) < _MIDDLE_OF_HALF:
            return _MIDDLE
        return _AROUND[round(math.atan2(y, x) / (math.pi / 4)) % len(_AROUND)]

    def is_leaning(self, corners_px: Array) -> bool:
        """Whether the board looks leaned: its opposite sides, or its shape, say so."""
        grid = corners_px.reshape(self._board.rows, self._board.columns, 2)
        top, bottom = (_length(side) for side in (grid[0], grid[-1]))
        left, right = (_length(side) for side in (grid[:, 0], grid[:, -1]))
        points_m = self._board.points_m.reshape(self._board.rows, self._board.columns, 3)
        shape = _length(points_m[0]) / _length(points_m[:, 0])
        ratios = (top / bottom, left / right, (top + bottom) / (left + right) / shape)
        return max(max(ratio, 1 / ratio) for ratio in ratios) > _LEANING


def _apart(one_px: Array, other_px: Array) -> float:
    """Of the point that moved most, whichever end of the board was counted from."""
    ways = (other_px, other_px[::-1])
    return min(float(np.linalg.norm(one_px - way, axis=1).max()) for way in ways)


def _length(points: Array) -> float:
    return max(float(np.linalg.norm(points[-1] - points[0])), 1e-6)
