"""Every place that matters is in the middle of some tile, and maps there and back."""

import math

import numpy as np
import pytest

from roeh.core.config import LensSection
from roeh.core.types import Size
from roeh.optics.configured import lens_from
from roeh.optics.lens import Equidistant, KannalaBrandt, Pinhole, is_fisheye
from roeh.optics.rig import Pose, Sensor
from roeh.vision.layout import default_model, sameness_for, still_tiles_for, tiles_for

SQUARE, WIDE = Size(416, 416), Size(640, 384)


def dome(height_m):
    return Sensor("dome", Equidistant(1024, 1024, 185.0), Pose(0.0, 90.0, 0.0, height_m))


def street(width_px, height_px):
    return Sensor("street", Pinhole.from_hfov(width_px, height_px, 60.0), Pose(0.0, 0.0, 0.0, 5.0))


def clear_of_edges(tile, points):
    size = np.asarray([tile.width_px, tile.height_px])
    return np.all((points > 0) & (points < size), axis=1)


@pytest.mark.parametrize("layout", [tiles_for, still_tiles_for])
@pytest.mark.parametrize("height_m", [2.6, 5.0, 7.0])
def test_whoever_stands_between_1_and_3_heights_away_is_whole_in_a_tile_in_every_direction(
    layout, height_m
):
    sensor = dome(height_m)
    tiles = layout(sensor, SQUARE)
    for range_m in (1.0 * height_m, 2.0 * height_m, 3.0 * height_m):
        for bearing in np.radians(np.arange(0.0, 360.0, 15.0)):
            x, y = range_m * math.sin(bearing), range_m * math.cos(bearing)
            ends = np.asarray([[x, y, -height_m], [x, y, 1.7 - height_m]])
            pixels = sensor.pixels_of(ends / np.linalg.norm(ends, axis=1, keepdims=True))
            assert any(clear_of_edges(t, t.from_source_px(pixels)).all() for t in tiles)


def test_a_fisheye_is_looked_at_in_eight_directions():
    assert len(tiles_for(dome(5.0), SQUARE)) == 8
    assert len(still_tiles_for(dome(5.0), SQUARE)) % 8 == 0


def test_an_ordinary_camera_that_was_calibrated_is_looked_at_as_before():
    measured = KannalaBrandt(1280, 720, (1100.0, 1100.0), (640.0, 360.0), (0.01, 0, 0, 0), 70.0)
    sensor = Sensor("street", measured, Pose(0.0, 30.0, 0.0, 5.0))
    before = street(1280, 720)

    assert len(tiles_for(sensor, WIDE)) == len(tiles_for(before, WIDE)) == 1
    assert len(still_tiles_for(sensor, WIDE)) == len(still_tiles_for(before, WIDE))
    assert default_model(sensor) == default_model(before) != default_model(dome(5.0))
    assert sameness_for(sensor) == sameness_for(before) != sameness_for(dome(5.0))


@pytest.mark.parametrize(("fov_deg", "is_wide"), [(100.0, False), (130.0, False), (160.0, True)])
def test_what_a_fisheye_is_reads_the_same_in_the_configuration_and_in_the_lens(fov_deg, is_wide):
    section = LensSection(model="kannala_brandt", width_px=800, height_px=600, fov_deg=fov_deg)

    assert section.is_fisheye is is_fisheye(lens_from(section)) is is_wide


def test_a_small_picture_is_one_tile_and_a_large_one_is_looked_at_in_parts_as_well():
    assert len(still_tiles_for(street(320, 240), WIDE)) == 1
    assert len(still_tiles_for(street(1920, 1080), WIDE)) == 5
    assert len(tiles_for(street(1920, 1080), WIDE)) == 1


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (901, 703), (4000, 40)])
def test_the_parts_cover_the_picture_and_lead_back_to_its_pixels(width, height):
    sensor = street(width, height)
    tiles = still_tiles_for(sensor, WIDE)
    grid = np.stack(np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9)), -1)
    pixels = grid.reshape(-1, 2)
    covered = np.zeros(len(pixels), bool)
    for tile in tiles[1:]:
        points = tile.from_source_px(pixels)
        np.testing.assert_allclose(tile.to_source_px(points), pixels, atol=1e-6)
        covered |= tile.contains(points)
    assert covered.all()


def test_a_part_shows_the_picture_where_it_says():
    sensor = street(1280, 720)
    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[500:540, 900:940] = 255
    for tile in still_tiles_for(sensor, WIDE)[1:]:
        point = tile.from_source_px(np.asarray([[919.5, 519.5]]))
        if tile.contains(point)[0]:
            x, y = point.round().astype(int)[0]
            assert tile.render(picture)[y, x].min() == 255
