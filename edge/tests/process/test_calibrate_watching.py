"""People before a camera, through the real detector: feet and heads where they truly are."""

import math
import threading

import pytest

from roeh.calibrate.pose.command import upright_looks
from roeh.calibrate.pose.watching import Watched, Watcher, apart, watch
from roeh.core.clock import SimulatedClock
from roeh.core.config import parse_config
from roeh.optics.configured import rig_from
from roeh.sources.drawn.composed import ComposedFrames

NODE = """
[[sensors]]
name = "down"
tilt_deg = 90.0
source = { kind = "composed", seed = 3, people = 5, fps = 2.0, duration_s = 1.5 }
lens = { width_px = 1280, height_px = 1280, fov_deg = 185 }
"""


@pytest.fixture(scope="module")
def config():
    return parse_config(NODE, name="node.toml")


def test_feet_and_heads_are_where_people_stand(config):
    rig, clock = rig_from(config), SimulatedClock()
    section, sensor = config.sensors[0], rig.sensors[0]
    watched = Watched(section, None, 60.0)
    assert watched.is_recorded
    people = watch(
        watched,
        Watcher(config, rig, sensor),
        clock=clock,
        heading_deg=0.0,
        stop=threading.Event(),
        told=lambda line: None,
    )
    assert len(people) >= 6
    source = ComposedFrames(section.source, rig=rig, sensor=sensor, clock=clock, paced=False)
    with source:
        frames = list(source.frames(threading.Event()))
        truth = {
            frame.info.t_mono_ns - frames[0].info.t_mono_ns: source.truth(frame.info)
            for frame in frames
        }
    off_px = []
    for person in people:
        nearest = min(truth[person.t_ns], key=lambda t: math.dist(t.foot_px, person.foot_px))
        off_px.append(math.dist(nearest.foot_px, person.foot_px))
        assert math.dist(nearest.head_px, person.head_px) < 25
        assert 1.4 < person.height_m < 2.1
    assert sorted(off_px)[len(off_px) // 2] < 10
    assert len(apart(people, 100.0)) == len({person.person for person in people})
    assert len(upright_looks(people, 4.5)) <= len(people)
