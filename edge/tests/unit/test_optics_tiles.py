"""Tiles as a detector gets them: sizes, aspects, padding, refusals."""

import numpy as np
import pytest

from roeh.core.errors import LensError
from roeh.core.types import Size
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.projection import Cylindrical, Perspective
from roeh.optics.rig import Pose, Sensor, angles_of
from roeh.optics.tiles import overhead_tiles, whole_picture_tile
from roeh.optics.view import box_around, view_around

DOWN = Sensor("down", Equidistant(512, 512, 185), Pose(0, 90, 0, 5))
WIDE = Sensor("front", Pinhole.from_hfov(1280, 720, 80), Pose(0, 20, 0, 4))


def white(sensor: Sensor):
    return np.full((sensor.lens.height_px, sensor.lens.width_px, 3), 255, np.uint8)


def test_a_wide_picture_is_never_squashed_into_a_square():
    tile = whole_picture_tile(WIDE, Size(416, 416), fill_bgr=(114, 114, 114))
    assert tile.picture_size == Size(416, 234)
    rendered = tile.render(white(WIDE))
    assert rendered.shape == (416, 416, 3)
    assert (rendered[91:325] == 255).all()
    assert (rendered[:91] == 114).all()
    assert (rendered[325:] == 114).all()
    assert not tile.contains(np.asarray([[208.0, 80.0]])).any()
    assert tile.contains(np.asarray([[208.0, 91.0]])).all()


def test_a_picture_of_the_tile_s_own_size_passes_untouched():
    tile = whole_picture_tile(WIDE, Size(1280, 720))
    picture = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    np.testing.assert_array_equal(tile.render(picture), picture)
    corner = np.asarray([[0.0, 0.0], [1279.0, 719.0]])
    np.testing.assert_allclose(tile.to_source_px(corner), corner)


@pytest.mark.parametrize("interpolation", ["linear", "area"])
def test_either_interpolation_keeps_a_flat_picture_flat(interpolation):
    tile = whole_picture_tile(WIDE, Size(320, 180), interpolation=interpolation)
    assert (tile.render(white(WIDE)) == 255).all()


def test_tiles_are_written_into_the_array_given():
    for tile in (
        overhead_tiles(DOWN, 1, Size(64, 48))[0],
        whole_picture_tile(DOWN, Size(64, 48)),
    ):
        batch = np.full((2, 48, 64, 3), 7, np.uint8)
        given = batch[1]
        rendered = tile.render(white(DOWN), given)
        assert np.shares_memory(rendered, batch)
        assert (batch[0] == 7).all()
        np.testing.assert_array_equal(batch[1], tile.render(white(DOWN)))
        assert (batch[1][24, 32] == 255).all()


def test_eight_tiles_stand_an_eighth_of_a_turn_apart_from_the_forward_mark_on():
    tiles = overhead_tiles(DOWN, 8, Size(65, 65))
    middles = [angles_of(tile.pole_directions(np.asarray([[32.0, 32.0]]))) for tile in tiles]
    np.testing.assert_allclose([azimuth[0] for azimuth, _ in middles], np.arange(8) * 45, atol=1e-9)
    np.testing.assert_allclose([elevation[0] for _, elevation in middles], -36)
    assert len({tile.name for tile in tiles}) == 8


def test_a_tile_is_black_where_the_lens_shows_nothing():
    tile = overhead_tiles(DOWN, 1, Size(64, 64), elevation_deg=30)[0]
    rendered = tile.render(white(DOWN))
    assert not rendered[0].any()
    assert rendered[-1].all()


def test_a_cylinder_may_go_all_the_way_round():
    ring = Cylindrical(720, 90, 180, -45, 360, 90)
    azimuth, _ = angles_of(ring.pole_directions(np.asarray([[0.0, 10.0], [719.0, 10.0]])))
    np.testing.assert_allclose(azimuth, [0.25, 359.75])


def test_a_picture_of_another_size_is_refused():
    small = np.zeros((240, 320, 3), np.uint8)
    for tile in (overhead_tiles(DOWN, 1, Size(64, 64))[0], whole_picture_tile(DOWN, Size(64, 64))):
        with pytest.raises(LensError, match="320x240 from down, lens for 512x512"):
            tile.render(small)
        with pytest.raises(LensError, match="320x240"):
            tile.render_mask(np.zeros((240, 320), bool))


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: overhead_tiles(DOWN, 0), "count = 0"),
        (lambda: overhead_tiles(DOWN, fov_h_deg=170), "fov_h_deg = 170"),
        (lambda: Perspective(64, 64, 0, -100, 60), "elevation_deg = -100"),
        (lambda: Cylindrical(64, 64, 0, -80, 60, 60), "elevation_deg = -80"),
        (lambda: Cylindrical(64, 64, 0, 0, 60, 175, "tangent"), "fov_v_deg = 175"),
    ],
)
def test_an_impossible_tile_is_refused_by_name(build, named):
    with pytest.raises(LensError, match=named):
        build()


def test_nothing_visible_makes_no_box_and_no_view():
    assert box_around(np.full((3, 2), np.nan)) is None
    with pytest.raises(ValueError, match="outside the lens"):
        view_around(DOWN, np.full((3, 2), np.nan), Size(64, 64))
