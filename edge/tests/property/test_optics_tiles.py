"""A point of a tile is a pixel of the sensor, whatever the tile's shape."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from roeh.core.types import Box, Size
from roeh.optics.lens import Equidistant, KannalaBrandt, Pinhole
from roeh.optics.projection import Cylindrical, Perspective
from roeh.optics.rig import Pose, Rig, Sensor, angles_of, directions_of
from roeh.optics.tiles import (
    Letterbox,
    VirtualCamera,
    overhead_tiles,
    source_px_per_tile_px,
    whole_picture_tile,
)
from roeh.optics.upright import ends_of
from roeh.optics.view import box_around, outline_of, view_around, view_towards

quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(16, 128)

DOWN = Sensor("down", Equidistant(1024, 1024, 185), Pose(0, 90, 0, 5))
ASKEW = Sensor(
    "askew",
    KannalaBrandt.from_fov(1280, 960, 200, k=(-0.02, 0.002, 0.0, 0.0)),
    Pose(70, 75, 20, 6),
)
FRONT = Sensor("front", Pinhole.from_hfov(768, 576, 80), Pose(200, 25, 3, 4))
sensors = st.sampled_from([DOWN, ASKEW, FRONT])


@st.composite
def virtual_cameras(draw: st.DrawFn) -> VirtualCamera:
    width_px, height_px = draw(sides), draw(sides)
    azimuth_deg = draw(st.floats(0, 360))
    if draw(st.booleans()):
        projection = Perspective(
            width_px,
            height_px,
            azimuth_deg,
            draw(st.floats(-90, 30)),
            draw(st.floats(10, 110)),
            draw(st.none() | st.floats(10, 110)),
        )
    else:
        tall_deg = draw(st.floats(10, 80))
        projection = Cylindrical(
            width_px,
            height_px,
            azimuth_deg,
            draw(st.floats(-84 + tall_deg / 2, 40)),
            draw(st.floats(10, 300)),
            tall_deg,
            draw(st.sampled_from(["angle", "tangent"])),
        )
    return VirtualCamera.of("tile", draw(sensors), projection)


@st.composite
def letterboxes(draw: st.DrawFn) -> Letterbox:
    return whole_picture_tile(draw(sensors), Size(draw(sides) * 4, draw(sides) * 4))


tiles = virtual_cameras() | letterboxes()


def points_in(tile, seed: int, count: int = 100):
    size = np.asarray([tile.width_px, tile.height_px])
    points = np.random.default_rng(seed).uniform(-0.5, size - 0.5, (count, 2))
    return points[tile.sensor.lens.inside(np.nan_to_num(tile.to_source_px(points), nan=-9e9))]


@quick
@given(tiles, seeds)
def test_tile_to_source_and_back(tile, seed: int):
    points = points_in(tile, seed)
    again = tile.from_source_px(tile.to_source_px(points))
    assert np.abs(again - points).max(initial=0.0) < 0.05


@quick
@given(tiles, seeds)
def test_a_point_has_one_direction_by_either_way(tile, seed: int):
    points = points_in(tile, seed)
    directions = tile.pole_directions(points)
    np.testing.assert_allclose(
        directions, tile.sensor.pole_directions(tile.to_source_px(points)), atol=1e-7
    )
    again = tile.pixels_of(directions, beyond=True)
    assert np.abs(again - points).max(initial=0.0) < 0.05
    shown = ~np.isnan(tile.pixels_of(directions)).any(axis=1)
    assert tile.contains(again[shown]).all()


def gradient(sensor: Sensor):
    """A picture whose colour tells its pixel's place: x in blue, y in green."""
    lens = sensor.lens
    x, y = np.meshgrid(np.arange(lens.width_px), np.arange(lens.height_px))
    red = np.full(x.shape, 200.0)
    colours = np.stack([x * 250 / lens.width_px, y * 250 / lens.height_px, red], axis=2)
    return np.round(colours).astype(np.uint8)


@quick
@given(tiles)
def test_each_pixel_shows_the_source_pixel_it_claims(tile):
    picture = gradient(tile.sensor)
    rendered = tile.render(picture)
    assert rendered.shape == (tile.height_px, tile.width_px, 3)
    y, x = np.nonzero(rendered[:, :, 2] == 200)
    assume(len(x))
    source_px = tile.to_source_px(np.column_stack([x, y]).astype(np.float64))
    lens = tile.sensor.lens
    claimed = source_px * 250 / [lens.width_px, lens.height_px]
    # One rounding of the gradient, one of the result, 1/32 pixel of the map.
    assert np.abs(rendered[y, x, :2] - claimed).max() <= 1.3


@quick
@given(tiles, seeds)
def test_no_masked_pixel_shows_through_the_mask(tile, seed: int):
    lens = tile.sensor.lens
    mask = np.random.default_rng(seed).random((lens.height_px // 8, lens.width_px // 8)) < 0.3
    mask = np.kron(mask, np.ones((8, 8), bool))
    secret = np.zeros((*mask.shape, 3), np.uint8)
    secret[mask] = 255
    rendered, masked = tile.render(secret), tile.render_mask(mask)
    assert masked.shape == rendered.shape[:2]
    assert not rendered[~masked].any()
    assert not tile.render_mask(np.zeros_like(mask)).any()


@quick
@given(virtual_cameras(), seeds)
def test_up_in_the_world_is_up_in_the_tile(tile: VirtualCamera, seed: int):
    middle = np.asarray([[(tile.width_px - 1) / 2, (tile.height_px - 1) / 2]])
    azimuth, elevation = angles_of(tile.pole_directions(middle))
    assume(elevation[0] > -85)
    above = tile.pixels_of(directions_of(azimuth, elevation + 1), beyond=True)
    assert above[0, 0] == pytest.approx(middle[0, 0], abs=1e-6)
    assert above[0, 1] < middle[0, 1]
    right = tile.pixels_of(directions_of(azimuth + 1, elevation), beyond=True)
    assert right[0, 0] > middle[0, 0]


def person(bearing_deg: float, range_m: float, height_m: float, wide_m: float, tall_m: float):
    """Directions to the rim of an upright rectangle that faces the pole."""
    bearing = np.radians(bearing_deg)
    outward = np.asarray([np.sin(bearing), np.cos(bearing)])
    aside = np.asarray([outward[1], -outward[0]])
    return np.asarray(
        [
            [*(range_m * outward + side * wide_m / 2 * aside), up_m - height_m]
            for side in (-1, 1)
            for up_m in np.linspace(0, tall_m, 5)
        ]
    )


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 360) | st.sampled_from([0.0, 22.5, 180.0, 359.999]),
    st.floats(3, 25),
    st.floats(4, 6),
    st.sampled_from(["perspective", "cylindrical"]),
)
def test_a_person_from_three_metres_on_is_whole_in_one_of_eight_tiles(
    bearing_deg: float, range_m: float, height_m: float, kind: str
):
    rims = person(bearing_deg, range_m, height_m, 0.8, 1.75)
    assert any(tile.contains(tile.pixels_of(rims, beyond=True)).all() for tile in RINGS[kind])


RINGS = {
    kind: overhead_tiles(DOWN, 8, Size(64, 64), kind=kind)
    for kind in ("perspective", "cylindrical")
}


@quick
@given(st.floats(0, 360), st.floats(3, 20), st.sampled_from(["perspective", "cylindrical"]))
def test_neighbouring_tiles_agree_on_a_foot_over_the_seam(
    bearing_deg: float, range_m: float, kind: str
):
    foot = directions_of(np.asarray([bearing_deg]), np.degrees(np.arctan2([-5.0], [range_m])))
    shown = [tile.pixels_of(foot) for tile in RINGS[kind]]
    source_px = [
        tile.to_source_px(points)
        for tile, points in zip(RINGS[kind], shown, strict=True)
        if not np.isnan(points).any()
    ]
    assert source_px
    for pixel in source_px:
        np.testing.assert_allclose(pixel, DOWN.pixels_of(foot), atol=1e-6)


@quick
@given(tiles, seeds)
def test_the_scale_tells_how_far_a_small_step_goes(tile, seed: int):
    points = points_in(tile, seed)
    scale = source_px_per_tile_px(tile, points)
    stepped = tile.to_source_px(points + np.asarray([0.01, 0.0]))
    moved = np.linalg.norm(stepped - tile.to_source_px(points), axis=1) / 0.01
    assert (moved <= scale * 1.1 + 1e-6).all()


@quick
@given(
    sensors,
    st.floats(0, 360),
    st.floats(2, 20),
    st.tuples(st.integers(96, 240), st.integers(96, 240)),
)
def test_a_view_holds_the_person_upright_in_its_middle(sensor, azimuth_deg, range_m, size):
    rims = sensor.pixels_of(
        person(azimuth_deg, range_m, sensor.pose.height_m, 0.6, 1.75), beyond=True
    )
    assume(sensor.lens.inside(np.nan_to_num(rims, nan=-9e9)).all())
    view = view_around(sensor, rims, Size(*size))
    shown = view.from_source_px(rims)
    box = box_around(shown)
    assert view.contains(shown).all()
    x, y = box.center_px
    assert abs(x - (size[0] - 1) / 2) < 0.05 * size[0]
    assert abs(y - (size[1] - 1) / 2) < 0.05 * size[1]
    # With the margin the person fills more than half of one side of the view.
    filled = max((box.x1_px - box.x0_px) / size[0], (box.y1_px - box.y0_px) / size[1])
    assert 0.5 < filled < 0.65
    foot, head = shown[[0, 5]].mean(axis=0), shown[[4, 9]].mean(axis=0)
    assert head[1] < foot[1]


@quick
@given(sensors, st.floats(0, 360), st.floats(-80, -5), st.floats(5, 60))
def test_a_quick_view_shows_what_a_full_one_shows(sensor, bearing_deg, elevation_deg, fov_h_deg):
    rig = Rig((sensor,), heading_deg=77, heading_sigma_deg=1)
    view = view_towards(
        rig,
        sensor,
        bearing_deg=bearing_deg,
        elevation_deg=elevation_deg,
        fov_h_deg=fov_h_deg,
        size=Size(120, 90),
    )
    middle = view.pole_directions(np.asarray([[59.5, 44.5]]))
    bearing = angles_of(middle @ rig.to_world().T)[0][0]
    assert (bearing - bearing_deg + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    full = VirtualCamera.of("full", sensor, view.projection)
    np.testing.assert_allclose(sources(view), sources(full), atol=0.15)


def sources(view: VirtualCamera):
    fraction = np.stack([view.map.fraction % 32, view.map.fraction // 32], axis=2)
    return view.map.whole_px + fraction / 32


@quick
@given(st.floats(0, 360), st.floats(3, 20), st.sampled_from(["perspective", "cylindrical"]))
def test_a_box_in_a_tile_stands_where_the_person_stands(bearing_deg, range_m, kind):
    rims = person(bearing_deg, range_m, 5.0, 0.05, 1.75)
    for tile in RINGS[kind]:
        shown = tile.pixels_of(rims, beyond=True)
        if not tile.contains(shown).all():
            continue
        around = box_around(shown)
        widest = max(around.x1_px - around.x0_px, 0.4 * (around.y1_px - around.y0_px))
        middle = around.center_px[0]
        box = Box(
            x0_px=middle - widest / 2,
            y0_px=around.y0_px,
            x1_px=middle + widest / 2,
            y1_px=around.y1_px,
        )
        corners = np.asarray([[box.x0_px, box.y0_px, box.x1_px, box.y1_px]])
        foot = ends_of(tile, corners).foot_px
        assert np.linalg.norm(foot - shown[[0, 5]].mean(axis=0)) < 0.5
        # The outline in the sensor's picture holds the person too.
        outline = box_around(outline_of(tile, box))
        source_px = tile.to_source_px(shown)
        assert (source_px > np.asarray([outline.x0_px, outline.y0_px]) - 0.5).all()
        assert (source_px < np.asarray([outline.x1_px, outline.y1_px]) + 0.5).all()
