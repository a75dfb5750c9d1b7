"""What a calibration found as lines for node.toml."""

from __future__ import annotations

import math

import msgspec

from roeh.optics.rig import Pose

#: Lens, mount and pole are not known better, whatever the points say.
_LEAST_ANGLE_SIGMA_DEG, _LEAST_HEIGHT_SIGMA_M = 0.05, 0.005


class HeadingKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of [node] that say where north is."""

    heading_deg: float
    heading_sigma_deg: float
    north_from: str


class SensorKeys(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Keys of [[sensors]] that say how a camera hangs; None: as it was."""

    name: str
    azimuth_deg: float | None = None
    tilt_deg: float | None = None
    roll_deg: float | None = None
    height_m: float | None = None
    azimuth_sigma_deg: float | None = None
    tilt_sigma_deg: float | None = None
    height_sigma_m: float | None = None


def heading_keys(heading_deg: float, sigma_deg: float, north_from: str) -> HeadingKeys:
    """The keys as they are to be written."""
    return HeadingKeys(
        heading_deg=_bearing(heading_deg),
        heading_sigma_deg=angle_sigma(sigma_deg),
        north_from=north_from,
    )


def pose_keys(
    name: str,
    pose: Pose,
    *,
    tilt_sigma_deg: float,
    height_sigma_m: float | None = None,
    azimuth_sigma_deg: float | None = None,
) -> SensorKeys:
    """The keys as they are to be written."""
    height_sigma = None
    if height_sigma_m is not None:
        height_sigma = _up(max(height_sigma_m, _LEAST_HEIGHT_SIGMA_M), 3)
    return SensorKeys(
        name=name,
        azimuth_deg=_bearing(pose.azimuth_deg),
        tilt_deg=round(pose.tilt_deg, 3),
        roll_deg=round(pose.roll_deg, 3),
        height_m=round(pose.height_m, 3),
        azimuth_sigma_deg=None if azimuth_sigma_deg is None else angle_sigma(azimuth_sigma_deg),
        tilt_sigma_deg=angle_sigma(tilt_sigma_deg),
        height_sigma_m=height_sigma,
    )


def fragment(heading: HeadingKeys | None, sensors: tuple[SensorKeys, ...]) -> str:
    """Lines to put in the place of those in node.toml that have the same keys."""
    lines = ["# Put these in the place of the same keys in node.toml."]
    if heading is not None:
        lines += [
            "[node]",
            f"heading_deg = {heading.heading_deg!r}",
            f"heading_sigma_deg = {heading.heading_sigma_deg!r}",
            f'north_from = "{heading.north_from}"',
        ]
    for sensor in sensors:
        lines += ["", "[[sensors]]", f'name = "{sensor.name}"']
        lines += [
            f"{key} = {value!r}"
            for key, value in msgspec.structs.asdict(sensor).items()
            if key != "name" and value is not None
        ]
    return "\n".join(lines) + "\n"


def angle_sigma(sigma_deg: float) -> float:
    """A sigma that promises no more than lens and mount hold, rounded up."""
    return _up(max(sigma_deg, _LEAST_ANGLE_SIGMA_DEG), 2)


def _up(value: float, digits: int) -> float:
    scale = float(10**digits)
    return math.ceil(value * scale - 1e-9) / scale


def _bearing(angle_deg: float) -> float:
    return round(angle_deg, 3) % 360.0
