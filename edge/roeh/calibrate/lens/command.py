"""`roeh calibrate lens`: a lens from pictures of a board, or from a running camera."""

from __future__ import annotations

import argparse
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from roeh.calibrate.lens.board import Board
from roeh.calibrate.lens.board_command import add_board_options, board_of
from roeh.calibrate.lens.board_views import BoardViews
from roeh.calibrate.lens.fit import LEAST_VIEWS, fit_lens
from roeh.calibrate.lens.lens_fit import LensFit
from roeh.calibrate.lens.live_views import take_views
from roeh.calibrate.lens.opencv_reference import opencv_opinions
from roeh.calibrate.lens.report import lens_report
from roeh.calibrate.lens.seen_rim import seen_fov_deg
from roeh.calibrate.lens.view_guide import ViewGuide
from roeh.calibrate.options import add_report
from roeh.calibrate.pictures import picture_paths, read_gray
from roeh.calibrate.report import Report, check_free
from roeh.calibrate.sensor_picture import section_of
from roeh.calibrate.telling import give_report, tell
from roeh.core.clock import Clock, SystemClock
from roeh.core.config import SensorSection, load_config
from roeh.core.errors import EXIT_OK, CalibrationFailed, one_line
from roeh.core.moments import reading_text
from roeh.core.stopping import stop_on_signals
from roeh.media.frames import UInt8Image
from roeh.optics.configured import lens_from
from roeh.optics.lens import MAX_FISHEYE_FOV_DEG, Lens, LensModel, Pinhole
from roeh.sources.factory import open_source
from roeh.sources.protocol import SourceNotice

TEXT = "A lens from views of a chessboard or a grid of circles: pictures, or a running camera."

_MODELS: tuple[LensModel, ...] = ("kannala_brandt", "equidistant", "pinhole")
_MOST_VIEWS = 200
_DEFAULT_COUNT = 20

PictureOf = Callable[[str], UInt8Image | None]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Views, where they come from, and their pictures."""

    views: BoardViews
    of: str
    title: str
    picture_of: PictureOf


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument(
        "pictures", type=Path, nargs="*", metavar="PICTURE_OR_DIR", help="views of the board"
    )
    parser.add_argument("-c", "--config", type=Path, metavar="NODE.toml", help="or a running node")
    parser.add_argument("--sensor", default="", metavar="NAME", help="its camera; default: the one")
    parser.add_argument(
        "--count",
        type=_count,
        default=_DEFAULT_COUNT,
        metavar="N",
        help=f"views to take from it, default {_DEFAULT_COUNT}",
    )
    add_board_options(parser)
    parser.add_argument(
        "--model", choices=_MODELS, default="kannala_brandt", help="default kannala_brandt"
    )
    parser.add_argument(
        "--fov", type=_fov_deg, metavar="DEG", help="full visible angle; default: as seen"
    )
    add_report(parser)


def run_lens(chosen: argparse.Namespace) -> int:
    """Find the lens and write the report; the exit status.

    Raises:
        CalibrationFailed: the views tell no lens.
        OutputRefused: the report cannot be written.
        RoehError: the camera cannot be had.
    """
    # What is wrong with a picture is said by us.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    board = board_of(chosen)
    if bool(chosen.pictures) == (chosen.config is not None):
        raise CalibrationFailed(
            what="not clear where the views come from",
            which="roeh calibrate lens",
            remedy="name either pictures, or a node with --config",
        )
    check_free(chosen.out)
    clock = SystemClock()
    if chosen.pictures:
        seen = _from_files(picture_paths(chosen.pictures), board)
    else:
        sensor = section_of(load_config(chosen.config), chosen.sensor)
        seen = from_sensor(sensor, board, chosen.count, clock, stop_on_signals())
    report = calibrated(seen, chosen.model, chosen.fov, clock)
    give_report(chosen, report)
    return EXIT_OK


def calibrated(seen: _Seen, model: LensModel, fov_deg: float | None, clock: Clock) -> Report:
    """The report of the lens that the views tell.

    Raises:
        CalibrationFailed: they tell none.
    """
    views = seen.views
    width_px, height_px = views.size_px
    fit = fit_lens(
        tuple(views.views),
        views.board,
        model=model,
        width_px=width_px,
        height_px=height_px,
        refused=tuple(views.refused),
    )
    if views.brightest is None:
        raise AssertionError("views without a picture")
    made = reading_text(clock.read())
    return lens_report(
        fit,
        board=views.board,
        fov_deg=_fov_of(fit, fov_deg, views.brightest),
        opinions=opencv_opinions(fit, views.board.points_m),
        brightest=views.brightest,
        picture_of=seen.picture_of,
        title=one_line(seen.title),
        made=one_line(f"{made}, {views.board}, {seen.of}."),
    )


def _fov_of(fit: LensFit, wanted_deg: float | None, brightest: UInt8Image) -> float:
    """The stated angle where the lens's model reaches that far, else what is seen.

    Raises:
        CalibrationFailed: it does not.
    """
    if wanted_deg is None or fit.model == "pinhole":
        return seen_fov_deg(fit, brightest)
    if wanted_deg > fit.limit_deg:
        raise CalibrationFailed(
            what=f"the lens found has one direction for each pixel only to {fit.limit_deg:.0f} "
            "degrees across",
            which=f"--fov {wanted_deg:g}",
            remedy="hold the board nearer the rim, or leave --fov out",
        )
    return wanted_deg


def _from_files(paths: tuple[Path, ...], board: Board) -> _Seen:
    views = BoardViews(board)
    names = _short_names(paths)
    if len(paths) > _MOST_VIEWS:
        raise CalibrationFailed(
            what=f"{len(paths)} pictures, {_MOST_VIEWS} are the most",
            which=str(paths[0].parent),
            remedy="choose 15 to 40 that differ",
        )
    for path, name in zip(paths, names, strict=True):
        gray = read_gray(path)
        if gray is None:
            views.refuse(name, "not a picture")
            continue
        reason = views.add(name, gray)
        if reason:
            tell(f"{name}: {reason}")
    by_name = dict(zip(names, paths, strict=True))
    return _Seen(
        views, f"{len(paths)} pictures", "Lens from pictures", lambda name: read_gray(by_name[name])
    )


def from_sensor(
    sensor: SensorSection, board: Board, count: int, clock: Clock, stop: threading.Event
) -> _Seen:
    """Views from a camera that runs, with a line for the technician whenever one is due.

    Raises:
        RoehError: the camera cannot be had.
    """
    lens = lens_from(sensor.lens)
    views = BoardViews(board)
    guide = ViewGuide(board, center_px=lens.axis_px, half_px=_half_px(lens), count=count)
    tell(f"show {board} to camera {sensor.name}; {count} views are wanted")
    with open_source(
        sensor.source, sensor=sensor, clock=clock, paced=True, observer=_notice
    ) as source:
        taken = take_views(source, views, guide, stop=stop, say=tell)
    if len(taken) < LEAST_VIEWS:
        raise CalibrationFailed(
            what=f"only {len(taken)} views were taken, {LEAST_VIEWS} are needed at least",
            which=f"camera {sensor.name}",
            remedy="show the whole board, sharp and still, all over the picture",
        )
    return _Seen(
        views, f"camera {sensor.name}, {len(taken)} views", f"Lens of {sensor.name}", taken.get
    )


def _half_px(lens: Lens) -> tuple[float, float]:
    """From the axis to where the lens shows nothing more, across and down."""
    x, y = lens.axis_px
    half_x, half_y = min(x, lens.width_px - 1 - x), min(y, lens.height_px - 1 - y)
    angle = lens.max_angle_rad
    if isinstance(lens, Pinhole) or angle <= 0:
        return half_x, half_y
    rim = lens.project(np.array([[math.sin(angle), 0.0, math.cos(angle)]]), beyond=True)[0]
    radius_px = float(np.hypot(*(rim - np.array([x, y]))))
    return min(half_x, radius_px), min(half_y, radius_px)


def _short_names(paths: tuple[Path, ...]) -> tuple[str, ...]:
    """File names alone, or whole paths where two would be the same."""
    names = tuple(path.name for path in paths)
    return names if len(set(names)) == len(names) else tuple(str(path) for path in paths)


def _notice(notice: SourceNotice) -> None:
    tell(f"camera {notice.camera_id}: {notice.detail}")


def _count(text: str) -> int:
    value = int(text)
    if not LEAST_VIEWS <= value <= _MOST_VIEWS:
        raise argparse.ArgumentTypeError(f"must be from {LEAST_VIEWS} to {_MOST_VIEWS}")
    return value


def _fov_deg(text: str) -> float:
    value = float(text)
    if not 1 <= value <= MAX_FISHEYE_FOV_DEG:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MAX_FISHEYE_FOV_DEG:g}")
    return value
