"""Whoever stands where a fisheye is to see them is whole and tall enough in some tile."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.config import (
    ComposedSource,
    LensSection,
    LineCrossingRule,
    LineSection,
    NodeConfig,
    SensorSection,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.core.types import Size
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant
from roeh.optics.projection import Perspective
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.vision.layout import tiles_for
from roeh.vision.named_ground import named_ground
from roeh.vision.rings import LEAST_PX, Ring, near_ring, outer_tiles, source_people_px

INPUT = Size(416, 416)
HEIGHTS_M = st.floats(2.2, 12.0)
#: Half of how wide a person is.
HALF_M = 0.3


DOME = SensorSection(
    name="dome", source=ComposedSource(), lens=LensSection(width_px=64, height_px=64, fov_deg=185.0)
)


def dome(height_m=5.0, side_px=2048):
    lens = Equidistant(side_px, side_px, 185.0)
    return Sensor("dome", lens, Pose(0.0, 90.0, 0.0, height_m))


def outline(eye_m, range_m, azimuth_deg):
    """Feet and head of a person as wide as people are, from the lens (6, 3)."""
    azimuth = math.radians(azimuth_deg)
    s, c = math.sin(azimuth), math.cos(azimuth)
    return np.asarray(
        [
            (range_m * s + aside * c, range_m * c - aside * s, up - eye_m)
            for aside in (-HALF_M, 0.0, HALF_M)
            for up in (0.0, 1.7)
        ]
    )


def is_whole(points, size):
    return bool(np.all((points > 0) & (points < [size.width_px - 1, size.height_px - 1])))


def tall_px(points):
    """From the middle of the feet to the top of the head."""
    return math.dist(points[2], points[3])


@settings(max_examples=40, deadline=None)
@given(
    eye_m=HEIGHTS_M,
    side_px=st.sampled_from([320, 416, 640]),
    share=st.floats(0.0, 1.0),
    azimuth_deg=st.floats(0.0, 360.0),
)
def test_from_half_the_height_away_to_where_the_near_ring_reaches_everybody_is_whole_in_a_tile(
    eye_m, side_px, share, azimuth_deg
):
    size = Size(side_px, side_px)
    ring = near_ring(size, eye_m)
    nearest_m, reach_m = 0.5 * eye_m, ring.reach_m(size, eye_m)
    range_m = nearest_m + share * max(0.0, reach_m - nearest_m)
    body = outline(eye_m, range_m, azimuth_deg)
    seen = [
        Perspective(
            side_px, side_px, 360.0 * index / ring.count, ring.elevation_deg, ring.fov_deg
        ).pixels_of(body)
        for index in range(ring.count)
    ]
    whole = [points for points in seen if is_whole(points, size)]
    assert whole
    # Nearer one looks down on people; from very high a tile stretches them a hair less halfway.
    if range_m >= eye_m:
        assert max(map(tall_px, whole)) >= LEAST_PX - 1


def test_the_default_pole_is_looked_at_as_was_measured_best():
    assert near_ring(INPUT, 5.0) == Ring(count=8, fov_deg=80.0, elevation_deg=-46.0)


@settings(max_examples=25, deadline=None)
@given(eye_m=HEIGHTS_M, higher=st.floats(1.05, 2.0))
def test_the_higher_a_lens_hangs_the_finer_its_tiles_and_none_costs_a_look_more_below_10_m(
    eye_m, higher
):
    low, high = near_ring(INPUT, eye_m), near_ring(INPUT, higher * eye_m)
    assert high.fov_deg <= low.fov_deg
    assert low.count <= 8 or eye_m > 10.0


@settings(max_examples=10, deadline=None)
@given(eye_m=st.floats(6.5, 12.0))
def test_more_pixels_of_the_model_reach_farther(eye_m):
    sizes = [Size(side_px, side_px) for side_px in (320, 416, 640)]
    reaches = [near_ring(size, eye_m).reach_m(size, eye_m) for size in sizes]
    assert reaches == sorted(set(reaches))


def named_by(zone):
    config = NodeConfig(sensors=(DOME,), zones=(zone,), rules=(ZoneEntryRule(name="in", zone="z"),))
    return named_ground(config)


def sector(from_deg, to_deg, range_m):
    return ZoneSection(
        name="z", bearing_from_deg=from_deg, bearing_to_deg=to_deg, range_to_m=range_m
    )


def outer(sensor, zone):
    rig = Rig((sensor,), heading_deg=0.0, heading_sigma_deg=0.0)
    named = GroundPlane(rig, sensor).sights_of(named_by(zone))
    return outer_tiles(sensor, INPUT, near_ring(INPUT, sensor.pose.height_m), named)


@pytest.mark.parametrize("range_m", [25.0, 30.0])
def test_ground_that_is_named_far_out_gets_finer_tiles_there_and_nowhere_else(range_m):
    sensor = dome()
    tiles = outer(sensor, sector(60.0, 120.0, range_m))
    assert 2 <= len(tiles) <= 5
    for azimuth_deg in (62.0, 75.0, 90.0, 118.0):
        for far_m in (23.0, range_m):
            body = outline(5.0, far_m, azimuth_deg)
            unit = body / np.linalg.norm(body, axis=1, keepdims=True)
            seen = [tile.pixels_of(unit, beyond=True) for tile in tiles]
            whole = [points for points in seen if is_whole(points, INPUT)]
            assert whole
            assert max(map(tall_px, whole)) >= 0.99 * LEAST_PX
    west = np.asarray([[-1.0, 0.0, -0.2]]) / math.hypot(1.0, 0.2)
    assert not any(np.isfinite(tile.pixels_of(west)).all() for tile in tiles)


def test_a_camera_of_few_pixels_gets_no_finer_tiles_than_its_pixels_justify():
    zone = sector(60.0, 120.0, 30.0)
    assert outer(dome(side_px=704), zone) == ()
    assert outer(dome(side_px=1080), zone) == ()
    fine, finer = outer(dome(side_px=1600), zone), outer(dome(side_px=2048), zone)
    assert fine[0].projection.fov_h_deg > finer[0].projection.fov_h_deg
    for side_px, tiles in ((1600, fine), (2048, finer)):
        ranges_m = np.arange(22.0, 30.5, 0.25)
        source_px = source_people_px(dome(side_px=side_px), ranges_m, np.full(len(ranges_m), 90.0))
        farthest_m = ranges_m[source_px >= LEAST_PX][-1]
        feet, heads = (
            np.asarray([[farthest_m, 0.0, up - 5.0]]) / math.hypot(farthest_m, up - 5.0)
            for up in (0.0, 1.7)
        )
        in_tile = max(
            float(np.linalg.norm(t.pixels_of(heads) - t.pixels_of(feet)))
            for t in tiles
            if np.isfinite(t.pixels_of(np.concatenate([heads, feet]))).all()
        )
        assert in_tile <= 1.15 * source_px[source_px >= LEAST_PX][-1]


def test_ground_within_reach_costs_no_tile_more_and_unnamed_ground_none():
    sensor = dome()
    assert outer(sensor, sector(0.0, 0.0, 22.0)) == ()
    assert len(tiles_for(sensor, INPUT)) == 8
    farther = ZoneSection(name="unused", polygon_m=((0.0, 20.0), (9.0, 40.0), (-9.0, 40.0)))
    assert len(named_by(farther)) == 0


def test_a_line_and_ground_beyond_the_farthest_metre_are_named_within_it():
    line = LineSection(name="gate", from_m=(-100.0, 0.0), to_m=(100.0, 0.0))
    config = NodeConfig(
        sensors=(DOME,), lines=(line,), rules=(LineCrossingRule(name="over", line="gate"),)
    )
    ranges_m = np.hypot(*named_ground(config).T)
    assert math.isclose(ranges_m.max(), config.detect.max_range_m)
    assert ranges_m.min() < 0.5
