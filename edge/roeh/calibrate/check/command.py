"""`roeh calibrate check`: pictures in which a technician sees whether the pose is right."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.calibrate.check.birds_eye import draw_birds_eye
from roeh.calibrate.options import add_node, add_report, between
from roeh.calibrate.pose.compass import COMPASS_REMEDY, COMPASS_WARNING
from roeh.calibrate.report import Figure, Report, check_free, write_report
from roeh.calibrate.sensor_picture import live_picture_of, picture_from, section_of
from roeh.calibrate.telling import tell
from roeh.core.clock import Clock, SystemClock
from roeh.core.config import NodeConfig, SensorSection, load_config
from roeh.core.errors import EXIT_OK, CalibrationFailed, RoehError, one_line
from roeh.core.moments import reading_text
from roeh.media.frames import UInt8Image
from roeh.media.lettering import trace, write
from roeh.media.masks import mask_of
from roeh.media.overlay import Overlay, letter_px_of
from roeh.media.polar import zone_outline_m
from roeh.optics.configured import rig_from
from roeh.optics.ground import GroundPlane
from roeh.optics.polar import Array
from roeh.optics.rig import Rig, Sensor, directions_of
from roeh.optics.view_layout import sensor_view

TEXT = "See whether pose and heading are right: a metre grid and compass over a live picture."

_DEFAULT_RANGE_M = 15.0
_GRID_M, _GRID_RANGE_M = 2.0, 10.0
_FORWARD = (120, 255, 120)
_HORIZON = (255, 160, 255)
Outline = tuple[str, tuple[tuple[float, float], ...]]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was drawn.

    Attributes:
        sensors: those that gave a picture.
        missing: those that gave none.
        north_from: as configured.
    """

    sensors: tuple[str, ...]
    missing: tuple[str, ...]
    north_from: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    add_node(parser)
    parser.add_argument("--sensor", default="", metavar="NAME", help="this one alone; default: all")
    parser.add_argument(
        "--picture",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a picture of a sensor instead of a live one; may be given for each",
    )
    parser.add_argument(
        "--range-m",
        type=between(3, 60),
        default=_DEFAULT_RANGE_M,
        metavar="M",
        help=f"how far rings and the view from above reach, default {_DEFAULT_RANGE_M:g}",
    )
    add_report(parser, "pictures go")


def run_check(chosen: argparse.Namespace) -> int:
    """Draw the pictures and say where they are; the exit status.

    Raises:
        CalibrationFailed: no sensor gives a picture.
        OutputRefused: the pictures cannot be written.
    """
    config = load_config(chosen.config)
    check_free(chosen.out)
    clock = SystemClock()
    sections = (section_of(config, chosen.sensor),) if chosen.sensor else config.sensors
    files = _files(chosen.picture, sections)
    pictures: dict[str, UInt8Image] = {}
    for section in sections:
        picture = _picture(section, files.get(section.name), clock, config.node.heading_deg)
        if picture is not None:
            pictures[section.name] = picture
    if not pictures:
        raise CalibrationFailed(
            what="no sensor gives a picture",
            which=", ".join(section.name for section in sections),
            remedy="stop the node if it holds the cameras, look with roeh doctor, or give files "
            "with --picture",
        )
    report = check_report(config, pictures, chosen.range_m, reading_text(clock.read()))
    page = write_report(chosen.out, report)
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(report.result).decode() + "\n")
        return EXIT_OK
    for line in report.summary:
        sys.stdout.write(f"{line}\n")
    for figure in report.figures:
        sys.stdout.write(f"picture: {one_line(str(chosen.out / figure.name))}.png\n")
    sys.stdout.write(f"report: {one_line(str(page))}\n")
    return EXIT_OK


def check_report(
    config: NodeConfig, pictures: dict[str, UInt8Image], range_m: float, made: str
) -> Report:
    """The pictures of some sensors with what is drawn over them, and the view from above."""
    rig = rig_from(config)
    outlines = outlines_of(config)
    shown = [section for section in config.sensors if section.name in pictures]
    figures = [
        Figure(
            name=section.name,
            caption=f"Camera {section.name}. Right: the {_GRID_M:g} m grid lies on the ground and "
            "squares at the foot of the pole look square, the horizon (violet) runs where far "
            "things vanish, the red line points to true north, the green one along the forward "
            "mark.",
            picture=draw_check(rig, section, pictures[section.name], outlines, range_m),
        )
        for section in shown
    ]
    figures.append(
        Figure(
            name="from-above",
            caption="All pictures draped on the ground, north up. Right: kerbs and lines run "
            "straight and go on unbroken over the dotted seams. Broken at a seam: an azimuth is "
            "wrong. Bent: a tilt or a height. Whatever stands up falls outwards: that is as it "
            "has to be.",
            picture=draw_birds_eye(rig, pictures, range_m=range_m, outlines=outlines),
        )
    )
    missing = tuple(each.name for each in config.sensors if each.name not in pictures)
    doubts = doubts_of(config, missing)
    node = config.node
    return Report(
        title=f"Check of {node.site}/{node.name}",
        made=made,
        verdict="doubtful" if doubts else "good",
        summary=(
            *doubts,
            f"forward mark at {node.heading_deg:g} +- {node.heading_sigma_deg:g} degrees from true "
            f"north, by {node.north_from.replace('_', ' ')}",
            "look at the pictures: only a person sees whether they are right",
        ),
        figures=tuple(figures),
        tables=(),
        toml="# nothing to change\n",
        result=CheckResult(
            sensors=tuple(section.name for section in shown),
            missing=missing,
            north_from=node.north_from,
        ),
    )


def doubts_of(config: NodeConfig, missing: Sequence[str]) -> tuple[str, ...]:
    """What a technician has to know before looking: sensors away, north from nowhere sure."""
    doubts = [f"no picture of {', '.join(missing)}"] if missing else []
    if config.node.north_from == "compass":
        doubts += [COMPASS_WARNING, COMPASS_REMEDY]
    elif config.node.north_from == "unknown":
        doubts.append("nothing says where north is from (node.north_from): " + COMPASS_REMEDY)
    return tuple(doubts)


def draw_check(
    rig: Rig,
    section: SensorSection,
    picture: UInt8Image,
    outlines: Sequence[Outline],
    range_m: float,
) -> UInt8Image:
    """A sensor's picture with grid, rings, compass, horizon and outlines; masks black."""
    sensor = rig.sensor(section.name)
    view = sensor_view(rig, sensor)
    canvas = picture.copy()
    overlay = Overlay(view, canvas, hidden=mask_of(section))
    overlay.draw_grid(_GRID_M, range_m=min(_GRID_RANGE_M, range_m))
    overlay.draw_rings(range_m=range_m)
    overlay.draw_compass(to_m=min(8.0, range_m))
    for name, corners in outlines:
        overlay.draw_outline(name, corners)
    letter_px = letter_px_of(view)
    _draw_horizon(canvas, sensor, letter_px)
    _draw_forward(canvas, rig, sensor, letter_px)
    return overlay.finished()


def outlines_of(config: NodeConfig) -> tuple[Outline, ...]:
    """Zones and lines as corners on the ground, metres east and north."""
    zones = [(zone.name, zone_outline_m(zone)) for zone in config.zones]
    lines = [(line.name, (line.from_m, line.to_m)) for line in config.lines]
    return (*zones, *lines)


def _draw_horizon(canvas: UInt8Image, sensor: Sensor, letter_px: float) -> None:
    azimuths = np.arange(0.0, 360.5, 0.5)
    points = sensor.pixels_of(directions_of(azimuths, np.zeros_like(azimuths)))
    for run in _runs(points):
        trace(canvas, run, _HORIZON, thick_px=2)
        x, y = run[len(run) // 2]
        write(canvas, "horizon", (x, y - 4), letter_px, _HORIZON)


def _draw_forward(canvas: UInt8Image, rig: Rig, sensor: Sensor, letter_px: float) -> None:
    heading = math.radians(rig.heading_deg)
    reach_m = np.linspace(0.3, 3.0, 40)[:, None]
    line = reach_m * np.asarray([math.sin(heading), math.cos(heading)])
    for run in _runs(GroundPlane(rig, sensor).pixels_of(line)):
        trace(canvas, run, _FORWARD, thick_px=4)
        write(canvas, "forward mark", (run[-1][0], run[-1][1]), letter_px, _FORWARD)


def _runs(points: Array) -> list[Array]:
    """Stretches of points (n, 2) without NaN and without leaps, two points at least."""
    gap: NDArray[np.bool_] = np.asarray(np.isnan(points).any(axis=1))
    leaps = np.hypot(*np.diff(points, axis=0).T) > 300.0
    cuts = np.flatnonzero(gap[1:] | gap[:-1] | leaps) + 1
    return [run for run in np.split(points, cuts) if len(run) > 1 and not np.isnan(run).any()]


def _files(named: Sequence[str], sections: Sequence[SensorSection]) -> dict[str, Path]:
    """Picture files by sensor; a name may be left out where there is one sensor."""
    names = [section.name for section in sections]
    found: dict[str, Path] = {}
    for text in named:
        name, given, path = text.partition("=")
        if not given and len(names) == 1:
            name, path = names[0], text
        if name not in names or not path:
            raise CalibrationFailed(
                what="not clear of which sensor that picture is",
                which=text,
                remedy=f"write --picture NAME=FILE; names: {', '.join(names)}",
            )
        found[name] = Path(path)
    return found


def _picture(
    section: SensorSection, file: Path | None, clock: Clock, heading_deg: float
) -> UInt8Image | None:
    if file is not None:
        return picture_from(file, section)
    try:
        return live_picture_of(section, clock, heading_deg)
    except RoehError as error:
        tell(f"{section.name}: {error.what}")
        return None
