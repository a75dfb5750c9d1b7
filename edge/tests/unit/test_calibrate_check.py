"""The commands as a technician uses them: refusals, pictures, lines for node.toml, the flag."""

import json

import cv2
import numpy as np
import pytest
import tomllib

from roeh.calibrate.check.command import check_report, doubts_of, draw_check, outlines_of
from roeh.calibrate.pose.compass import heading_by_compass
from roeh.cli import main
from roeh.core.clock import SimulatedClock
from roeh.core.config import parse_config
from roeh.core.errors import CalibrationFailed
from roeh.doctor.cameras import check_north
from roeh.optics.configured import rig_from
from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Pose, Rig, Sensor

NODE = """
[node]
heading_deg = 25.0
{north}
[[zones]]
name = "gate"
polygon_m = [[2.0, 4.0], [5.0, 4.0], [5.0, 7.0]]
[[zones]]
name = "yard"
bearing_from_deg = 350
bearing_to_deg = 20
range_to_m = 6
[[lines]]
name = "kerb"
from_m = [-4.0, 3.0]
to_m = [4.0, 3.0]
[[sensors]]
name = "front"
tilt_deg = 20.0
source = {{ kind = "composed", people = 1 }}
lens = {{ width_px = 480, height_px = 480, fov_deg = 190 }}
masks = [{{ name = "window", polygon_px = [[100, 200], [200, 200], [200, 330], [100, 330]] }}]
[[sensors]]
name = "back"
azimuth_deg = 180.0
tilt_deg = 20.0
source = {{ kind = "composed", people = 1 }}
lens = {{ width_px = 480, height_px = 480, fov_deg = 190 }}
"""
SOURCES = {"front": (40, 90, 160), "back": (160, 90, 40)}


def node(north=""):
    return parse_config(NODE.format(north=north), name="node.toml")


def plain_pictures():
    return {name: np.full((480, 480, 3), color, np.uint8) for name, color in SOURCES.items()}


def test_the_check_draws_over_the_picture_and_leaves_masks_black():
    config = node()
    picture = plain_pictures()["front"]
    drawn = draw_check(rig_from(config), config.sensors[0], picture, outlines_of(config), 10.0)
    assert not drawn[200:331, 100:201].any()
    changed = (drawn != picture).any(axis=2)
    plane = GroundPlane(rig_from(config), rig_from(config).sensor("front"))
    # On the red line to the north, and on the zone's edge.
    for place in ((0.0, 4.0), (5.0, 5.5)):
        x, y = plane.pixels_of(np.asarray([place]))[0].round().astype(int)
        assert changed[y - 2 : y + 3, x - 2 : x + 3].any()
    assert 0.01 < changed.mean() < 0.4


def test_from_above_each_sensor_shows_its_side_and_north_is_up():
    config = node()
    report = check_report(config, plain_pictures(), 10.0, "now")
    names = [figure.name for figure in report.figures]
    assert names == ["front", "back", "from-above"]
    above = report.figures[-1].picture
    # Forward is 25 degrees east of north: above and a little right of the middle.
    assert tuple(above[280, 600]) == SOURCES["front"]
    assert tuple(above[720, 400]) == SOURCES["back"]
    assert [name for name, _ in outlines_of(config)] == ["gate", "yard", "kerb"]
    assert report.verdict == "doubtful"


def test_a_sensor_away_is_named_and_the_others_are_drawn():
    pictures = plain_pictures()
    del pictures["back"]
    report = check_report(node('north_from = "ground_points"'), pictures, 10.0, "now")
    assert report.summary[0] == "no picture of back"
    assert (report.figures[-1].picture[720, 400] < 60).all()


def test_check_writes_pictures_and_says_where_they_are(tmp_path, capsys):
    config = tmp_path / "node.toml"
    config.write_text(NODE.format(north=""))
    arguments = ["calibrate", "check", "-c", str(config), "--out", str(tmp_path / "out")]
    for name, color in SOURCES.items():
        file = tmp_path / f"{name}.png"
        cv2.imwrite(str(file), np.full((480, 480, 3), color, np.uint8))
        arguments += ["--picture", f"{name}={file}"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for name in ("front", "back", "from-above"):
        assert f"picture: {tmp_path}/out/{name}.png" in said
        assert cv2.imread(str(tmp_path / "out" / f"{name}.png")) is not None
    assert f"report: {tmp_path}/out/report.html" in said
    assert main(arguments) != 0
    assert "no report is overwritten" in capsys.readouterr().err


def test_a_picture_of_another_size_is_refused(tmp_path, capsys):
    config, file = tmp_path / "node.toml", tmp_path / "a.png"
    config.write_text(NODE.format(north=""))
    cv2.imwrite(str(file), np.zeros((480, 640, 3), np.uint8))
    arguments = ["calibrate", "check", "-c", str(config), "--sensor", "front"]
    assert main([*arguments, "--picture", str(file), "--out", str(tmp_path / "out")]) == 40
    assert "640x480 px, the lens of sensor front is for 480x480" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pose_by_points_gives_lines_that_node_toml_takes(tmp_path, capsys):
    config, file = tmp_path / "node.toml", tmp_path / "points.csv"
    config.write_text(NODE.format(north=""))
    lens = rig_from(node()).sensor("front").lens
    sensor = Sensor("front", lens, Pose(0.0, 21.3, -1.2, 5.0))
    plane = GroundPlane(Rig((sensor,), 31.0, 0.0), sensor)
    places = np.asarray([(0.0, 5.0), (5.0, 5.0), (-2.0, 8.0), (6.0, 9.0), (1.0, 11.0), (2.0, 3.0)])
    lines = ["name,x_px,y_px,east_m,north_m,sensor"]
    for number, (place, pixel) in enumerate(zip(places, plane.pixels_of(places), strict=True)):
        lines.append(f"p{number},{pixel[0]:.3f},{pixel[1]:.3f},{place[0]},{place[1]},front")
    file.write_text("\n".join(lines))
    arguments = ["calibrate", "pose", "-c", str(config), "--sensor", "front"]
    arguments += ["--points", str(file), "--json", "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["node"]["heading_deg"] == pytest.approx(31.0, abs=0.02)
    keys = tomllib.loads((tmp_path / "out" / "node.toml").read_text())
    assert keys["node"]["north_from"] == "ground_points"
    found = keys["sensors"][0]
    assert found["tilt_deg"] == pytest.approx(21.3, abs=0.02)
    assert found["roll_deg"] == pytest.approx(-1.2, abs=0.02)
    # What was found stands in the configuration without another word.
    assert set(found) - {"name"} <= set(node().sensors[0].__struct_fields__)
    parse_config(
        NODE.format(north="").replace("tilt_deg = 20.0", f"tilt_deg = {found['tilt_deg']}", 1),
        name="node.toml",
    )


def test_a_compass_alone_is_flagged_everywhere(tmp_path, capsys):
    with pytest.raises(CalibrationFailed, match="declination is not given"):
        heading_by_compass(350.0, None, 5.0)
    keys = heading_by_compass(350.0, 14.5, 1.0)
    assert keys.heading_deg == pytest.approx(4.5)
    assert keys.heading_sigma_deg >= 5
    assert keys.north_from == "compass"
    config = tmp_path / "node.toml"
    config.write_text(NODE.format(north='north_from = "compass"'))
    assert main(["config", "check", "-c", str(config)]) == 0
    assert "north is from a compass alone" in capsys.readouterr().out
    (outcome,) = check_north(node('north_from = "compass"'), SimulatedClock())
    assert outcome.verdict == "WARN"
    assert "roeh calibrate pose --points" in outcome.remedy
    assert "from a compass alone" in doubts_of(node('north_from = "compass"'), ())[0]
    assert doubts_of(node('north_from = "ground_points"'), ()) == ()
    (measured,) = check_north(node('north_from = "ground_points"'), SimulatedClock())
    assert measured.verdict == "OK"
