"""`roeh calibrate board`: the board itself, as a drawing to print in its true size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from roeh.calibrate.lens.board import Board, parse_board
from roeh.core.durable_files import sync_directory, write_new
from roeh.core.errors import EXIT_OK, OutputRefused, one_line

TEXT = "A board to print: chessboard or grid of circles, an SVG in its true size."

_MM = 1000.0
#: White paper round the pattern, in squares: the detectors need it. More where there is room.
_LEAST_MARGIN, _MARGIN = 0.4, 1.5
_RULER_MM = 100
#: What ruler and text take at the lower edge, out of reach of what a printer leaves white.
_FOOT_MM = 12.0
#: Sheets that printers have, short side by long side.
_SHEETS_MM = {"A4": (210.0, 297.0), "A3": (297.0, 420.0)}


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Which board; as `roeh calibrate lens` is told of it."""
    parser.add_argument(
        "--board",
        nargs=2,
        default=["chessboard", "9x6"],
        metavar=("KIND", "COLUMNSxROWS"),
        help="chessboard 9x6 (inner corners; the default), or circles 4x11 (asymmetric)",
    )
    parser.add_argument(
        "--square",
        type=length_m,
        default=0.025,
        metavar="METRES",
        help="side of a square, or distance of two rows of circles; default 0.025",
    )
    parser.add_argument(
        "--circle", type=length_m, metavar="METRES", help="diameter of a circle; default --square"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    add_board_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="BOARD.svg", help="a new file")


def run_board(chosen: argparse.Namespace) -> int:
    """Write the drawing; the exit status.

    Raises:
        CalibrationFailed: no such board.
        OutputRefused: it cannot be written, or there is a file of this name.
    """
    board = board_of(chosen)
    path: Path = chosen.out
    try:
        write_new(path, [board_svg(board).encode()])
        sync_directory(path.absolute().parent)
    except OSError as error:
        raise OutputRefused(
            what=f"the board cannot be written ({error.strerror})",
            which=str(path),
            remedy="name a new file in a directory that you can write with --out",
        ) from None
    sys.stdout.write(f"{board}, on {_sheet(board).name}: {one_line(str(path))}\n")
    return EXIT_OK


def board_of(chosen: argparse.Namespace) -> Board:
    """The board that the options describe.

    Raises:
        CalibrationFailed: no such board.
    """
    return parse_board(chosen.board[0], chosen.board[1], chosen.square, chosen.circle)


def length_m(text: str) -> float:
    """An option's length, more than nothing and at most 5 m."""
    value = float(text)
    if not 0 < value <= 5:
        raise argparse.ArgumentTypeError("must be greater than 0, at most 5")
    return value


class _Sheet(NamedTuple):
    """The paper of a board, and where on it the pattern begins."""

    name: str
    wide_mm: float
    high_mm: float
    left_mm: float
    top_mm: float


def board_svg(board: Board) -> str:
    """The drawing, in millimetres, with a ruler to check the printer by."""
    square, sheet = board.square_m * _MM, _sheet(board)
    shapes = _squares(board, square, sheet) if board.kind == "chessboard" else []
    if board.kind == "circles":
        radius = board.circle_m * _MM / 2
        points = board.points_m[:, :2] * _MM + (sheet.left_mm + radius, sheet.top_mm + radius)
        shapes = [f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}"/>' for x, y in points.tolist()]
    text = (
        f"{board}, on {sheet.name}. Print at 100 %: the line is {_RULER_MM} mm long. "
        "Measure a square; glue it on something flat and stiff."
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{sheet.wide_mm:g}mm" '
            f'height="{sheet.high_mm:g}mm" viewBox="0 0 {sheet.wide_mm:g} {sheet.high_mm:g}">',
            f'<rect width="{sheet.wide_mm:g}" height="{sheet.high_mm:g}" fill="#fff"/>',
            *shapes,
            f'<path d="M8 {sheet.high_mm - 10:g}h{_RULER_MM}m0 -1.5v3m-{_RULER_MM} 0v-3" '
            'stroke="#000" stroke-width="0.3" fill="none"/>',
            f'<text x="8" y="{sheet.high_mm - 5.5:g}" font-family="sans-serif" '
            f'font-size="3">{text}</text>',
            "</svg>",
            "",
        ]
    )


def _sheet(board: Board) -> _Sheet:
    """The smallest of the printers' sheets that the board fits, or one of the board's own size."""
    square = board.square_m * _MM
    wide, high = _pattern_mm(board)
    margin = _LEAST_MARGIN * square
    for name, (short, long) in _SHEETS_MM.items():
        paper = (long, short) if wide > high else (short, long)
        if wide + 2 * margin <= paper[0] and high + 2 * margin + _FOOT_MM <= paper[1]:
            left, top = (paper[0] - wide) / 2, (paper[1] - _FOOT_MM - high) / 2
            return _Sheet(name, *paper, left, top)
    margin = _MARGIN * square
    own = (wide + 2 * margin, high + 2 * margin + _FOOT_MM)
    return _Sheet(f"paper of {own[0]:.0f} x {own[1]:.0f} mm", *own, margin, margin)


def _pattern_mm(board: Board) -> tuple[float, float]:
    """Width and height of all that is black."""
    wide, high = (board.points_m[:, :2].max(axis=0) * _MM).tolist()
    round_it = 2 * board.square_m * _MM if board.kind == "chessboard" else board.circle_m * _MM
    return wide + round_it, high + round_it


def _squares(board: Board, square: float, sheet: _Sheet) -> list[str]:
    """The black ones; the first inner corner has one to its upper left."""
    side = f'width="{square:g}" height="{square:g}"'
    return [
        f'<rect x="{sheet.left_mm + column * square:g}" '
        f'y="{sheet.top_mm + row * square:g}" {side}/>'
        for row in range(board.rows + 1)
        for column in range(board.columns + 1)
        if (row + column) % 2 == 0
    ]
