"""What is held before the camera: a chessboard or a grid of circles. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from roeh.core.errors import CalibrationFailed
from roeh.optics.polar import Array

BoardKind = Literal["chessboard", "circles"]

_GRID = re.compile(r"(\d{1,2})x(\d{1,2})")
_LEAST, _MOST = 3, 40


@dataclass(frozen=True, slots=True)
class Board:
    """A flat pattern whose points are known.

    Attributes:
        kind: "chessboard", or "circles" for the asymmetric grid of circles.
        columns: inner corners, or circles, in a row.
        rows: inner corners, or circles, in a column; each second row of circles is
            shifted by half the distance between two circles of a row.
        square_m: side of a square; of circles, half the distance between two of a row,
            which is that between two rows.
        circle_m: diameter of a circle; 0 for a chessboard.
    """

    kind: BoardKind
    columns: int
    rows: int
    square_m: float
    circle_m: float = 0.0

    @property
    def points_m(self) -> Array:
        """The points (columns * rows, 3), row by row, x right, y down, z = 0."""
        row, column = np.mgrid[0 : self.rows, 0 : self.columns]
        across = column if self.kind == "chessboard" else 2 * column + row % 2
        flat = np.stack([across, row, np.zeros_like(row)], axis=-1).reshape(-1, 3)
        points: Array = flat * self.square_m
        return points

    def __str__(self) -> str:
        name = f"{self.kind} {self.columns}x{self.rows}"
        return f"{name}, {self.square_m * 1000:g} mm"


def parse_board(kind: str, grid: str, square_m: float, circle_m: float | None = None) -> Board:
    """The board that a command line describes; circles are as wide as rows lie apart by default.

    Raises:
        CalibrationFailed: no such board can be told from its pictures.
    """
    matched = _GRID.fullmatch(grid)
    columns, rows = (int(matched[1]), int(matched[2])) if matched else (0, 0)
    if not (_LEAST <= columns <= _MOST and _LEAST <= rows <= _MOST):
        raise CalibrationFailed(
            what="no such board",
            which=f"--board {kind} {grid}",
            remedy="count the inner corners, or the circles, in a row and in a column: 9x6",
        )
    if kind == "chessboard":
        return Board("chessboard", columns, rows, square_m)
    if kind == "circles":
        return Board("circles", columns, rows, square_m, circle_m or square_m)
    raise CalibrationFailed(
        what="unknown kind of board",
        which=f"--board {kind}",
        remedy="write chessboard or circles",
    )
