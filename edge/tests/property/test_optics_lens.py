"""A pixel and a direction are two names of one thing, in every lens the pole knows."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.errors import LensError
from roeh.optics.lens import Equidistant, KannalaBrandt, Lens, Pinhole

POINTS = 256
quick = settings(max_examples=40, deadline=None)

sizes = st.tuples(st.integers(200, 4000), st.integers(200, 4000))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def centers(draw: st.DrawFn, width_px: int, height_px: int) -> tuple[float, float]:
    return (
        draw(st.floats(0.4, 0.6)) * (width_px - 1),
        draw(st.floats(0.4, 0.6)) * (height_px - 1),
    )


@st.composite
def equidistant(draw: st.DrawFn) -> Equidistant:
    width_px, height_px = draw(sizes)
    center_px = draw(st.none() | centers(width_px, height_px))
    return Equidistant(width_px, height_px, draw(st.floats(60, 220)), center_px)


@st.composite
def kannala_brandt(draw: st.DrawFn) -> KannalaBrandt:
    width_px, height_px = draw(sizes)
    # Small enough not to fold back before 110 degrees off axis.
    k = (
        draw(st.floats(-0.03, 0.1)),
        draw(st.floats(0.0, 0.01)),
        draw(st.floats(-0.0005, 0.001)),
        draw(st.floats(0.0, 0.0001)),
    )
    center_px = draw(st.none() | centers(width_px, height_px))
    return KannalaBrandt.from_fov(
        width_px, height_px, draw(st.floats(60, 220)), k=k, center_px=center_px
    )


@st.composite
def pinhole(draw: st.DrawFn) -> Pinhole:
    width_px, height_px = draw(sizes)
    center_px = draw(st.none() | centers(width_px, height_px))
    return Pinhole.from_hfov(width_px, height_px, draw(st.floats(5, 140)), center_px)


lenses = equidistant() | kannala_brandt() | pinhole()


def pixels_inside(lens: Lens, seed: int):
    rng = np.random.default_rng(seed)
    size = np.asarray([lens.width_px, lens.height_px])
    pixels = rng.uniform(-0.5, size - 0.5, (POINTS, 2))
    return pixels[lens.inside(pixels)]


@quick
@given(lenses, seeds)
def test_every_pixel_in_the_image_circle_survives_the_round_trip(lens: Lens, seed: int):
    pixels = pixels_inside(lens, seed)
    again = lens.project(lens.unproject(pixels))
    assert np.abs(again - pixels).max(initial=0.0) < 0.05


@quick
@given(lenses, seeds)
def test_directions_have_length_one_and_survive_the_round_trip(lens: Lens, seed: int):
    directions = lens.unproject(pixels_inside(lens, seed))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0, atol=1e-12)
    again = lens.unproject(lens.project(directions))
    np.testing.assert_allclose(again, directions, atol=1e-7)


@quick
@given(lenses, seeds, st.floats(0.01, 1000))
def test_what_is_projected_lies_inside_whatever_its_distance(
    lens: Lens, seed: int, distance_m: float
):
    directions = np.random.default_rng(seed).standard_normal((POINTS, 3)) * distance_m
    pixels = lens.project(directions)
    visible = ~np.isnan(pixels).any(axis=1)
    assert lens.inside(pixels[visible]).all()
    # What the lens does not show is beyond its rim when one asks for that.
    outside = lens.project(directions[~visible], beyond=True)
    outside = outside[~np.isnan(outside).any(axis=1)]
    assert not lens.inside(outside).any()


@quick
@given(equidistant() | kannala_brandt(), seeds, st.floats(0.01, 20))
def test_nothing_is_seen_beyond_the_field_of_view(lens: Lens, seed: int, excess_deg: float):
    azimuth = np.random.default_rng(seed).uniform(0, 2 * math.pi, POINTS)
    theta = min(lens.max_angle_rad + math.radians(excess_deg), math.pi)
    directions = np.column_stack(
        [
            np.sin(theta) * np.cos(azimuth),
            np.sin(theta) * np.sin(azimuth),
            np.full(POINTS, np.cos(theta)),
        ]
    )
    assert np.isnan(lens.project(directions)).all()


@quick
@given(kannala_brandt(), seeds)
def test_kannala_brandt_is_opencv_fisheye_below_ninety_degrees(lens: KannalaBrandt, seed: int):
    rng = np.random.default_rng(seed)
    azimuth = rng.uniform(0, 2 * math.pi, POINTS)
    theta = rng.uniform(0, min(lens.max_angle_rad, math.radians(89)), POINTS)
    directions = np.column_stack(
        [np.tan(theta) * np.cos(azimuth), np.tan(theta) * np.sin(azimuth), np.ones(POINTS)]
    )
    (fx, fy), (cx, cy) = lens.focal_px, lens.center_px
    camera = np.asarray([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    none = np.zeros((3, 1))
    expected, _ = cv2.fisheye.projectPoints(
        directions[None], none, none, camera, np.asarray(lens.k)
    )
    ours = lens.project(directions)
    seen = ~np.isnan(ours).any(axis=1)
    np.testing.assert_allclose(ours[seen], expected[0][seen], atol=1e-6)
    assert seen.any()


@quick
@given(lenses, seeds, st.sampled_from([2, 3]))
def test_a_smaller_stream_shows_the_same_directions(lens: Lens, seed: int, times: int):
    large = lens.scaled_to(lens.width_px * times, lens.height_px * times)
    pixels = pixels_inside(lens, seed)
    np.testing.assert_allclose(
        large.unproject((pixels + 0.5) * times - 0.5), lens.unproject(pixels), atol=1e-9
    )
    same = large.scaled_to(lens.width_px, lens.height_px)
    np.testing.assert_allclose(same.unproject(pixels), lens.unproject(pixels), atol=1e-9)


@quick
@given(
    st.floats(220.01, 1e6) | st.floats(-1e6, 0.99) | st.just(math.nan) | st.just(math.inf),
    st.sampled_from([Equidistant, KannalaBrandt.from_fov, Pinhole.from_hfov]),
)
def test_a_field_of_view_that_no_lens_has_is_refused(fov_deg: float, model):
    with pytest.raises(LensError, match="fov_deg"):
        model(640, 480, fov_deg)
