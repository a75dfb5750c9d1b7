"""Views for people: which picture of the surroundings is wanted. Never asked for by detection."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

#: "picture" is the sensor's own, as the camera gives it.
Layout = Literal["picture", "panorama", "double_panorama", "quad", "ptz"]
LAYOUTS: tuple[Layout, ...] = ("picture", "panorama", "double_panorama", "quad", "ptz")
#: Height of a view as a share of its width: a panorama shows 90 degrees up and down, the double
#: one 72, from what the cameras see above the horizon (10 degrees at the most).
HEIGHT_SHARES: dict[Layout, float] = {
    "panorama": 0.25,
    "double_panorama": 0.8,
    "quad": 0.75,
    "ptz": 0.5625,
}


class ViewChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A view of what is round the pole.

    Attributes:
        layout: "picture" the sensor's own; "panorama" 360 degrees across; "double_panorama"
            two strips of 180; "quad" four virtual cameras a quarter turn apart; "ptz" one
            virtual camera.
        bearing_deg: of the middle (of the upper strip, of the first of four), from north.
        elevation_deg: of the middle of a virtual camera; 0 horizon, -90 straight down.
        fov_deg: across a virtual camera.
    """

    layout: Layout = "panorama"
    bearing_deg: Annotated[float, Meta(ge=0, le=360)] = 0.0
    elevation_deg: Annotated[float, Meta(ge=-90, le=30)] = -25.0
    fov_deg: Annotated[float, Meta(ge=5, le=120)] = 60.0
