"""`roeh calibrate pose`: how a camera hangs, and which way the pole faces."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from roeh.calibrate.options import add_node, add_report, add_sigma_px, add_watching_time, between
from roeh.calibrate.pose.compass import COMPASS_SIGMA_DEG, heading_by_compass
from roeh.calibrate.pose.ground_points import Mounted, pose_from_points
from roeh.calibrate.pose.people import KnownHeights, UprightLook, pose_from_people
from roeh.calibrate.pose.point_files import marked_points, read_points
from roeh.calibrate.pose.report import compass_report, people_report, points_report
from roeh.calibrate.pose.watching import SeenPerson, Watched, Watcher, apart, watch
from roeh.calibrate.report import Report, check_free
from roeh.calibrate.sensor_picture import live_picture_of, picture_from, section_of
from roeh.calibrate.telling import give_report, tell
from roeh.core.clock import Clock, SystemClock
from roeh.core.config import NodeConfig, SensorSection, load_config
from roeh.core.errors import (
    EXIT_OK,
    CalibrationFailed,
    CameraMissing,
    SourceUnreadable,
)
from roeh.core.moments import reading_text
from roeh.core.stopping import stop_on_signals
from roeh.media.frames import UInt8Image
from roeh.optics.configured import pole_from, rig_from

TEXT = "How a camera hangs and where north is: from ground points, from people, by compass."

_SECONDS = 180.0
#: Looks at one person nearer together than this are off alike.
_APART_M = 0.5
#: In heights of the camera: nearer, one looks down on heads and shoulders.
_NEAREST_HEIGHTS = 0.9
_KNOWN_PERSON_SIGMA_M = 0.01


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    add_node(parser)
    parser.add_argument("--sensor", default="", metavar="NAME", help="default: the only one")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument(
        "--points", type=Path, metavar="FILE", help="CSV or TOML: pixel and place of ground points"
    )
    way.add_argument(
        "--people", action="store_true", help="from people who walk: tilt, roll, height"
    )
    way.add_argument(
        "--compass-deg",
        type=between(0, 360),
        metavar="DEG",
        help="the forward mark's bearing by compass: north alone, flagged as such",
    )
    parser.add_argument(
        "--declination-deg",
        type=between(-180, 180),
        metavar="DEG",
        help="of the compass: how far magnetic north is east of true north; 0: it shows true north",
    )
    parser.add_argument(
        "--find-height", action="store_true", help="the camera's height was not measured: find it"
    )
    add_sigma_px(parser)
    parser.add_argument(
        "--sigma-m",
        type=between(0.001, 10),
        default=0.03,
        metavar="M",
        help="how well points are measured; default 0.03",
    )
    parser.add_argument(
        "--person-height-m",
        type=between(1.0, 2.3),
        metavar="M",
        help="of the one who walks, with shoes; default: people are 1.70 +- 0.07 m",
    )
    parser.add_argument(
        "--clip", type=Path, metavar="FILE", help="a recording of people; default: the source"
    )
    add_watching_time(parser, _SECONDS)
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="for the report; default: from the source"
    )
    add_report(parser)


def run_pose(chosen: argparse.Namespace) -> int:
    """Find the pose and write the report; the exit status.

    Raises:
        CalibrationFailed: points or people do not tell the pose.
        OutputRefused: the report cannot be written.
        RoehError: there are no pictures.
    """
    config = load_config(chosen.config)
    check_free(chosen.out)
    clock = SystemClock()
    if chosen.compass_deg is not None:
        keys = heading_by_compass(chosen.compass_deg, chosen.declination_deg, COMPASS_SIGMA_DEG)
        report = compass_report(
            keys, chosen.compass_deg, chosen.declination_deg, reading_text(clock.read())
        )
    elif chosen.people:
        report = _by_people(chosen, config, clock, stop_on_signals())
    else:
        report = _by_points(chosen, config, clock)
    give_report(chosen, report)
    return EXIT_OK


def _by_points(chosen: argparse.Namespace, config: NodeConfig, clock: Clock) -> Report:
    section = section_of(config, chosen.sensor)
    file = read_points(chosen.points)
    pole = pole_from(config)
    points = marked_points(
        file, section.name, pole, sigma_px=chosen.sigma_px, sigma_m=chosen.sigma_m
    )
    mounted = Mounted(
        rig_from(config).sensor(section.name),
        is_height_measured=not chosen.find_height,
        shift_sigma_m=pole.position_sigma_m if pole is not None and file.is_geographic else 0.0,
    )
    found = pose_from_points(points, mounted)
    picture = _picture(chosen.picture, section, clock, config.node.heading_deg)
    return points_report(
        found,
        points,
        config,
        section,
        made=f"{reading_text(clock.read())}, {len(points)} ground points of {chosen.points.name}.",
        picture=picture,
    )


def _by_people(
    chosen: argparse.Namespace, config: NodeConfig, clock: Clock, stop: threading.Event
) -> Report:
    section = section_of(config, chosen.sensor)
    rig = rig_from(config)
    sensor = rig.sensor(section.name)
    watched = Watched(section, chosen.clip, chosen.seconds)
    people = watch(
        watched,
        Watcher(config, rig, sensor),
        clock=clock,
        heading_deg=config.node.heading_deg,
        stop=stop,
        told=tell,
    )
    nearest_m = _NEAREST_HEIGHTS * sensor.pose.height_m
    looks = upright_looks(apart(people, _APART_M), nearest_m)
    heights = None
    if chosen.person_height_m is not None:
        heights = KnownHeights(
            mean_m=chosen.person_height_m,
            mean_sigma_m=_KNOWN_PERSON_SIGMA_M,
            sigma_m=_KNOWN_PERSON_SIGMA_M,
        )
    found = pose_from_people(
        looks, sensor, is_height_measured=not chosen.find_height, heights=heights
    )
    source = f"recording {chosen.clip.name}" if chosen.clip else f"sensor {section.name}"
    return people_report(
        found,
        looks,
        config,
        section,
        made=f"{reading_text(clock.read())}, {len(looks)} looks at people, {source}.",
        picture=_picture(chosen.picture, section, clock, config.node.heading_deg),
    )


def upright_looks(people: list[SeenPerson], nearest_m: float) -> tuple[UprightLook, ...]:
    """What was seen, as the solver takes it; the detector's boxes show no lean."""
    return tuple(
        UprightLook(
            person=f"{person.sensor}-{person.person}",
            foot_px=person.foot_px,
            head_px=person.head_px,
        )
        for person in people
        if person.range_m >= nearest_m
    )


def _picture(
    path: Path | None, section: SensorSection, clock: Clock, heading_deg: float
) -> UInt8Image | None:
    """For the report; None where the camera is away: the figures do not need it."""
    if path is not None:
        return picture_from(path, section)
    try:
        return live_picture_of(section, clock, heading_deg)
    except (CalibrationFailed, CameraMissing, SourceUnreadable) as error:
        tell(f"no picture for the report: {error.what}")
        return None
