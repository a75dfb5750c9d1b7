"""Ground points as technicians write them down, and what is refused of them."""

import math
import re

import numpy as np
import pytest

from roeh.calibrate.pose.attitude import Split, attitude_of, clockwise
from roeh.calibrate.pose.ground_points import Mounted, pose_from_points
from roeh.calibrate.pose.marked_points import MarkedPoint
from roeh.calibrate.pose.point_files import marked_points, read_points
from roeh.calibrate.rotation import turn
from roeh.core.errors import CalibrationFailed
from roeh.optics.geodesy import PolePosition
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor
from tests.known_rigs import turn_vector

POLE = PolePosition(52.5, 13.4, 3.0)
DOWN = Sensor("down", Equidistant(2048, 2048, 185), Pose(0.0, 90.0, 0.0, 5.0), PoseSigmas())
AHEAD = Sensor("ahead", Pinhole.from_hfov(1920, 1080, 75), Pose(0.0, 30.0, 0.0, 5.0), PoseSigmas())


def points_at(places, sensor=DOWN, names=None):
    plane = GroundPlane(Rig((sensor,), 0.0, 0.0), sensor)
    pixels = plane.pixels_of(np.asarray(places, np.float64), beyond=True)
    return [
        MarkedPoint(
            name=names[number] if names else f"p{number}",
            x_px=float(pixel[0]),
            y_px=float(pixel[1]),
            east_m=place[0],
            north_m=place[1],
        )
        for number, (place, pixel) in enumerate(zip(places, pixels, strict=True))
    ]


def read(tmp_path, text, name="points.csv", pole=POLE):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return marked_points(read_points(path), "down", pole, sigma_px=1.5, sigma_m=0.02)


@pytest.mark.parametrize("tilt_deg", [-90.0, -89.99, 0.0, 30.0, 89.5, 90.0])
@pytest.mark.parametrize("roll_deg", [-170.0, 0.0, 25.0])
def test_a_rotation_is_written_as_angles_that_give_it_again(tilt_deg, roll_deg):
    rotation = Pose(311.0, tilt_deg, roll_deg, 5.0).to_pole()
    angles = attitude_of(rotation)
    again = Pose(angles.azimuth_deg, angles.tilt_deg, angles.roll_deg, 5.0).to_pole()
    assert np.degrees(np.linalg.norm(turn_vector(again @ rotation.T))) <= 0.011
    assert 0 <= angles.azimuth_deg < 360


def test_looking_straight_down_the_pictures_upper_edge_is_the_azimuth():
    angles = attitude_of(Pose(40.0, 90.0, -15.0, 5.0).to_pole())
    assert (angles.azimuth_deg, angles.roll_deg) == (pytest.approx(25.0), 0.0)


@pytest.mark.parametrize("pose", [Pose(70.0, 30.0, 2.0, 5.0), Pose(70.0, 89.0, 2.0, 5.0)])
def test_heading_and_tilt_come_apart(pose):
    level = np.radians([1.5, -1.0, 0.0])
    heading_deg, attitude = Split.of(pose).apart(clockwise(123.0) @ turn(level) @ pose.to_pole())
    assert heading_deg == pytest.approx(123.0, abs=1.1)
    if pose.tilt_deg < 75:
        assert attitude.azimuth_deg == pytest.approx(70.0)


def test_three_ways_to_say_a_place_are_one(tmp_path):
    place = POLE.offset(3.0, 4.0)
    text = (
        "name,x_px,y_px,east_m,north_m,latitude_deg,longitude_deg,bearing_deg,range_m,sigma_m\n"
        "a,1,2,3.0,4.0,,,,,\n"
        f"b,1,2,,,{place.latitude_deg:.9f},{place.longitude_deg:.9f},,,\n"
        f"c,1,2,,,,,{math.degrees(math.atan2(3, 4))},5.0,0.5\n"
    )
    points = read(tmp_path, text)
    for point in points:
        assert (point.east_m, point.north_m) == pytest.approx((3.0, 4.0), abs=1e-3)
    assert [point.sigma_m for point in points] == [0.02, 0.02, 0.5]
    assert {point.sigma_px for point in points} == {1.5}


def test_a_spreadsheet_with_decimal_commas_and_toml_are_read_alike(tmp_path):
    commas = read(tmp_path, "\ufeffname;x_px;y_px;east_m;north_m\nkerb;1,5;2;-3,25;4\n")
    toml = read(
        tmp_path,
        '[[point]]\nname = "kerb"\nx_px = 1.5\ny_px = 2\neast_m = -3.25\nnorth_m = 4\n'
        '[[point]]\nname = "other"\nsensor = "another"\nx_px = 1\ny_px = 1\n',
        "points.toml",
    )
    assert commas == toml


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("x_px,y_px\n1,2\n", "no place"),
        ("x_px,y_px,east_m\n1,2,3\n", "no place"),
        ("x_px,y_px,east_m,north_m,bearing_deg,range_m\n1,2,3,4,5,6\n", "or two"),
        ("x_px,y_px,east_m,north_m\n1,2,3,4,5\n", "5 values for 4 columns"),
        (
            "x_px,y_px,east_m,north_m\n1,oops,3,4\n",
            "y_px = .oops.: expected a number, got text",
        ),
        ("x_px,y_px,east_m,north_m\n1,nan,3,4\n", "point 1.*y_px"),
        ("x,y,east_m,north_m\n1,2,3,4\n", "unknown column .x.*x_px, y_px"),
        ("x_px,y_px,east_m,north_m\n1,2,1e300,4\n", "point 1.*1000"),
        ("x_px,y_px,east_m,north_m,x_px\n1,2,3,4,5\n", "two columns of one name"),
        ("x_px,y_px,latitude_deg,longitude_deg\n1,2,95,4\n", "point 1.*90"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_the_row(tmp_path, text, told):
    with pytest.raises(CalibrationFailed, match=told):
        read(tmp_path, text)


def test_latitude_and_longitude_need_the_poles(tmp_path):
    with pytest.raises(CalibrationFailed, match="the pole has none"):
        read(tmp_path, "x_px,y_px,latitude_deg,longitude_deg\n1,2,52.5,13.4\n", pole=None)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (points_at([(3.0, 4.0)]), "1 of 2"),
        (points_at([(3.0, 4.0), (3.1, 4.0), (-5.0, 1.0)]), "p0 and p1"),
        (points_at([(3.0, 4.0), (-5.0, 1.0)], names=["a", "a"]), "one name"),
        (
            [*points_at([(3.0, 4.0)]), MarkedPoint(name="x", x_px=3, y_px=3, east_m=5, north_m=5)],
            "sees nothing",
        ),
        # All within a step of the pole: a heading to a few degrees is none.
        (points_at([(0.2, 0.2), (-0.2, 0.1)]), "heading uncertain.*foot of the pole"),
        # Far off, side by side: nothing tells a roll.
        (
            points_at([(-0.5, 13.0), (0.0, 13.0), (0.5, 13.0)], AHEAD),
            "uncertain by .* degrees.*p0, p1, p2.*one line",
        ),
    ],
)
def test_points_that_tell_no_pose_are_refused_with_what_is_missing(points, told):
    sensor = AHEAD if "uncertain by" in told else DOWN
    with pytest.raises(CalibrationFailed) as refused:
        pose_from_points(points, Mounted(sensor))
    line = refused.value.line()
    assert "\n" not in line
    assert re.search(told, line), line


def test_a_point_behind_the_camera_is_not_averaged_in():
    places = [(-2.0, 6.0), (2.0, 6.0), (-4.0, 11.0), (4.0, 11.0), (0.0, 8.0)]
    points = points_at(places, AHEAD)
    points[2] = MarkedPoint(
        name="behind", x_px=points[2].x_px, y_px=points[2].y_px, east_m=4.0, north_m=-11.0
    )
    found = pose_from_points(points, Mounted(AHEAD))
    assert found.left_out == ("behind",)
    assert math.isnan(found.residuals[2].off_px[0])
    assert found.pose.tilt_deg == pytest.approx(30.0, abs=0.05)


def test_points_that_contradict_each_other_are_refused_and_not_averaged():
    places = [(-2.0, 6.0), (2.0, 6.0), (-4.0, 11.0)]
    points = points_at(places, AHEAD)
    points[0] = MarkedPoint(
        name="p0", x_px=points[0].x_px, y_px=points[0].y_px, east_m=-4.0, north_m=4.0
    )
    with pytest.raises(CalibrationFailed, match=r"disagree by .* times") as refused:
        pose_from_points(points, Mounted(AHEAD))
    assert "from four points on" in refused.value.remedy
