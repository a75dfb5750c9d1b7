"""`roeh calibrate ring`: how the sensors of a pole are turned against each other."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from roeh.calibrate.check.birds_eye import draw_birds_eye
from roeh.calibrate.options import add_node, add_report, add_sigma_px, add_watching_time
from roeh.calibrate.pose.fragment import SensorKeys, fragment, pose_keys
from roeh.calibrate.pose.point_files import read_points
from roeh.calibrate.pose.watching import SeenPerson, Watched, Watcher, watch
from roeh.calibrate.report import Figure, Report, Table, check_free
from roeh.calibrate.ring.checks import SharedSpot, neighbours
from roeh.calibrate.ring.extrinsics import PairLink, RingPose, ring_from_spots
from roeh.calibrate.ring.overlaps import spots_of_people, spots_of_points
from roeh.calibrate.sensor_picture import live_picture_of
from roeh.calibrate.telling import give_report, tell
from roeh.core.clock import Clock, SystemClock
from roeh.core.config import NodeConfig, load_config
from roeh.core.errors import EXIT_OK, CalibrationFailed, RoehError
from roeh.core.moments import reading_text
from roeh.core.stopping import stop_on_signals
from roeh.media.frames import UInt8Image
from roeh.optics.configured import rig_from
from roeh.optics.rig import Rig

TEXT = "How a ring's sensors are turned against each other, from people or points that two see."

_SECONDS = 180.0
_APART_M = 0.5
_GOOD_AZIMUTH_SIGMA_DEG = 0.3
_FROM_ABOVE_M = 15.0


class RingResult(msgspec.Struct, frozen=True, kw_only=True):
    """A ring as programs read it.

    Attributes:
        sensors: keys of [[sensors]].
        links: of neighbours.
        closure_deg: by how much the pairs, each by itself, miss a full turn.
        spots: common points that counted.
        left_out: common points that did not fit.
    """

    sensors: tuple[SensorKeys, ...]
    links: tuple[PairLink, ...]
    closure_deg: float | None
    spots: int
    left_out: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    add_node(parser)
    parser.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help="CSV or TOML: points by name, sensor and pixel; default: people whom two see",
    )
    add_sigma_px(parser)
    parser.add_argument(
        "--clip",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a recording of a sensor; all begin at one moment; default: the sources",
    )
    add_watching_time(parser, _SECONDS)
    add_report(parser)


def run_ring(chosen: argparse.Namespace) -> int:
    """Find how the sensors are turned and write the report; the exit status.

    Raises:
        CalibrationFailed: the common points do not tell it, or are missing of a pair.
        OutputRefused: the report cannot be written.
        RoehError: there are no pictures.
    """
    config = load_config(chosen.config)
    check_free(chosen.out)
    rig, clock = rig_from(config), SystemClock()
    clips = _clips(chosen.clip, config)
    if chosen.points is not None:
        names = [sensor.name for sensor in rig.sensors]
        spots = spots_of_points(read_points(chosen.points), names, chosen.sigma_px)
        source = f"{len(spots)} common points of {chosen.points.name}"
    else:
        stop = stop_on_signals()
        watched = [
            Watched(section, clips.get(section.name), chosen.seconds) for section in config.sensors
        ]
        seen = watch_all(config, rig, watched, clock, stop)
        spots = spots_of_people(seen, neighbours(rig), _APART_M)
        source = f"{len(spots)} spots where two sensors saw somebody at one time"
    found = ring_from_spots(spots, rig)
    pictures = _pictures(config, clock) if not clips else {}
    made = f"{reading_text(clock.read())}, {source}."
    give_report(chosen, ring_report(found, spots, config, pictures, made=made))
    return EXIT_OK


def watch_all(
    config: NodeConfig,
    rig: Rig,
    watched: Sequence[Watched],
    clock: Clock,
    stop: threading.Event,
) -> dict[str, list[SeenPerson]]:
    """People before each sensor; live ones are watched at the same time.

    Raises:
        RoehError: a source or the detector cannot be had.
    """
    recorded = [each.is_recorded for each in watched]
    if len(set(recorded)) > 1:
        raise CalibrationFailed(
            what="some sensors live and some recorded share no time",
            which=", ".join(each.section.name for each in watched),
            remedy="give a recording of each with --clip, or of none",
        )
    watchers = [Watcher(config, rig, rig.sensor(each.section.name)) for each in watched]
    with ThreadPoolExecutor(1 if all(recorded) else len(watched)) as pool:
        jobs = [
            pool.submit(
                watch,
                each,
                watcher,
                clock=clock,
                heading_deg=config.node.heading_deg,
                stop=stop,
                told=tell,
            )
            for each, watcher in zip(watched, watchers, strict=True)
        ]
        try:
            return {
                each.section.name: job.result() for each, job in zip(watched, jobs, strict=True)
            }
        except BaseException:
            stop.set()
            raise


def ring_report(
    found: RingPose,
    spots: Sequence[SharedSpot],
    config: NodeConfig,
    pictures: dict[str, UInt8Image],
    *,
    made: str,
) -> Report:
    """What common points say."""
    keys = tuple(
        pose_keys(
            sensor.name,
            sensor.pose,
            tilt_sigma_deg=sensor.sigmas.tilt_deg,
            azimuth_sigma_deg=sensor.sigmas.azimuth_deg,
        )
        for sensor in found.sensors
    )
    left_out = int((~found.is_used).sum())
    worst_deg = max(sensor.sigmas.azimuth_deg for sensor in found.sensors)
    doubts = []
    if worst_deg > _GOOD_AZIMUTH_SIGMA_DEG:
        doubts.append(f"an azimuth is known to {worst_deg:.2f} degrees only: take more points")
    if left_out > 0.2 * len(spots):
        doubts.append(f"{left_out} of {len(spots)} common points do not fit and were left out")
    closing = (
        "two sensors, or an open ring: nothing to close"
        if found.closure_deg is None
        else f"the pairs, each by itself, close to {found.closure_deg:+.3f} +- "
        f"{found.closure_sigma_deg:.3f} degrees"
    )
    first = found.sensors[0]
    rig = Rig(found.sensors, config.node.heading_deg, config.node.heading_sigma_deg)
    figures = (
        (
            Figure(
                name="from-above",
                caption="The sensors' pictures draped on the ground as they were found to hang. "
                "Good: kerbs and lines go on unbroken over the dotted seams.",
                picture=draw_birds_eye(rig, pictures, range_m=_FROM_ABOVE_M),
            ),
        )
        if pictures
        else ()
    )
    return Report(
        title=f"Ring of {config.node.site}/{config.node.name}",
        made=made,
        verdict="doubtful" if doubts else "good",
        summary=(
            *doubts,
            *(
                f"{sensor.name}: azimuth {sensor.pose.azimuth_deg:.2f} +- "
                f"{sensor.sigmas.azimuth_deg:.2f}, tilt {sensor.pose.tilt_deg:.2f}, roll "
                f"{sensor.pose.roll_deg:.2f} +- {sensor.sigmas.tilt_deg:.2f} degrees"
                for sensor in found.sensors
            ),
            closing,
            f"azimuths count from that of {first.name}, which stays; north comes from ground "
            "points: roeh calibrate pose",
        ),
        figures=figures,
        tables=(_links_table(found),),
        toml=fragment(None, keys),
        result=RingResult(
            sensors=keys,
            links=found.links,
            closure_deg=found.closure_deg,
            spots=int(found.is_used.sum()),
            left_out=left_out,
        ),
    )


def _links_table(found: RingPose) -> Table:
    return Table(
        caption="Neighbours, each pair by itself",
        columns=("pair", "common points", "between, degrees", "off, px"),
        rows=tuple(
            (
                f"{link.one} to {link.other}",
                str(link.spots),
                f"{link.between_deg:.3f} +- {link.sigma_deg:.3f}",
                f"{link.off_px:.2f}",
            )
            for link in found.links
        ),
    )


def _clips(named: Sequence[str], config: NodeConfig) -> dict[str, Path]:
    names = [section.name for section in config.sensors]
    found: dict[str, Path] = {}
    for text in named:
        name, _, path = text.partition("=")
        if name not in names or not path:
            raise CalibrationFailed(
                what="not clear of which sensor that recording is",
                which=text,
                remedy=f"write --clip NAME=FILE; names: {', '.join(names)}",
            )
        found[name] = Path(path)
    return found


def _pictures(config: NodeConfig, clock: Clock) -> dict[str, UInt8Image]:
    """For the report; a camera that is away is left out."""
    found = {}
    for section in config.sensors:
        try:
            found[section.name] = live_picture_of(section, clock, config.node.heading_deg)
        except RoehError as error:
            tell(f"no picture of {section.name} for the report: {error.what}")
    return found
