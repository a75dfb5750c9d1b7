"""The figures of the geometry page, and what has no place on the ground."""

import math

import numpy as np
import pytest

from roeh.core.errors import ConfigError
from roeh.core.types import Covariance, GroundPoint
from roeh.optics.geodesy import FLATTENING, SEMI_MAJOR_AXIS_M, PolePosition
from roeh.optics.ground import GroundPlane, locate
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor
from roeh.optics.upright import agrees, ends_of, upright_heights

SHARP = Covariance(east_east_m2=0.0, east_north_m2=0.0, north_north_m2=0.0)


def overhead(
    *, heading_sigma_deg: float = 0.0, pixel_sigma_px: float = 3.0, **sigmas: float
) -> GroundPlane:
    sensor = Sensor("down", Equidistant(2048, 2048, 185), Pose(0, 90, 0, 5), PoseSigmas(**sigmas))
    rig = Rig((sensor,), 0.0, heading_sigma_deg, pixel_sigma_px=pixel_sigma_px)
    return GroundPlane(rig, sensor)


def at(plane: GroundPlane, range_m: float) -> GroundPoint:
    point = plane.point(tuple(plane.pixels_of(np.asarray([[0.0, range_m]]))[0]))
    assert point is not None
    return point


@pytest.mark.parametrize(("range_m", "sigma_m"), [(8, 0.18), (15, 0.50), (20, 0.85), (30, 1.84)])
def test_range_sigma_at_five_metres_is_that_of_the_geometry_page(range_m, sigma_m):
    plane = overhead(tilt_deg=0.5, height_m=0.03, pixel_sigma_px=3)
    assert locate(at(plane, range_m), plane.rig).range_sigma_m == pytest.approx(sigma_m, rel=0.03)


@pytest.mark.parametrize("range_m", [1, 2, 4, 8, 15, 20, 25])
def test_a_bearing_is_good_to_a_decimetre_across(range_m):
    plane = overhead(tilt_deg=0.5, height_m=0.03, pixel_sigma_px=3)
    where = locate(at(plane, range_m), plane.rig)
    assert range_m * math.radians(where.bearing_sigma_deg) <= 0.1


@pytest.mark.parametrize(("range_m", "error_m"), [(8, 0.31), (20, 1.48)])
def test_what_a_degree_of_tilt_costs(range_m, error_m):
    plane = overhead(tilt_deg=1, height_m=0, pixel_sigma_px=0)
    assert locate(at(plane, range_m), plane.rig).range_sigma_m == pytest.approx(error_m, abs=0.01)


def test_the_heading_enters_bearing_and_position_but_not_the_place_on_the_ground():
    sure, unsure = overhead(), overhead(heading_sigma_deg=1)
    assert at(sure, 20) == at(unsure, 20)
    known, unknown = locate(at(sure, 20), sure.rig), locate(at(unsure, 20), unsure.rig)
    assert unknown.bearing_sigma_deg == pytest.approx(math.hypot(known.bearing_sigma_deg, 1))
    assert unknown.range_sigma_m == known.range_sigma_m
    sharp = GroundPoint(east_m=0.0, north_m=20.0, covariance=SHARP)
    assert locate(sharp, unsure.rig).position_sigma_m == pytest.approx(0.349, abs=0.001)


def test_a_label_adds_its_own_foot_noise():
    plane = overhead(pixel_sigma_px=3)
    foot = plane.pixels_of(np.asarray([[0.0, 8.0]]))
    plain = plane.fix(foot)
    blurred = plane.fix(foot, foot_sigma_px=4.0)
    np.testing.assert_allclose(blurred.jitter_m2, plain.jitter_m2 * 25 / 9)
    wide = plane.fix(foot, foot_sigma_m=np.asarray([0.2]))
    np.testing.assert_allclose(wide.covariance_m2 - plain.covariance_m2, [0.04 * np.eye(2)])


def test_what_stays_all_day_is_not_jitter():
    plane = overhead()
    fixes = plane.fix(plane.pixels_of(np.asarray([[0.0, 8.0]])))
    still = overhead(tilt_deg=0, height_m=0).fix(plane.pixels_of(np.asarray([[0.0, 8.0]])))
    np.testing.assert_allclose(fixes.jitter_m2, still.covariance_m2)
    assert np.trace(fixes.covariance_m2[0]) > np.trace(fixes.jitter_m2[0])


def test_the_sky_and_the_far_distance_have_no_place():
    plane = overhead()
    above_horizon, far, outside = (1023.5, 2.0), (1023.5, 40.0), (0.0, 0.0)
    assert plane.point(above_horizon) is None
    assert plane.point(far) is None
    assert plane.point(outside) is None
    fixes = plane.fix(np.asarray([above_horizon, (1023.5, 500.0)]))
    assert fixes.seen.tolist() == [False, True]
    assert np.isnan(fixes.east_north_m[0]).all()
    assert np.isnan(fixes.covariance_m2[0]).all()
    level = Sensor("front", Pinhole.from_hfov(801, 601, 90), Pose(0, 0, 0, 5))
    plane = GroundPlane(Rig((level,), 0, 0), level)
    assert plane.point((400.0, 300.0)) is None
    assert plane.point((400.0, 299.0)) is None
    assert plane.point((400.0, 500.0)) is not None


def test_no_pixels_are_no_places():
    fixes = overhead().fix(np.empty((0, 2)))
    assert fixes.points() == []


def test_a_place_without_any_error_at_the_foot_of_the_pole_has_no_bearing():
    nowhere = GroundPoint(east_m=0.0, north_m=0.0, covariance=SHARP)
    where = locate(nowhere, overhead().rig)
    assert (where.range_m, where.bearing_sigma_deg) == (0.0, 180.0)
    assert where.latitude_deg is None


def test_a_spider_on_the_lens_is_no_person():
    plane = overhead()
    # Ten centimetres off and as wide as a hand: from 50 degrees below the horizon to 5.
    theta = np.radians([90 - 50, 90 - 5])
    y = 1023.5 - plane.sensor.lens.focal_px * theta
    box = np.asarray([[900.0, y[1], 1147.0, y[0]]])
    ends = ends_of(plane.sensor, box)
    heights = upright_heights(plane, ends.foot_px, ends.head_px)
    assert heights.height_m[0] > 4
    assert not agrees(heights, 0.8, 2.4).any()


def test_a_box_that_holds_the_nadir_stands_there():
    plane = overhead()
    ends = ends_of(plane.sensor, np.asarray([[950.0, 900.0, 1097.0, 1090.0]]))
    np.testing.assert_allclose(ends.foot_px, [[1023.5, 1023.5]], atol=1.5)


def test_what_leads_away_from_its_foot_is_no_upright_object():
    plane = overhead()
    heights = upright_heights(
        plane, plane.pixels_of(np.asarray([[0.0, 8.0]])), plane.pixels_of(np.asarray([[0.0, -8.0]]))
    )
    assert np.isnan(heights.height_m).all()
    assert not agrees(heights, 0.0, 100.0).any()


def earth_fixed(latitude_deg: float, longitude_deg: float):
    """Cartesian coordinates on the ellipsoid, and the east and north there."""
    latitude, longitude = math.radians(latitude_deg), math.radians(longitude_deg)
    square = FLATTENING * (2 - FLATTENING)
    radius_m = SEMI_MAJOR_AXIS_M / math.sqrt(1 - square * math.sin(latitude) ** 2)
    place = radius_m * np.asarray(
        [
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            (1 - square) * math.sin(latitude),
        ]
    )
    east = np.asarray([-math.sin(longitude), math.cos(longitude), 0.0])
    north = np.asarray(
        [
            -math.sin(latitude) * math.cos(longitude),
            -math.sin(latitude) * math.sin(longitude),
            math.cos(latitude),
        ]
    )
    return place, east, north


@pytest.mark.parametrize("latitude_deg", [0.0, 31.78, -33.9, 69.6])
@pytest.mark.parametrize("longitude_deg", [35.22, 180.0, -179.9999])
@pytest.mark.parametrize(("east_m", "north_m"), [(60, 0), (0, -60), (-40, 40)])
def test_offsets_on_the_ellipsoid_are_good_to_a_millimetre(
    latitude_deg, longitude_deg, east_m, north_m
):
    spot = PolePosition(latitude_deg, longitude_deg, 3.0).offset(east_m, north_m)
    assert -180 <= spot.longitude_deg < 180
    origin, east, north = earth_fixed(latitude_deg, longitude_deg)
    there, _, _ = earth_fixed(spot.latitude_deg, spot.longitude_deg)
    assert (there - origin) @ east == pytest.approx(east_m, abs=1e-3)
    assert (there - origin) @ north == pytest.approx(north_m, abs=1.5e-3)


def test_the_poles_own_position_enters_latitude_and_longitude():
    plane = overhead()
    where = locate(at(plane, 8), plane.rig, PolePosition(52.0, 13.0, 4.0))
    assert where.longitude_deg == pytest.approx(13.0)
    assert where.latitude_deg == pytest.approx(52.0 + 8 / 111_267, abs=1e-7)
    assert where.position_sigma_m == pytest.approx(math.hypot(4, where.range_sigma_m))


@pytest.mark.parametrize(
    ("position", "named"),
    [((91, 0, 3), "latitude_deg"), ((0, 200, 3), "longitude_deg"), ((0, 0, -1), "sigma")],
)
def test_a_pole_that_is_not_on_the_earth_is_refused(position, named: str):
    with pytest.raises(ConfigError, match=named):
        PolePosition(*position)
