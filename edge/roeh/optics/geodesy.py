"""Latitude and longitude near the pole, on the WGS84 ellipsoid.

Within a few hundred metres the ellipsoid is its tangent plane: a metre north is 1/M and
a metre east 1/(N cos latitude) radians, with the meridian's and the prime vertical's
radius of curvature M and N. Source: NIMA TR8350.2 (WGS84), table 3.1 for the constants;
the radii are in any textbook of geodesy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from roeh.core.errors import ConfigError
from roeh.optics.rig import wrap_signed_deg

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
        per_rad = self._metres_per_radian()
        longitude_deg = self.longitude_deg + math.degrees(east_m / per_rad.east)
        return Geodetic(
            latitude_deg=self.latitude_deg + math.degrees(north_m / per_rad.north),
            longitude_deg=wrap_signed_deg(longitude_deg),
        )

    def east_north_m(self, place: Geodetic) -> tuple[float, float]:
        """How many metres east and north of the pole a place is: the inverse of `offset`."""
        per_rad = self._metres_per_radian()
        east_deg = wrap_signed_deg(place.longitude_deg - self.longitude_deg)
        north_deg = place.latitude_deg - self.latitude_deg
        return math.radians(east_deg) * per_rad.east, math.radians(north_deg) * per_rad.north

    def _metres_per_radian(self) -> _MetresPerRadian:
        latitude = math.radians(self.latitude_deg)
        root = math.sqrt(1 - _ECCENTRICITY_SQUARED * math.sin(latitude) ** 2)
        return _MetresPerRadian(
            east=SEMI_MAJOR_AXIS_M / root * math.cos(latitude),
            north=SEMI_MAJOR_AXIS_M * (1 - _ECCENTRICITY_SQUARED) / root**3,
        )


class _MetresPerRadian(NamedTuple):
    """Of longitude towards the east, of latitude towards the north."""

    east: float
    north: float
