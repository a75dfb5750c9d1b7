"""What a wrong lens is told: the field, its value, and what to write instead."""

import math

import numpy as np
import pytest

from roeh.core.errors import LensError
from roeh.optics.lens import Equidistant, KannalaBrandt, Pinhole, lens_of


def test_the_rim_of_a_220_degree_lens_touches_the_picture_behind_the_camera():
    lens = Equidistant(2048, 2048, 220)
    rim = np.asarray([[2047.0, 1023.5]])
    assert lens.inside(rim).all()
    direction = lens.unproject(rim)[0]
    assert math.degrees(math.acos(direction[2])) == pytest.approx(110)


def test_the_image_circle_follows_the_shorter_side():
    lens = Equidistant(1920, 1080, 180)
    assert lens.circle_radius_px == 539.5
    assert not lens.inside(np.asarray([[100.0, 540.0]])).any()
    assert lens.inside(np.asarray([[959.5, 0.0]])).all()


def test_a_pinhole_shows_its_field_of_view_from_edge_to_edge():
    lens = Pinhole.from_hfov(768, 576, 60)
    left, right = lens.unproject(np.asarray([[-0.5, 287.5], [767.5, 287.5]]))
    assert math.degrees(math.acos(left @ right)) == pytest.approx(60)


def test_nothing_behind_a_pinhole_is_seen():
    lens = Pinhole.from_hfov(768, 576, 60)
    assert np.isnan(lens.project(np.asarray([[0, 0, -1.0], [0.1, 0, -1.0], [1.0, 0, 0]]))).all()


def test_a_box_over_the_rim_still_has_directions():
    lens = Equidistant(1000, 1000, 180)
    beyond = np.asarray([[1010.0, 499.5]])
    assert not lens.inside(beyond).any()
    direction = lens.unproject(beyond)
    np.testing.assert_allclose(lens.project(direction, beyond=True), beyond)
    assert np.isnan(lens.project(direction)).all()


def test_no_pixels_are_no_directions():
    for lens in (Equidistant(64, 64, 180), Pinhole.from_hfov(64, 64, 90)):
        assert lens.unproject(np.empty((0, 2))).shape == (0, 3)
        assert lens.project(np.empty((0, 3))).shape == (0, 2)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: Equidistant(640, 480, 400), "fov_deg = 400"),
        (lambda: Equidistant(-640, 480, 180), "width_px = -640"),
        (lambda: Equidistant(640, 0, 180), "height_px = 0"),
        (lambda: Equidistant(640, 480, 180, (900.0, 240.0)), r"center_px = \[900, 240\]"),
        (lambda: Equidistant(640, 480, 180, radius_px=-3.0), "radius_px = -3"),
        (lambda: Equidistant(640, 480, 180, (math.nan, 240.0)), "center_px"),
        (lambda: Pinhole.from_hfov(640, 480, 200), "fov_deg = 200"),
        (lambda: Pinhole(640, 480, (500.0, -1.0)), "focal_px = -1"),
        (
            lambda: KannalaBrandt(640, 480, (200.0, 200.0), (320.0, 240.0), (-0.5, 0, 0, 0), 180),
            "off axis",
        ),
        (lambda: KannalaBrandt.from_fov(640, 480, 180, k=(-0.9, 0.0, 0.0, 0.0)), "k = "),
        (lambda: lens_of("fisheye", width_px=640, height_px=480, fov_deg=180), "fisheye"),
        (lambda: Equidistant(640, 480, 180).scaled_to(640, 360), "640x360"),
    ],
)
def test_an_impossible_lens_is_refused_by_name(build, named: str):
    with pytest.raises(LensError, match=named) as refused:
        build()
    assert refused.value.remedy


def test_a_configuration_gives_the_lens_it_names():
    size = {"width_px": 640, "height_px": 480}
    k = (0.01, 0.0, 0.0, 0.0)
    assert lens_of("equidistant", fov_deg=180, **size) == Equidistant(640, 480, 180)
    assert lens_of("pinhole", fov_deg=60, **size) == Pinhole.from_hfov(640, 480, 60)
    bent = KannalaBrandt.from_fov(640, 480, 180, k=k)
    assert lens_of("kannala_brandt", fov_deg=180, k=k, **size) == bent
    assert lens_of("equidistant", fov_deg=180, k=k, **size) == bent
    calibrated = lens_of("kannala_brandt", fov_deg=180, k=k, focal_px=(200.0, 201.0), **size)
    assert isinstance(calibrated, KannalaBrandt)
    assert calibrated.focal_px == (200.0, 201.0)
