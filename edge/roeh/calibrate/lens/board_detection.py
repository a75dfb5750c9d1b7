"""Finding a board in a picture, to a small part of a pixel.

Chessboards: OpenCV's detector by quadrangles, which is quick and stands the bending of a
fisheye; where it fails, the one by sectors (Duda & Frese, BMVC 2018). Then each corner's
gradients (cv2.cornerSubPix) in a window that holds no other corner. Circles: `circle_grid.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from roeh.calibrate.lens.board import Board
from roeh.calibrate.lens.circle_grid import find_circles
from roeh.media.frames import UInt8Image
from roeh.optics.polar import Array

#: Windows of the refinement: half a side, as a share of the distance to the next corner.
_WINDOW_OF_SPACING = 0.4
_LEAST_WINDOW_PX, _MOST_WINDOW_PX = 2, 11
_REFINEMENT = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-3)
#: Corners nearer to each other than this cannot be told apart well.
LEAST_SPACING_PX = 6.0


@dataclass(frozen=True, slots=True)
class BoardSighting:
    """A board in one picture.

    Attributes:
        corners_px: the points (n, 2) in the board's order.
        spacing_px: of neighbours, where they are nearest to each other.
        edge_px: how wide black turns to white, from a tenth to nine tenths about: the blur.
    """

    corners_px: Array
    spacing_px: float
    edge_px: float


def find_board(gray: UInt8Image, board: Board) -> BoardSighting | None:
    """The whole board in a picture (height, width); None where it is not all found."""
    found = _chessboard(gray, board) if board.kind == "chessboard" else _circles(gray, board)
    if found is None:
        return None
    spacing_px = least_spacing_px(found, board)
    if board.kind == "chessboard":
        found = _refined(gray, found, spacing_px)
    return BoardSighting(found, spacing_px, _edge_width_px(gray, found, spacing_px))


def find_board_quickly(gray: UInt8Image, board: Board, most_side_px: int) -> Array | None:
    """Roughly where the board is (n, 2), for pictures that come one after another."""
    scale = min(1.0, most_side_px / max(gray.shape))
    small_size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
    small = np.asarray(cv2.resize(gray, small_size, interpolation=cv2.INTER_AREA), np.uint8)
    if board.kind == "circles":
        found = _circles(small, board)
    else:
        flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
        is_there, corners = cv2.findChessboardCorners(
            small, (board.columns, board.rows), flags=flags
        )
        found = _rows(corners) if is_there else None
    return None if found is None else (found + 0.5) / scale - 0.5


def least_spacing_px(corners_px: Array, board: Board) -> float:
    """The distance of neighbours where they are nearest to each other."""
    grid = corners_px.reshape(board.rows, board.columns, 2)
    across = np.linalg.norm(np.diff(grid, axis=1), axis=-1)
    down = np.linalg.norm(np.diff(grid, axis=0), axis=-1)
    return float(min(across.min(), down.min()))


def _chessboard(gray: UInt8Image, board: Board) -> Array | None:
    size = (board.columns, board.rows)
    quadrangles = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
    is_there, corners = cv2.findChessboardCorners(gray, size, flags=quadrangles)
    if not is_there:
        sectors = cv2.CALIB_CB_ACCURACY | cv2.CALIB_CB_NORMALIZE_IMAGE
        is_there, corners = cv2.findChessboardCornersSB(gray, size, flags=sectors)
    return _rows(corners) if is_there else None


def _circles(gray: UInt8Image, board: Board) -> Array | None:
    return find_circles(gray, (board.columns, board.rows))


def _refined(gray: UInt8Image, corners_px: Array, spacing_px: float) -> Array:
    half = int(np.clip(spacing_px * _WINDOW_OF_SPACING, _LEAST_WINDOW_PX, _MOST_WINDOW_PX))
    start = corners_px.astype(np.float32).reshape(-1, 1, 2)
    return _rows(cv2.cornerSubPix(gray, start, (half, half), (-1, -1), _REFINEMENT))


def _edge_width_px(gray: UInt8Image, corners_px: Array, spacing_px: float) -> float:
    """The median over the board's points of contrast by steepest slope."""
    half = max(int(spacing_px * 0.75), 3)
    widths = []
    for x, y in corners_px.round().astype(int):
        patch = gray[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        smooth = cv2.GaussianBlur(patch, (3, 3), 0).astype(np.float32)
        slope = cv2.magnitude(
            cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125),
            cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125),
        )
        low, high = np.percentile(smooth, (5, 95))
        widths.append((high - low) / max(float(np.percentile(slope, 98)), 1e-3))
    return float(np.median(widths))


def _rows(points: cv2.typing.MatLike) -> Array:
    rows: Array = np.asarray(points, np.float64).reshape(-1, 2)
    return rows
