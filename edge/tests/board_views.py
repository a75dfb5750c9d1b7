"""Pictures of a calibration board through a known lens, and where to hold the board."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from roeh.calibrate.lens.board import Board
from roeh.calibrate.lens.bundle_fit import BoardPose
from roeh.optics.lens import Lens

_FINE = 3
_PAPER, _INK, _ROOM = 225.0, 25.0, 110.0


@dataclass(frozen=True)
class Look:
    """How a camera's picture differs from a perfect one."""

    blur_px: float = 0.7
    noise: float = 2.5


def held(
    theta_deg: float,
    around_deg: float,
    distance_m: float,
    lean_deg: float,
    lean_way_deg: float,
    turn_deg: float,
    board: Board,
) -> BoardPose:
    """A board whose middle is `theta_deg` off the axis, facing the camera but for its lean."""
    theta, around = math.radians(theta_deg), math.radians(around_deg)
    axis = np.array([math.cos(around), math.sin(around), 0.0])
    sight = np.array([*(math.sin(theta) * axis[:2]), math.cos(theta)])
    # From the optical axis to the sight, the short way.
    facing = _turn(np.cross([0.0, 0.0, 1.0], axis) * theta)
    way = math.radians(lean_way_deg)
    lean = _turn(np.array([math.cos(way), math.sin(way), 0.0]) * math.radians(lean_deg))
    turn = _turn(np.array([0.0, 0.0, math.radians(turn_deg)]))
    rotation = facing @ lean @ turn
    middle = board.points_m.mean(axis=0)
    return BoardPose(rotation, sight * distance_m - rotation @ middle)


def held_about(
    board: Board, lens: Lens, count: int, seed: int, reach: float = 1.0
) -> list[BoardPose]:
    """Boards in the middle and all round near the rim, each leaning another way, all in sight."""
    rng = np.random.default_rng(seed)
    size_m = float(np.linalg.norm(np.ptp(board.points_m, axis=0)))
    poses: list[BoardPose] = []
    tries = 0
    while len(poses) < count:
        assert tries < 200, "the board is nowhere in sight"
        share = math.sqrt((len(poses) + 0.5) / count) * reach * 0.99**tries
        angle = lens.max_angle_rad * rng.uniform(0.5, 0.8)
        pose = held(
            share * math.degrees(lens.max_angle_rad),
            len(poses) * 137.5 + rng.uniform(-20, 20),
            size_m / 2 / math.tan(angle / 2),
            rng.uniform(15, 45),
            rng.uniform(0, 360),
            rng.uniform(-30, 30),
            board,
        )
        tries += 1
        if not np.isnan(lens.project(pose.in_camera(_outline(board)))).any():
            poses.append(pose)
            tries = 0
    return poses


def points_seen(board: Board, lens: Lens, pose: BoardPose) -> np.ndarray:
    """Where the board's points land (n, 2)."""
    return lens.project(pose.in_camera(board.points_m))


def picture_of(
    board: Board, lens: Lens, pose: BoardPose, look: Look, rng: np.random.Generator
) -> np.ndarray:
    """The picture (height, width) uint8: the board before a plain room, through the lens."""
    ways, inside = _sights(lens)
    canvas = np.where(inside, _ROOM, 0.0).astype(np.float32)
    corners = lens.project(pose.in_camera(_outline(board)), beyond=True)
    size = [lens.width_px, lens.height_px]
    low = np.maximum(np.floor(np.nanmin(corners, axis=0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(np.nanmax(corners, axis=0)).astype(int) + 5, size)
    here = np.s_[low[1] : high[1], low[0] : high[0]]
    # Parts of pixels: their sights lie between those of the pixels' middles.
    fine_ways = cv2.resize(ways[here], None, fx=_FINE, fy=_FINE, interpolation=cv2.INTER_LINEAR)
    shade = _shade_on_board(board, pose, fine_ways.reshape(-1, 3))
    rows, columns = high[1] - low[1], high[0] - low[0]
    fine = shade.reshape(rows, _FINE, columns, _FINE).mean(axis=(1, 3))
    canvas[here] = np.where(inside[here], fine, 0.0)
    if look.blur_px:
        canvas = cv2.GaussianBlur(canvas, (0, 0), look.blur_px)
    if look.noise:
        canvas = canvas + look.noise * rng.standard_normal(canvas.shape, np.float32)
    return np.clip(canvas.round(), 0, 255).astype(np.uint8)


@functools.cache
def _sights(lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel looks (height, width, 3), and whether the lens shows it."""
    ys, xs = np.mgrid[0 : lens.height_px, 0 : lens.width_px]
    pixels = np.column_stack([xs.reshape(-1), ys.reshape(-1)]).astype(np.float64)
    ways = np.nan_to_num(lens.unproject(pixels)).reshape(lens.height_px, lens.width_px, 3)
    # Single precision is a ten-thousandth of a pixel, and half the time.
    return ways.astype(np.float32), lens.inside(pixels).reshape(lens.height_px, lens.width_px)


def _shade_on_board(board: Board, pose: BoardPose, directions: np.ndarray) -> np.ndarray:
    across, down, away = pose.rotation.T.astype(np.float32) @ directions.T
    eye = (-pose.rotation.T @ pose.translation_m / board.square_m).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = -eye[2] / away
        x, y = eye[0] + across * distance, eye[1] + down * distance
    low, high = (limit / board.square_m for limit in _limits(board))
    on_paper = (distance > 0) & (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
    with np.errstate(invalid="ignore"):
        if board.kind == "chessboard":
            printed = (x > -1) & (x < board.columns) & (y > -1) & (y < board.rows)
            column, row = (np.floor(along).astype(np.int32) for along in (x, y))
            is_ink = printed & ((column ^ row) & 1 == 0)
        else:
            row = np.clip(np.round(y), 0, board.rows - 1)
            column = np.clip(np.round((x - row % 2) / 2), 0, board.columns - 1)
            off = np.hypot(x - 2 * column - row % 2, y - row)
            is_ink = off < board.circle_m / board.square_m / 2
    shade = np.full(len(x), _ROOM, np.float32)
    shade[on_paper] = np.where(is_ink[on_paper], np.float32(_INK), np.float32(_PAPER))
    return shade


def _limits(board: Board) -> tuple[np.ndarray, np.ndarray]:
    points = board.points_m[:, :2]
    margin = 1.6 * board.square_m
    return points.min(axis=0) - margin, points.max(axis=0) + margin


def _outline(board: Board) -> np.ndarray:
    (x0, y0), (x1, y1) = _limits(board)
    along = np.linspace(0, 1, 9)
    sides = [
        (x0 + (x1 - x0) * along, np.full(9, y0)),
        (x0 + (x1 - x0) * along, np.full(9, y1)),
        (np.full(9, x0), y0 + (y1 - y0) * along),
        (np.full(9, x1), y0 + (y1 - y0) * along),
    ]
    flat = np.concatenate([np.column_stack(side) for side in sides])
    return np.column_stack([flat, np.zeros(len(flat))])


def _turn(rotation_vector: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.Rodrigues(np.asarray(rotation_vector, np.float64))[0])
