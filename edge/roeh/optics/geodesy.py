"""Latitude and longitude near the pole, on the WGS84 ellipsoid.

Within a few hundred metres the ellipsoid is its tangent plane: a metre north is 1/M and
a metre east 1/(N cos latitude) radians, with the meridian's and the prime vertical's
radius of curvature M and N. Source: NIMA TR8350.2 (WGS84), table 3.1 for the constants;
the radii are in any textbook of geodesy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from roeh.core.errors import ConfigError

SEMI_MAJOR_AXIS_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
_ECCENTRICITY_SQUARED = FLATTENING * (2 - FLATTENING)
# Nearer the poles of the earth a metre east is no longer a small angle.
_MAX_LATITUDE_DEG = 89.0


@dataclass(frozen=True, slots=True)
class Geodetic:
    """A place on the WGS84 ellipsoid."""

    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True, slots=True)
class PolePosition:
    """Where the foot of the pole stands on the earth.

    Args:
        latitude_deg: WGS84, north positive, within 89 degrees of the equator.
        longitude_deg: WGS84, east positive, -180 to 180.
        position_sigma_m: one sigma each way; 3 to 5 m from GPS alone.

    Raises:
        ConfigError: a place that is not on the earth.
    """

    latitude_deg: float
    longitude_deg: float
    position_sigma_m: float

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("latitude_deg", self.latitude_deg, -_MAX_LATITUDE_DEG, _MAX_LATITUDE_DEG),
            ("longitude_deg", self.longitude_deg, -180.0, 180.0),
            ("position_sigma_m", self.position_sigma_m, 0.0, 1e6),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigError(
                    what="impossible position of the pole",
                    which=f"{name} = {value:g}",
                    remedy=f"give a value from {low:g} to {high:g}",
                )

    def offset(self, east_m: float, north_m: float) -> Geodetic:
        """The place so many metres east and north of the pole; good to 1 mm at 60 m."""
        latitude = math.radians(self.latitude_deg)
        root = math.sqrt(1 - _ECCENTRICITY_SQUARED * math.sin(latitude) ** 2)
        prime_vertical_m = SEMI_MAJOR_AXIS_M / root
        meridian_m = SEMI_MAJOR_AXIS_M * (1 - _ECCENTRICITY_SQUARED) / root**3
        east_rad = east_m / (prime_vertical_m * math.cos(latitude))
        longitude_deg = self.longitude_deg + math.degrees(east_rad)
        return Geodetic(
            latitude_deg=self.latitude_deg + math.degrees(north_m / meridian_m),
            longitude_deg=(longitude_deg + 180.0) % 360.0 - 180.0,
        )
