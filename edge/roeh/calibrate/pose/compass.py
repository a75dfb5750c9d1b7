"""North from a magnetic compass: better than nothing, and said to be no more."""

from __future__ import annotations

import math

from roeh.calibrate.pose.fragment import HeadingKeys, heading_keys
from roeh.core.errors import CalibrationFailed
from roeh.optics.rig import wrap_deg

#: A compass beside the steel of a pole is off by several degrees, and nobody sees by how many.
COMPASS_SIGMA_DEG = 5.0
#: Nowhere that people live does magnetic north lie farther from true north.
_MAX_DECLINATION_DEG = 60.0

COMPASS_WARNING = (
    "north is from a compass alone: beside steel it may be off by several degrees "
    f"({COMPASS_SIGMA_DEG:g} degrees are 1.7 m at 20 m)"
)
COMPASS_REMEDY = "measure two points on the ground: roeh calibrate pose --points FILE"


def heading_by_compass(
    reading_deg: float, declination_deg: float | None, sigma_deg: float
) -> HeadingKeys:
    """The heading of a forward mark along which somebody sighted with a compass.

    Args:
        reading_deg: what the compass says.
        declination_deg: how far magnetic north lies east of true north there; 0 for a
            compass that shows true north already.
        sigma_deg: of the reading; less than `COMPASS_SIGMA_DEG` is not believed.

    Raises:
        CalibrationFailed: no declination, or an impossible one.
    """
    if declination_deg is None:
        raise CalibrationFailed(
            what="a compass shows magnetic north, and the declination is not given",
            which=f"--compass-deg {reading_deg:g}",
            remedy="give --declination-deg of the place and year, east positive (a "
            "geomagnetic model or a map's margin has it), or 0 if the compass shows true north",
        )
    if not math.isfinite(declination_deg) or abs(declination_deg) > _MAX_DECLINATION_DEG:
        raise CalibrationFailed(
            what="no such declination",
            which=f"--declination-deg {declination_deg:g}",
            remedy="give degrees from -60 (west) to 60 (east)",
        )
    return heading_keys(
        wrap_deg(reading_deg + declination_deg), max(sigma_deg, COMPASS_SIGMA_DEG), "compass"
    )
