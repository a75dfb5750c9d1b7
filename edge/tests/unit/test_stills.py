"""Single pictures: people are found where they are, and no file is a stumbling block."""

import cv2
import numpy as np
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.config import ComposedSource
from roeh.core.errors import LensError, SourceUnreadable
from roeh.detect.stills import detect_stills, pictures_at
from roeh.optics.lens import Equidistant
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.composed import ComposedFrames
from tests.unit.source_conformance import take_frames

SENSOR = Sensor("dome", Equidistant(1024, 1024, 180.0), Pose(0.0, 90.0, 0.0, 3.5))
RIG = Rig((SENSOR,), heading_deg=0.0, heading_sigma_deg=0.0)


def looked_at(paths, lens=None, min_confidence=0.35):
    return list(detect_stills(paths, lens, model="", min_confidence=min_confidence))


@pytest.fixture
def lens(tmp_path):
    path = tmp_path / "lens.toml"
    path.write_text(
        'model = "equidistant"\nwidth_px = 1024\nheight_px = 1024\n'
        "fov_deg = 180.0\nheight_m = 3.5\n"
    )
    return path


def saved(path, pixels):
    assert cv2.imwrite(str(path), pixels)
    return path


def test_people_under_a_fisheye_are_found_once_where_they_are(tmp_path, lens):
    section = ComposedSource(seed=711, people=6, fps=0.2)
    with ComposedFrames(section, rig=RIG, sensor=SENSOR, clock=SimulatedClock(), paced=False) as s:
        (frame,) = take_frames(s, 1)
        path = saved(tmp_path / "above.png", frame.read().bgr())
        truth = s.truth(frame.info)
    (result,) = looked_at([path], lens)
    people = [found for found in result.detections if found.label == "person"]
    centers = np.asarray([found.center_px for found in people])
    whole = [person for person in truth if 2.0 <= person.range_m <= 9.0]
    assert whole
    for person in whole:
        box = person.box_px
        reach_px = 0.4 * max(box.x1_px - box.x0_px, box.y1_px - box.y0_px)
        away_px = np.hypot(*(centers - box.center_px).T)
        nearest = people[int(away_px.argmin())]
        assert away_px.min() < reach_px
        assert nearest.range_m == pytest.approx(person.range_m, rel=0.25, abs=0.4)
    assert len(people) <= len(truth) + 1


def test_detections_come_most_confident_first_and_none_below_what_was_asked(tmp_path, lens):
    noise = np.random.default_rng(5).integers(0, 255, (64, 64, 3), np.uint8)
    path = saved(tmp_path / "noise.png", cv2.resize(noise, (1024, 1024)))
    (result,) = looked_at([path], lens, min_confidence=0.15)
    confidences = [found.confidence for found in result.detections]
    assert confidences == sorted(confidences, reverse=True)
    assert all(confidence >= 0.15 for confidence in confidences)


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (1, 900, 3), (2000, 3, 3), (48, 64), (48, 64, 4), (1200, 1700, 3)]
)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_pictures_of_any_shape_and_depth_are_looked_at(tmp_path, shape, depth):
    path = saved(tmp_path / "odd.png", np.full(shape, 90, depth))
    (result,) = looked_at([path], min_confidence=0.05)
    assert result.image == str(path)


def test_without_a_lens_nothing_is_said_of_places(tmp_path):
    path = saved(tmp_path / "any.png", np.zeros((60, 80, 3), np.uint8))
    (result,) = looked_at([path], min_confidence=0.0)
    assert all(found.bearing_deg is None and found.range_m is None for found in result.detections)


def test_a_broken_picture_is_named_after_the_others_were_looked_at(tmp_path, capfd):
    saved(tmp_path / "a.jpg", np.full((80, 100, 3), 90, np.uint8))
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    saved(tmp_path / "c.png", np.full((30, 50, 3), 90, np.uint8))
    results = detect_stills(pictures_at(tmp_path), None, model="", min_confidence=0.5)
    assert [next(results).image[-5:] for _ in range(2)] == ["a.jpg", "c.png"]
    with pytest.raises(SourceUnreadable, match=r"b\.jpg"):
        next(results)
    assert "jpeg" not in capfd.readouterr().err.lower()


def test_a_picture_of_another_size_than_the_lens_is_named(tmp_path, lens):
    path = saved(tmp_path / "small.png", np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(LensError, match="80x60"):
        looked_at([path], lens)


def test_no_such_picture_and_an_empty_directory_are_named(tmp_path):
    with pytest.raises(SourceUnreadable, match="nowhere"):
        pictures_at(tmp_path / "nowhere")
    with pytest.raises(SourceUnreadable, match="no pictures"):
        pictures_at(tmp_path)
