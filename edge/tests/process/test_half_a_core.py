"""Held to a quota, a node records all, raises what matters, and says what it gave up.

`roeh.bench.half_core` does the same at half a core with real people at 720p; a quarter presses
a small drawn street on any machine.
"""

import msgspec

from roeh.bench.half_core import measure_under_quota
from roeh.core.clock import SystemClock
from roeh.core.config import (
    ComposedSource,
    DetectSection,
    LensSection,
    NodeConfig,
    SensorSection,
    ZoneEntryRule,
    ZoneSection,
)

STREET = NodeConfig(
    sensors=(
        SensorSection(
            name="camera",
            source=ComposedSource(seed=2, people=10, fps=10.0),
            lens=LensSection(model="pinhole", width_px=640, height_px=384, fov_deg=60.0),
            height_m=5.0,
            tilt_deg=25.0,
        ),
    ),
    detect=msgspec.structs.replace(DetectSection(), fps=10.0, min_confidence=0.35),
    zones=(
        ZoneSection(name="street", bearing_from_deg=270.0, bearing_to_deg=90.0, range_to_m=12.0),
    ),
    rules=(ZoneEntryRule(name="anybody", zone="street", priority=8, cool_down_s=0.0),),
)


def test_under_a_quota_nothing_recorded_is_lost_and_high_alerts_come(short_directory):
    did = measure_under_quota(STREET, short_directory, SystemClock(), duration_s=12.0, cores=0.25)

    assert did.said.startswith("degraded: given up to hold the budget: ")
    assert did.intact
    assert (did.gaps, did.dropped) == (0, 0)
    assert did.high_alerts >= 1
    assert did.frames_per_s > 0
