"""Drawn bodies that reel and flail are wild, those that walk or talk are not; it is advisory.

Drawn motion says whether the measure measures what it should. It says nothing about how often
real scuffles are found, nor does anything else here.
"""

import math
import threading

import msgspec
import numpy as np
import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import ComposedSource, ScuffleRule, parse_config
from roeh.core.errors import ConfigError
from roeh.core.types import RuleKind
from roeh.detect.alerts import ADVISORY_KINDS
from roeh.media.frames import PixelFrame
from roeh.optics.lens import Pinhole
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.composed import ComposedFrames
from roeh.sources.drawn.paths import Route, Stance, Stop
from roeh.vision.agitation import AgitationObserver
from roeh.vision.rules import RuleEngine
from roeh.vision.scene import Agitation, Scene
from tests.unit.rule_scenes import frame_at, node, phases, times, track_at

FPS = 10.0
SENSOR = Sensor("dome", Pinhole(640, 360, (400.0, 400.0)), Pose(0, 30, 0, 5))
RIG = Rig((SENSOR,), 0.0, 0.0)
RULE = ScuffleRule(name="scuffle", cool_down_s=0.0)


class Reeling(msgspec.Struct, frozen=True):
    """Somebody who is pulled to and fro and flails: three swings a second, no two alike."""

    east_m: float
    north_m: float
    seed: int

    def at(self, since_s: float) -> Stance:
        a, b, c, d = np.random.default_rng(self.seed).uniform(0, 2 * math.pi, 4)
        return Stance(
            east_m=self.east_m + 0.12 * math.sin(11 * since_s + a),
            north_m=self.north_m + 0.12 * math.sin(14 * since_s + b),
            heading_deg=(70 * math.sin(8 * since_s + c)) % 360.0,
            speed_mps=2.2,
            stride_rad=1.4 * math.sin(12 * since_s + d) + 5 * since_s,
        )


def abreast(north_m, apart_m=0.8, speed_mps=1.3):
    """Two who walk side by side across the picture."""
    return [
        Route(stops=(Stop(-3.5, north), Stop(3.5, north)), speed_mps=speed_mps)
        for north in (north_m, north_m + apart_m)
    ]


def talking(north_m):
    """Two who stand and sway."""
    return [Route(stops=(Stop(east, north_m),), facing_deg=90.0) for east in (-0.4, 0.4)]


def reeling(north_m, seed=1):
    return [Reeling(-0.3, north_m, seed), Reeling(0.3, north_m, seed + 1)]


def observed(paths, seconds=3.5, is_shown=lambda t_s: True):
    """What the observer says of drawn people, and when; of pictures that it is shown."""
    section = ComposedSource(seed=3, people=len(paths), fps=FPS, duration_s=seconds)
    source = ComposedFrames(
        section, rig=RIG, sensor=SENSOR, clock=SimulatedClock(), paced=False, paths=paths
    )
    observer = AgitationObserver("dome", SENSOR.lens.width_px)
    with source:
        for frame in source.frames(threading.Event()):
            pixels = np.empty((360, 640, 3), np.uint8)
            frame.pixels_into(pixels)
            t_s = frame.info.seq / FPS
            if not is_shown(t_s):
                continue
            tracks = [
                msgspec.structs.replace(
                    track_at(one.east_m, one.north_m, t_s, track_id=one.id),
                    outline_sensor_px=corners(one.box_px),
                )
                for one in source.truth(frame.info)
            ]
            info = msgspec.structs.replace(frame.info, t_mono_ns=round(t_s * NS_PER_S))
            yield t_s, tracks, observer.update(PixelFrame(info, pixels), tracks)


def corners(box):
    return (
        (box.x0_px, box.y0_px),
        (box.x1_px, box.y0_px),
        (box.x1_px, box.y1_px),
        (box.x0_px, box.y1_px),
    )


def values(paths):
    return np.asarray(
        [(one.entropy, one.speed_heights_per_s) for _, _, found in observed(paths) for one in found]
    )


def raised_by(paths):
    engine = RuleEngine(node(RULE))
    return [
        finding
        for t_s, tracks, found in observed(paths)
        for finding in engine.update(
            Scene(frame=frame_at(t_s), tracks=tuple(tracks), agitation=found)
        )
    ]


@pytest.mark.parametrize("north_m", [6.0, 9.0])
def test_reeling_bodies_raise_it_and_walking_or_talking_ones_do_not(north_m):
    (raised,) = [one for one in raised_by(reeling(north_m)) if one.phase.value == "raised"]
    assert (raised.rule_kind, raised.priority, raised.count) == (RuleKind.SCUFFLE, 2, 2)
    assert raised_by(abreast(north_m)) == []
    assert raised_by(talking(north_m)) == []


def test_pictures_that_were_left_out_make_nobody_wild():
    shown = observed(abreast(6.0), is_shown=lambda t_s: not 1.5 <= t_s < 2.3)
    speeds = [(t_s, one.speed_heights_per_s) for t_s, _, found in shown for one in found]
    before = max(speed for t_s, speed in speeds if t_s < 1.5)
    after = max(speed for t_s, speed in speeds if t_s >= 2.3)
    assert after < 1.5 * before


def flailing(t_s):
    return Agitation(1, 0.95, 0.6) if t_s >= 5 else Agitation(1, 0.6, 0.2)


def told(agitation, gap_m, seconds=15.0, until_s=1e9):
    """What the rule tells of two people so far apart."""
    engine = RuleEngine(node(RULE))
    return [
        (t_s, finding)
        for t_s in times(0, seconds)
        for finding in engine.update(
            Scene(
                frame=frame_at(t_s),
                tracks=(track_at(0, 8, t_s), track_at(gap_m, 8, t_s, track_id=2)),
                agitation=(agitation(t_s),) if t_s < until_s else (Agitation(1, 0.2, 0.05),),
            )
        )
    ]


def test_it_takes_two_seconds_of_wildness_and_ends_with_it():
    found = told(flailing, 0.8, until_s=10)
    assert [phase for phase in phases(found) if phase != "updated"] == ["raised", "cleared"]
    assert 6.0 < found[0][0] <= 7.0
    assert found[-1][0] <= 13.5


def test_who_is_out_of_reach_scuffles_with_nobody():
    assert told(flailing, 1.6) == []


def test_the_calm_and_the_merely_fast_in_one_direction_are_let_be():
    assert told(lambda t_s: Agitation(1, 0.95, 0.2), 0.8) == []
    assert told(lambda t_s: Agitation(1, 0.3, 0.6), 0.8) == []


def test_it_is_advisory_of_low_priority_and_only_where_it_is_written():
    assert RuleKind.SCUFFLE in ADVISORY_KINDS
    text = (
        '[[sensors]]\nsource = { kind = "composed" }\n'
        "lens = { width_px = 640, height_px = 640, fov_deg = 180 }\n"
    )
    assert not any(isinstance(rule, ScuffleRule) for rule in parse_config(text, name="n").rules)
    with pytest.raises(ConfigError, match="priority"):
        parse_config(
            text + '[[rules]]\nkind = "scuffle"\nname = "a"\npriority = 4\n', name="node.toml"
        )
