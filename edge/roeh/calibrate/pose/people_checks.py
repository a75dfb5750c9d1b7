"""What looks at people cannot tell, and what is missing then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from roeh.core.errors import CalibrationFailed
from roeh.optics.polar import Array
from roeh.optics.rig import Rig, Sensor

if TYPE_CHECKING:
    from roeh.calibrate.pose.people import UprightLook

_LEAST_LOOKS = 30
#: Nearer than this in camera heights one looks down on heads.
_NEAREST_HEIGHTS = 0.7
#: What is known no better than this is not known.
_MAX_TILT_SIGMA_DEG, _MAX_HEIGHT_SIGMA_M = 0.5, 0.4


def check_looks(looks: Sequence[UprightLook], sensor: Sensor) -> None:
    """Refuse fewer looks than average out how people walk.

    Raises:
        CalibrationFailed: too few.
    """
    if len(looks) < _LEAST_LOOKS:
        raise CalibrationFailed(
            what="too few people standing or walking were seen",
            which=f"sensor {sensor.name}: {len(looks)} looks of {_LEAST_LOOKS}",
            remedy="let somebody walk round the pole at 4 m and at 10 m, or film longer",
        )


def check_told(looks: Sequence[UprightLook], covariance: Array, sensor: Sensor) -> None:
    """Refuse looks so close together that they leave tilt, roll or height open.

    Args:
        looks: that count.
        covariance: of turns about the pole's right and forward (radians), and of the
            camera's height (m), first.
        sensor: as configured.

    Raises:
        CalibrationFailed: which of them, how uncertain, and where people are missing.
    """
    if not np.isfinite(covariance).all():
        tilt_deg = height_m = math.inf
    else:
        tilt_deg = math.degrees(math.sqrt(float(np.linalg.eigvalsh(covariance[:2, :2])[-1])))
        height_m = math.sqrt(float(covariance[2, 2]))
    if tilt_deg <= _MAX_TILT_SIGMA_DEG and height_m <= _MAX_HEIGHT_SIGMA_M:
        return
    what = (
        f"tilt and roll uncertain by {tilt_deg:.1f} degrees"
        if tilt_deg > _MAX_TILT_SIGMA_DEG
        else f"height uncertain by {height_m:.2f} m"
    )
    raise CalibrationFailed(
        what=f"where people walked does not tell the pose: {what}",
        which=f"sensor {sensor.name}: {len(looks)} looks",
        remedy=_missing(looks, sensor),
    )


def _missing(looks: Sequence[UprightLook], sensor: Sensor) -> str:
    """Where people are missing."""
    rig = Rig((sensor,), 0.0, 0.0)
    feet = np.asarray([look.foot_px for look in looks])
    sights = sensor.lens.unproject(feet) @ rig.camera_to_world(sensor).T
    ranges = sensor.pose.height_m * np.hypot(*sights[:, :2].T) / np.maximum(-sights[:, 2], 1e-3)
    bearings = np.sort(np.degrees(np.arctan2(sights[:, 0], sights[:, 1])) % 360.0)
    gaps = np.diff(np.append(bearings, bearings[0] + 360.0))
    covered_deg = 360.0 - float(gaps.max())
    near_m, far_m = np.quantile(ranges, (0.05, 0.95))
    seen = f"seen from {near_m:.0f} to {far_m:.0f} m over {covered_deg:.0f} degrees"
    if far_m < 2.0 * near_m:
        return f"{seen}: let somebody walk nearer and farther, from 4 m to 12 m"
    return f"{seen}: let somebody walk through the whole width of the picture"
