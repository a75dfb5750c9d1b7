"""Privacy masks: nothing inside is analysed, everything outside is."""

import threading

import msgspec
import numpy as np
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.config import MaskSection, parse_config
from roeh.core.types import Box, Detection
from roeh.media.masks import mask_of, outside
from roeh.sources.factory import open_source
from roeh.vision.pipeline import Pipeline

CAMERA = """
[detect]
sweep_s = 0.1
[[sensors]]
name = "camera"
source = { kind = "composed", seed = 2, people = 12, fps = 5.0, duration_s = 2.4 }
height_m = 5.0
tilt_deg = 25.0
lens = { model = "pinhole", width_px = 640, height_px = 384, fov_deg = 60.0 }
"""
LEFT_HALF = ((-10.0, -10.0), (320.4, -10.0), (320.4, 400.0), (-10.0, 400.0))


def camera(*polygons):
    config = parse_config(CAMERA, name="node.toml")
    (sensor,) = config.sensors
    masks = tuple(MaskSection(name=f"m{i}", polygon_px=p) for i, p in enumerate(polygons))
    return msgspec.structs.replace(config, sensors=(msgspec.structs.replace(sensor, masks=masks),))


def detection(foot_px, box):
    return Detection("camera", "person", 0.9, Box(*box), (), foot_px, None, None, None)


def test_no_masks_is_no_mask():
    assert mask_of(camera().sensors[0]) is None
    found = [detection((1.0, 2.0), (0, 0, 2, 4))]
    assert outside(found, None) == found


def test_every_pixel_that_a_polygon_touches_is_masked():
    mask = mask_of(camera(((100.6, 50.6), (200.4, 50.6), (200.4, 80.4), (100.6, 80.4))).sensors[0])
    assert mask.shape == (384, 640)
    assert mask[51:81, 101:201].all()
    assert mask.sum() == 30 * 100


def test_masks_add_up_and_may_reach_far_outside_the_picture():
    far = 1e12
    mask = mask_of(
        camera(
            ((-far, -far), (10.0, -far), (10.0, far), (-far, far)),
            ((630.0, 0.0), (far, 0.0), (far, 384.0), (630.0, 384.0)),
        ).sensors[0]
    )
    assert mask[:, :10].all()
    assert mask[:, 631:].all()
    assert not mask[:, 12:629].any()


def test_whoever_has_foot_or_middle_in_a_mask_is_not_there():
    mask = mask_of(camera(LEFT_HALF).sensors[0])
    beyond = detection((400.0, 200.0), (380, 100, 420, 200))
    foot_inside = detection((310.0, 200.0), (300, 100, 360, 200))
    middle_inside = detection((330.0, 200.0), (280, 100, 350, 200))
    foot_below_picture = detection((300.0, 450.0), (330, 300, 400, 450))
    found = [beyond, foot_inside, middle_inside, foot_below_picture]
    assert outside(found, mask) == [beyond]


@pytest.fixture(scope="module")
def seen():
    """Feet of everybody found in twelve pictures, with the left half masked and without."""
    return [np.asarray(feet_in(camera(*polygons))) for polygons in ((LEFT_HALF,), ())]


def feet_in(config):
    (sensor,) = config.sensors
    pipeline = Pipeline(config)
    source = open_source(sensor.source, sensor=sensor, clock=SimulatedClock(), paced=False)
    feet = []
    with source:
        for frame in source.frames(threading.Event()):
            analysis = pipeline.analyse(frame.read())
            feet.extend(found.foot_sensor_px for found in analysis.detections)
    return feet


def test_nobody_is_found_in_a_mask_and_everybody_else_is(seen):
    masked, unmasked = seen
    assert len(masked) > 12
    assert (masked[:, 0] > 320).all()
    in_left, in_right = unmasked[:, 0] < 300, unmasked[:, 0] > 340
    assert in_left.sum() > 12
    assert (masked[:, 0] > 340).sum() > 0.8 * in_right.sum()
