"""Poses and headings: which way is up, right and north."""

import numpy as np
import pytest

from roeh.core.errors import LensError
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, Rig, Sensor, angles_of, directions_of, wrap_deg

FISHEYE = Equidistant(1001, 1001, 180)
UP, RIGHT, DOWN, LEFT = [500.0, 250.0], [750.0, 500.0], [500.0, 750.0], [250.0, 500.0]


def azimuths(sensor: Sensor, pixels: list[list[float]]):
    return angles_of(sensor.pole_directions(np.asarray(pixels)))[0]


def test_a_down_looking_picture_reads_like_a_map():
    sensor = Sensor("down", FISHEYE, Pose(0, 90, 0, 5))
    np.testing.assert_allclose(azimuths(sensor, [UP, RIGHT, DOWN, LEFT]), [0, 90, 180, 270])
    nadir = sensor.pole_directions(np.asarray([[500.0, 500.0]]))
    np.testing.assert_allclose(nadir, [[0, 0, -1]], atol=1e-12)


def test_azimuth_turns_the_map_clockwise():
    sensor = Sensor("down", FISHEYE, Pose(30, 90, 0, 5))
    np.testing.assert_allclose(azimuths(sensor, [UP, RIGHT]), [30, 120])


def test_roll_turns_the_camera_clockwise_seen_from_behind():
    # Seen from behind, a camera looking down turns clockwise as seen from above.
    sensor = Sensor("down", FISHEYE, Pose(0, 90, 20, 5))
    np.testing.assert_allclose(azimuths(sensor, [UP, RIGHT]), [20, 110])


def test_a_level_camera_sees_the_horizon_in_its_middle_row_and_right_is_right():
    sensor = Sensor("front", Pinhole.from_hfov(801, 601, 90), Pose(40, 0, 0, 5))
    azimuth, elevation = angles_of(
        sensor.pole_directions(np.asarray([[400, 300], [700, 300], [400, 100], [400, 500.0]]))
    )
    np.testing.assert_allclose(elevation[:2], 0, atol=1e-12)
    assert azimuth[0] == pytest.approx(40)
    assert 40 < azimuth[1] < 85
    assert elevation[2] > 0 > elevation[3]


def test_tilt_lowers_the_gaze():
    sensor = Sensor("front", Pinhole.from_hfov(801, 601, 90), Pose(0, 30, 0, 5))
    azimuth, elevation = angles_of(sensor.pole_directions(np.asarray([[400.0, 300.0]])))
    assert (azimuth[0], elevation[0]) == (pytest.approx(0), pytest.approx(-30))


def test_heading_turns_the_pole_to_true_north():
    sensor = Sensor("down", FISHEYE, Pose(10, 90, 0, 5))
    rig = Rig((sensor,), heading_deg=350, heading_sigma_deg=1)
    world = np.asarray([[0, -1.0, 0]]) @ rig.camera_to_world(sensor).T
    np.testing.assert_allclose(angles_of(world)[0], [0], atol=1e-9)
    assert rig.bearing_of(10) == 0
    assert rig.azimuth_of(0) == 10


def test_angles_and_directions_are_inverse_over_the_seam():
    azimuth = np.asarray([0.0, 1e-9, 359.999999, 180.0, 179.999, 180.001, 90.0, 270.0])
    elevation = np.linspace(-89, 89, 8)
    again = angles_of(directions_of(azimuth, elevation))
    np.testing.assert_allclose(again[0], azimuth, atol=1e-9)
    np.testing.assert_allclose(again[1], elevation, atol=1e-9)


def test_an_angle_just_below_zero_does_not_become_360():
    assert wrap_deg(-1e-18) == 0.0
    assert wrap_deg(-90) == 270.0
    assert angles_of(np.asarray([[-1e-20, 1.0, 0.0]]))[0] == [0.0]


@pytest.mark.parametrize(
    ("pose", "named"),
    [
        ((0, 120, 0, 5), "tilt_deg"),
        ((0, 90, 0, 0), "height_m"),
        ((720, 90, 0, 5), "azimuth_deg"),
        ((0, 90, float("nan"), 5), "roll_deg"),
    ],
)
def test_an_impossible_pose_is_refused_by_name(pose, named: str):
    with pytest.raises(LensError, match=named):
        Pose(*pose)


def test_a_rig_refuses_sensors_it_cannot_tell_apart():
    sensor = Sensor("a", FISHEYE, Pose(0, 90, 0, 5))
    with pytest.raises(LensError, match="its own name"):
        Rig((sensor, sensor), 0, 1)
    with pytest.raises(LensError, match="use one of a"):
        Rig((sensor,), 0, 1).sensor("b")
