"""Reports of poses: figures, pictures with what is left over, and lines for node.toml."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from roeh.calibrate.pose.attitude import STEEP_DEG
from roeh.calibrate.pose.compass import COMPASS_REMEDY, COMPASS_WARNING
from roeh.calibrate.pose.fragment import (
    HeadingKeys,
    SensorKeys,
    fragment,
    heading_keys,
    pose_keys,
)
from roeh.calibrate.pose.ground_points import PointPose, PointResidual
from roeh.calibrate.pose.marked_points import MarkedPoint
from roeh.calibrate.pose.people import PeoplePose, UprightLook
from roeh.calibrate.report import Figure, Report, Table
from roeh.calibrate.residual_drawing import draw_residuals
from roeh.core.config import NodeConfig, SensorSection
from roeh.media.frames import UInt8Image
from roeh.optics.configured import sensor_from
from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Rig, wrap_deg

#: What is promised in the field.
_GOOD_TILT_SIGMA_DEG, _GOOD_HEADING_SIGMA_DEG = 0.3, 0.5


class PoseResult(msgspec.Struct, frozen=True, kw_only=True):
    """A pose as programs read it.

    Attributes:
        node: keys of [node]; None where north was not found.
        sensors: keys of [[sensors]].
        residuals: of ground points.
        left_out: points that do not agree with the others.
        growth: by how much the points agree worse than their sigmas say.
        looks: at people, that counted.
        people: how many.
    """

    node: HeadingKeys | None
    sensors: tuple[SensorKeys, ...] = ()
    residuals: tuple[PointResidual, ...] = ()
    left_out: tuple[str, ...] = ()
    growth: float = 1.0
    looks: int = 0
    people: int = 0


def points_report(
    found: PointPose,
    points: Sequence[MarkedPoint],
    config: NodeConfig,
    section: SensorSection,
    *,
    made: str,
    picture: UInt8Image | None,
) -> Report:
    """What ground points say."""
    heading = heading_keys(found.heading_deg, found.heading_sigma_deg, "ground_points")
    keys = (
        pose_keys(
            section.name,
            found.pose,
            tilt_sigma_deg=found.sigmas.tilt_deg,
            height_sigma_m=found.sigmas.height_m,
        ),
    )
    doubts = []
    if found.left_out:
        doubts.append(f"left out, does not agree with the others: {', '.join(found.left_out)}")
    if found.growth > 1:
        doubts.append(
            f"the points agree {found.growth:.1f} times worse than their sigmas say: "
            "the sigmas here have grown by that"
        )
    if not found.is_tilt_found:
        doubts.append("two points give the heading alone: tilt and roll are as they were set")
    if found.heading_sigma_deg > _GOOD_HEADING_SIGMA_DEG:
        doubts.append(f"heading known to {found.heading_sigma_deg:.1f} degrees only")
    if found.is_tilt_found and found.sigmas.tilt_deg > _GOOD_TILT_SIGMA_DEG:
        doubts.append(f"tilt known to {found.sigmas.tilt_deg:.1f} degrees only")
    notes = ["the other sensors keep their azimuths: roeh calibrate ring finds those"]
    if len(config.sensors) == 1:
        notes.clear()
    return Report(
        title=f"Pose of {section.name} from ground points",
        made=made,
        verdict="doubtful" if doubts else "good",
        summary=(
            *doubts,
            f"heading {found.heading_deg:.2f} +- {found.heading_sigma_deg:.2f} degrees from true "
            "north",
            _pose_line(
                keys[0], tilt_sigma=found.sigmas.tilt_deg, height_sigma=found.sigmas.height_m
            ),
            f"points are off by {found.rms_px:.2f} px and {found.rms_m:.3f} m, root mean square",
            *notes,
        ),
        figures=(_points_figure(found, points, section, picture),),
        tables=(_points_table(found, points),),
        toml=fragment(heading, keys),
        result=PoseResult(
            node=heading,
            sensors=keys,
            residuals=found.residuals,
            left_out=found.left_out,
            growth=found.growth,
        ),
    )


def people_report(
    found: PeoplePose,
    looks: Sequence[UprightLook],
    config: NodeConfig,
    section: SensorSection,
    *,
    made: str,
    picture: UInt8Image | None,
) -> Report:
    """What people say."""
    keys = (
        pose_keys(
            section.name,
            found.pose,
            tilt_sigma_deg=found.sigmas.tilt_deg,
            height_sigma_m=found.sigmas.height_m,
        ),
    )
    used = int(found.is_used.sum())
    doubts = []
    if found.sigmas.tilt_deg > _GOOD_TILT_SIGMA_DEG:
        doubts.append(
            f"tilt known to {found.sigmas.tilt_deg:.2f} degrees only: let people walk for longer, "
            "nearer and farther, all round"
        )
    if used < 0.7 * len(looks):
        doubts.append(f"{len(looks) - used} of {len(looks)} looks are of nobody upright")
    median_m = float(np.median(found.heights_m[found.is_used]))
    heights = "people are {:.2f} m tall in the middle; one person's looks differ by {:.2f} m"
    north = "heading cannot come from people: "
    north += (
        f"it stays {config.node.heading_deg:g} degrees; find it with --points"
        if config.node.north_from != "ground_points"
        else "it stays as the ground points gave it"
    )
    return Report(
        title=f"Pose of {section.name} from people",
        made=made,
        verdict="doubtful" if doubts else "good",
        summary=(
            *doubts,
            _pose_line(
                keys[0], tilt_sigma=found.sigmas.tilt_deg, height_sigma=found.sigmas.height_m
            ),
            heights.format(median_m, found.spread_m),
            f"{used} looks at {found.people} people",
            north,
        ),
        figures=(_people_figure(found, looks, section, picture),),
        tables=(_people_table(found, looks, section),),
        toml=fragment(None, keys),
        result=PoseResult(node=None, sensors=keys, looks=used, people=found.people),
    )


def compass_report(
    keys: HeadingKeys, reading_deg: float, declination_deg: float, made: str
) -> Report:
    """What a compass says, flagged."""
    return Report(
        title="Heading by compass",
        made=f"{made}, a reading of {reading_deg:g} degrees, declination {declination_deg:g}.",
        verdict="doubtful",
        summary=(
            COMPASS_WARNING,
            COMPASS_REMEDY,
            f"heading {keys.heading_deg:.1f} +- {keys.heading_sigma_deg:g} degrees from true north "
            f"= {reading_deg:g} read + {declination_deg:g} declination",
        ),
        figures=(),
        tables=(),
        toml=fragment(keys, ()),
        result=PoseResult(node=keys),
    )


def _pose_line(keys: SensorKeys, *, tilt_sigma: float, height_sigma: float) -> str:
    steep = ""
    azimuth_deg, tilt_deg, roll_deg = keys.azimuth_deg, keys.tilt_deg, keys.roll_deg
    if azimuth_deg is not None and roll_deg is not None and tilt_deg and tilt_deg > STEEP_DEG:
        steep = f" (upper edge to {wrap_deg(azimuth_deg + roll_deg):.2f})"
    return (
        f"azimuth {keys.azimuth_deg:.2f}, tilt {keys.tilt_deg:.2f}, roll {keys.roll_deg:.2f} "
        f"degrees{steep} +- {tilt_sigma:.2f}; height {keys.height_m:.3f} +- {height_sigma:.3f} m"
    )


def _canvas(section: SensorSection, picture: UInt8Image | None) -> UInt8Image:
    if picture is not None:
        return picture
    return np.zeros((section.lens.height_px, section.lens.width_px, 3), np.uint8)


def _points_figure(
    found: PointPose,
    points: Sequence[MarkedPoint],
    section: SensorSection,
    picture: UInt8Image | None,
) -> Figure:
    drawn = draw_residuals(
        _canvas(section, picture),
        np.asarray([(point.x_px, point.y_px) for point in points]),
        np.asarray([residual.off_px for residual in found.residuals]),
        is_used=np.asarray([residual.is_used for residual in found.residuals]),
        names=[point.name for point in points],
    )
    return Figure(
        name="points",
        caption="Where points were marked; the arrows are how far that is off the pose, much "
        "enlarged. Good: short arrows that point anywhere.",
        picture=drawn,
    )


def _points_table(found: PointPose, points: Sequence[MarkedPoint]) -> Table:
    rows = []
    for point, residual in zip(points, found.residuals, strict=True):
        rows.append(
            (
                point.name if residual.is_used else f"{point.name} (left out)",
                f"{point.x_px:.1f}, {point.y_px:.1f}",
                f"{point.east_m:.2f}, {point.north_m:.2f}",
                f"{math.hypot(point.east_m, point.north_m):.1f}",
                _pair(residual.off_px, 1),
                _pair(residual.off_m, 2),
            )
        )
    return Table(
        caption="Ground points and how far each is off",
        columns=("point", "marked, px", "east, north, m", "range, m", "off, px", "off, m"),
        rows=tuple(rows),
    )


def _people_figure(
    found: PeoplePose,
    looks: Sequence[UprightLook],
    section: SensorSection,
    picture: UInt8Image | None,
) -> Figure:
    """From each head to where a person of the usual height has it."""
    sensor = sensor_from(section)
    posed = type(sensor)(sensor.name, sensor.lens, found.pose, found.sigmas)
    plane = GroundPlane(Rig((posed,), 0.0, 0.0), posed, 1e6)
    feet = np.asarray([look.foot_px for look in looks])
    heads = np.asarray([look.head_px for look in looks])
    usual_m = float(np.median(found.heights_m[found.is_used]))
    places = plane.fix(feet).east_north_m
    expected = plane.pixels_of(places, up_m=usual_m, beyond=True)
    drawn = draw_residuals(
        _canvas(section, picture), heads, heads - expected, is_used=found.is_used
    )
    return Figure(
        name="people",
        caption=f"Heads of people; the arrows are how far each is off that of somebody "
        f"{usual_m:.2f} m tall on the same spot, much enlarged. Good: arrows that point anywhere. "
        "All outwards on one side and inwards on the other: a tilt that is wrong.",
        picture=drawn,
    )


def _people_table(found: PeoplePose, looks: Sequence[UprightLook], section: SensorSection) -> Table:
    rows = []
    for person in sorted({look.person for look in looks}):
        mine = np.asarray([look.person == person for look in looks])
        used = mine & found.is_used
        heights = found.heights_m[used]
        rows.append(
            (
                person,
                f"{int(used.sum())} of {int(mine.sum())}",
                f"{float(np.median(heights)):.2f}" if heights.size else "-",
                f"{float(heights.std()):.2f}" if heights.size > 1 else "-",
            )
        )
    return Table(
        caption=f"People seen by {section.name}",
        columns=("person", "looks used", "height, m", "spread, m"),
        rows=tuple(rows),
    )


def _pair(values: tuple[float, float], digits: int) -> str:
    if not all(math.isfinite(value) for value in values):
        return "not seen there"
    return f"{values[0]:+.{digits}f}, {values[1]:+.{digits}f}"
