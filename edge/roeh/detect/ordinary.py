"""A sensible node for an ordinary video of which nothing is known.

The camera is taken to hang at 5 m, to see 60 degrees across, and to have the horizon
just above its picture. Bearings and ranges are then rough; rules by zone, dwell and
count still mean something. Whoever knows the camera gives a configuration.
"""

from __future__ import annotations

import math

from roeh.core.config import (
    CrowdRule,
    DetectSection,
    FileSource,
    LensSection,
    LoiteringRule,
    NodeConfig,
    NodeSection,
    SensorSection,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.core.types import Size

HFOV_DEG = 60.0
HEIGHT_M = 5.0
#: The upper edge of the picture lies this far below the horizon.
_BELOW_HORIZON_DEG = 2.0
_MAX_RANGE_M = 120.0


def ordinary_video(path: str, size: Size, *, loop: bool) -> NodeConfig:
    """The configuration of a pole that sees this video.

    Args:
        path: of the video.
        size: of its pictures.
        loop: start it again at its end.
    """
    focal_px = size.width_px / 2 / math.tan(math.radians(HFOV_DEG / 2))
    half_vfov_deg = math.degrees(math.atan(size.height_px / 2 / focal_px))
    zone = ZoneSection(
        name="in-view",
        bearing_from_deg=(-HFOV_DEG) % 360.0,
        bearing_to_deg=HFOV_DEG,
        range_to_m=_MAX_RANGE_M,
    )
    return NodeConfig(
        node=NodeSection(site="local", name="video", heading_sigma_deg=10.0),
        sensors=(
            SensorSection(
                name="video",
                source=FileSource(path=path, loop=loop),
                lens=LensSection(
                    model="pinhole",
                    width_px=size.width_px,
                    height_px=size.height_px,
                    fov_deg=HFOV_DEG,
                ),
                height_m=HEIGHT_M,
                tilt_deg=half_vfov_deg + _BELOW_HORIZON_DEG,
                tilt_sigma_deg=2.0,
            ),
        ),
        # Nothing is known of the ground, so nothing can be refused for its height.
        detect=DetectSection(max_range_m=_MAX_RANGE_M, check_height=False),
        zones=(zone,),
        rules=(
            ZoneEntryRule(name="somebody", zone=zone.name, priority=3, cool_down_s=10.0),
            LoiteringRule(name="loitering", dwell_s=15.0, radius_m=3.0, priority=5),
            CrowdRule(name="crowd", count=5, radius_m=6.0, duration_s=3.0, priority=6),
        ),
    )
