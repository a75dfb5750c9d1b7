"""`roeh calibrate board`: the board itself, as a drawing to print in its true size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from roeh.calibrate.lens.board import Board, parse_board
from roeh.core.durable_files import sync_directory, write_new
from roeh.core.errors import EXIT_OK, OutputRefused, one_line

TEXT = "A board to print: chessboard or grid of circles, an SVG in its true size."

_MM = 1000.0
#: White paper round the pattern, in squares: the detectors need it.
_MARGIN = 1.5
_RULER_MM = 100


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
    sys.stdout.write(f"{board}: {one_line(str(path))}\n")
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


def board_svg(board: Board) -> str:
    """The drawing, in millimetres, with a ruler to check the printer by."""
    square = board.square_m * _MM
    points = board.points_m[:, :2] * _MM + (_MARGIN + 1) * square
    wide, high = (points.max(axis=0) + (_MARGIN + 1) * square).tolist()
    shapes = list(_squares(board, square) if board.kind == "chessboard" else ())
    if board.kind == "circles":
        radius = board.circle_m * _MM / 2
        shapes = [f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}"/>' for x, y in points.tolist()]
    foot = high + 8
    text = (
        f"{board}. Print at 100 %: the line is {_RULER_MM} mm long. Measure a square; "
        "glue it on something flat and stiff."
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}mm" height="{foot + 8:g}mm" '
            f'viewBox="0 0 {wide:g} {foot + 8:g}">',
            f'<rect width="{wide:g}" height="{foot + 8:g}" fill="#fff"/>',
            *shapes,
            f'<path d="M5 {foot - 4:g}h{_RULER_MM}m0 -1.5v3m-{_RULER_MM} 0v-3" stroke="#000" '
            'stroke-width="0.3" fill="none"/>',
            f'<text x="5" y="{foot + 2:g}" font-family="sans-serif" font-size="3.2">{text}</text>',
            "</svg>",
            "",
        ]
    )


def _squares(board: Board, square: float) -> list[str]:
    """The black ones; the first inner corner has one to its upper left."""
    side = f'width="{square:g}" height="{square:g}"'
    return [
        f'<rect x="{(column + _MARGIN) * square:g}" y="{(row + _MARGIN) * square:g}" {side}/>'
        for row in range(board.rows + 1)
        for column in range(board.columns + 1)
        if (row + column) % 2 == 0
    ]
