"""`roeh detect`: one JSON line a picture, one clear line for what is none."""

import json

import cv2
import numpy as np
import pytest

from tests.process.command_line import command_lines

LENS = 'model = "equidistant"\nwidth_px = 640\nheight_px = 640\nfov_deg = 180.0\nheight_m = 3.0\n'


@pytest.fixture(scope="module")
def roeh():
    with command_lines() as running:
        yield running.run


@pytest.fixture
def pictures(tmp_path):
    directory = tmp_path / "pictures"
    directory.mkdir()
    for name, shape in (("a.png", (60, 80, 3)), ("b.jpg", (640, 640, 3)), ("c.png", (1, 1, 3))):
        assert cv2.imwrite(str(directory / name), np.full(shape, 90, np.uint8))
    return directory


def test_a_directory_of_mixed_sizes_gives_one_json_line_a_picture(roeh, pictures):
    outcome = roeh("detect", pictures, "--lens", "none", "--json")
    assert outcome.status == 0, outcome.stderr
    lines = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [line["image"] for line in lines] == [
        str(pictures / n) for n in ("a.png", "b.jpg", "c.png")
    ]
    assert all(set(line) == {"image", "detections"} for line in lines)


def test_with_a_lens_a_picture_of_its_size_is_looked_at_and_others_are_named(roeh, pictures):
    lens = pictures.parent / "lens.toml"
    lens.write_text(LENS)
    outcome = roeh("detect", pictures, "--lens", lens, "--json")
    assert outcome.status == 11
    assert [json.loads(line)["image"] for line in outcome.stdout.splitlines()] == [
        str(pictures / "b.jpg")
    ]
    assert sum(line.startswith("roeh: ") for line in outcome.stderr.splitlines()) == 1
    assert "80x60" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0\x00\x10JFIF"])
def test_what_is_no_picture_is_one_clear_line(roeh, tmp_path, content):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    outcome = roeh("detect", path, "--lens", "none", "--json")
    assert (outcome.status, outcome.stdout) == (12, "")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("roeh: SOURCE_UNREADABLE: ")
    assert "broken.jpg" in line
