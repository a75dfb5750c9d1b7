"""`roeh view`: a picture for people from a camera, a picture file or a clip."""

import cv2
import numpy as np
import pytest

from roeh.cli import main
from tests.recorded_segments import without_loss

NODE = """
[node]
site = "harbour"
name = "pole"
heading_deg = 90.0
[[sensors]]
name = "dome"
source = { kind = "composed", people = 3 }
lens = { width_px = 320, height_px = 320, fov_deg = 185.0 }
[[sensors.masks]]
name = "windows"
polygon_px = [[0, 0], [320, 0], [320, 40], [0, 40]]
"""
SECOND = """
[[sensors]]
name = "gate"
source = { kind = "composed", people = 3 }
lens = { model = "pinhole", width_px = 320, height_px = 200, fov_deg = 90.0 }
tilt_deg = 30.0
azimuth_deg = 45.0
"""


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(NODE)
    return path


def view(node, *arguments, out="view.png"):
    """The exit status, and the picture if there is one."""
    path = node.parent / out
    status = main(["view", "-c", str(node), "--width", "320", "--out", str(path), *arguments])
    return status, cv2.imread(str(path)) if path.exists() else None


def ahead_is_bright():
    """Bright ahead of the pole's mark, which points east here; dim behind."""
    picture = np.full((320, 320, 3), 60, np.uint8)
    picture[:160] = 220
    return picture


@pytest.mark.parametrize("layout", ["panorama", "double-panorama", "quad", "ptz", "picture"])
def test_every_layout_is_drawn_of_all_cameras_with_rings(node, layout, capsys):
    node.write_text(NODE + SECOND)
    status, picture = view(node, "--layout", layout, "--rings")
    assert status == 0
    assert picture.shape[1] == 320
    assert picture.std() > 10
    assert "dome" in capsys.readouterr().out


def test_a_picture_file_is_bent_towards_the_bearing(node, tmp_path):
    cv2.imwrite(str(tmp_path / "shot.png"), ahead_is_bright())
    for bearing, level in (("90", 220), ("270", 60)):
        status, picture = view(
            node, "--picture", str(tmp_path / "shot.png"), "--layout", "ptz", "--bearing", bearing
        )
        assert status == 0
        assert abs(int(np.median(picture[90:170])) - level) <= 2


def test_a_clip_is_shown_at_the_time_asked_for(node, tmp_path, capsys):
    pictures = [np.full((160, 160, 3), 40 + 10 * n, np.uint8) for n in range(15)]
    content, _ = without_loss(pictures)
    (tmp_path / "clip.mp4").write_bytes(content)
    asked = ("--clip", str(tmp_path / "clip.mp4"), "--layout", "ptz", "--elevation", "-60")
    status, picture = view(node, *asked, "--at", "1.05")
    assert status == 0
    assert abs(int(np.median(picture[:170])) - 140) <= 4
    status, _ = view(node, *asked, "--at", "60", out="late.png")
    assert status != 0
    assert "no picture there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sensor", "nobody"), "unknown sensor"),
        (("--bearing", "400"), "no such view"),
        (("--picture", "/nowhere.png"), "not a picture"),
        (("--clip", "/nowhere.mp4"), "nowhere.mp4"),
        (("--out", "/nowhere/view.png"), "cannot write"),
        (("--out", "view.gif"), "no picture's name"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(node, capsys, arguments, said):
    status, _ = view(node, *arguments)
    told = capsys.readouterr().err
    assert status not in {0, 1}
    assert said in told
    assert told.count("\n") == 1
