"""Drawn people: the truth that comes with them is the truth of what is drawn."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.config import ComposedSource
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant, KannalaBrandt, Pinhole
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.composed import ComposedFrames
from roeh.sources.drawn.paths import Circle, Route, Stop
from tests.unit import source_conformance as conformance

DOME = Sensor("dome", Equidistant(320, 320, 185.0), Pose(0.0, 90.0, 0.0, 5.0))
SHARP = Sensor("dome", Equidistant(800, 800, 185.0), Pose(40.0, 90.0, 0.0, 5.0))
GATE = Sensor("gate", Pinhole.from_hfov(480, 270, 70.0), Pose(30.0, 20.0, 0.0, 4.0, (0.3, 0.2)))
BENT = Sensor(
    "bent",
    KannalaBrandt.from_fov(640, 640, 180.0, k=(-0.02, 0.002, 0.0, 0.0)),
    Pose(0.0, 80.0, 10.0, 6.0, offset_m=(0.8, -0.5)),
)


def composed(section, sensor=DOME, *, clock=None, paths=None, heading_deg=0.0):
    return ComposedFrames(
        section,
        rig=Rig((sensor,), heading_deg=heading_deg, heading_sigma_deg=0.0),
        sensor=sensor,
        clock=clock or SimulatedClock(),
        paced=False,
        paths=paths,
    )


@pytest.fixture
def build():
    rig = Rig((DOME,), heading_deg=0.0, heading_sigma_deg=0.0)
    section = ComposedSource(
        seed=3, people=3, duration_s=1.0, night=0.3, rain_drops=20, flicker=0.5
    )
    return lambda clock, paced, observer: ComposedFrames(
        section, rig=rig, sensor=DOME, clock=clock, paced=paced, observer=observer
    )


def test_order_and_format(build):
    conformance.check_order_and_format(build)


def test_same_times_twice(build):
    conformance.check_same_times_twice(build)


def test_paced_frames_wait_until_they_are_due(build):
    conformance.check_paced_waits(build)


def test_stop_before_start(build):
    conformance.check_stop_before_start(build)


def test_end(build):
    conformance.check_end(build, 10)


def test_released(build):
    conformance.check_released(build)


def nth(source, number):
    """The frame of that number."""
    return next(f for f in source.frames(threading.Event()) if f.info.seq == number)


def changed_pixels(sensor, paths, *, heading_deg=0.0, seed=5):
    """What one person changes in the picture: the mask of the drawing, and the truth."""
    section = ComposedSource(seed=seed)
    with (
        composed(section, sensor, paths=paths, heading_deg=heading_deg) as peopled,
        composed(section, sensor, paths=(), heading_deg=heading_deg) as empty,
    ):
        frame = nth(peopled, 0)
        difference = np.abs(frame.read().bgr().astype(int) - nth(empty, 0).read().bgr().astype(int))
        return difference.max(axis=2) > 25, peopled.truth(frame.info)


@pytest.mark.parametrize(
    ("sensor", "place"),
    [
        (SHARP, (0.2, 6.0)),
        (SHARP, (-5.0, -5.0)),
        (SHARP, (3.0, 0.5)),
        (GATE, (4.0, 7.0)),
        (BENT, (1.0, 7.0)),
    ],
)
def test_the_box_is_the_drawing_s_own(sensor, place):
    mask, truth = changed_pixels(sensor, (Route((Stop(*place),)),))
    (person,) = truth
    rows, columns = np.nonzero(mask)
    box = person.box_px
    drawn = [columns.min(), rows.min(), columns.max(), rows.max()]
    # Thin edges blend into the ground, a hand may have the ground's colour: three pixels.
    assert drawn == pytest.approx([box.x0_px, box.y0_px, box.x1_px, box.y1_px], abs=3.0)
    assert person.range_m == pytest.approx(math.hypot(*place))
    assert person.bearing_deg == pytest.approx(math.degrees(math.atan2(*place)) % 360)


@pytest.mark.parametrize("heading_deg", [0.0, 118.0])
@pytest.mark.parametrize("sensor", [SHARP, BENT])
def test_foot_and_head_agree_with_the_geometry(sensor, heading_deg):
    rig = Rig((sensor,), heading_deg=heading_deg, heading_sigma_deg=0.0)
    plane = GroundPlane(rig, sensor)
    with composed(ComposedSource(seed=9), sensor, heading_deg=heading_deg) as source:
        truth = source.truth(nth(source, 40).info)
    assert len(truth) == 8
    for person in truth:
        fixed = plane.point(person.foot_px)
        assert (fixed.east_m, fixed.north_m) == pytest.approx(
            (person.east_m, person.north_m), abs=1e-6
        )
        head = plane.pixels_of(np.asarray([[person.east_m, person.north_m]]), up_m=person.height_m)
        assert person.head_px == pytest.approx(tuple(head[0]), abs=1e-6)
        box = person.box_px
        assert box.x0_px - 1 <= person.head_px[0] <= box.x1_px + 1
        assert box.y0_px - 1 <= person.head_px[1] <= box.y1_px + 1


def test_the_street_lies_where_it_lies_however_the_lens_hangs():
    """One of two lenses hangs 1.5 m to the side: the same places have the same colours."""
    beside = replace(SHARP, pose=replace(SHARP.pose, offset_m=(1.5, 0.4)))
    marks = np.asarray([(4.0, -6.9), (0.0, -9.0), (3.0, 12.5), (-7.0, -5.0), (4.3, -9.2)])
    seen = []
    for sensor in (SHARP, beside):
        pixels = GroundPlane(Rig((sensor,), 0.0, 0.0), sensor).pixels_of(marks)
        columns, rows = np.rint(pixels).astype(int).T
        with composed(ComposedSource(seed=9), sensor, paths=()) as source:
            seen.append(nth(source, 0).read().bgr()[rows, columns].astype(float))
    assert np.abs(seen[0] - seen[1]).max() < 30
    assert np.abs(seen[0] - np.roll(seen[1], 1, axis=0)).max() > 60


def test_all_round_every_sensor_of_a_rig_shows_the_same_people():
    behind = replace(GATE, name="behind", pose=replace(GATE.pose, azimuth_deg=210.0))
    section = ComposedSource(seed=9, people=40, all_round=True)
    seen = {}
    for sensor in (SHARP, GATE, behind):
        with composed(section, sensor) as source:
            truth = source.truth(nth(source, 20).info)
        seen[sensor.name] = {person.id: (person.east_m, person.north_m) for person in truth}
    assert seen["gate"]
    assert seen["behind"]
    assert {**seen["dome"], **seen["gate"], **seen["behind"]} == seen["dome"]


def test_a_nearer_person_hides_a_farther_one():
    far, near = Route((Stop(0.0, 8.0),)), Route((Stop(0.0, 6.5),))
    alone, _ = changed_pixels(SHARP, (far,))
    section = ComposedSource(seed=5)
    with composed(section, SHARP, paths=(far, near)) as both:
        together = nth(both, 0).read().bgr()
    with composed(section, SHARP, paths=(far,)) as one:
        single = nth(one, 0).read().bgr()
    hidden = (together != single).any(axis=2) & alone
    assert 0.05 < hidden.sum() / alone.sum() < 0.95


def test_a_circle_crosses_north_once_a_round():
    walk = Circle(radius_m=4.0, start_deg=350.0, speed_mps=1.3)
    bearings = [
        math.degrees(math.atan2(s.east_m, s.north_m)) % 360
        for s in (walk.at(t / 10) for t in range(600))
    ]
    crossings = sum(1 for a, b in pairwise(bearings) if b < a - 180)
    walked_m = 1.3 * 59.9
    assert crossings == math.floor(350 / 360 + walked_m / (2 * math.pi * 4.0))


def test_a_route_stays_as_long_as_told_and_never_jumps():
    route = Route((Stop(0.0, 5.0, stay_s=4.0), Stop(6.0, 5.0)), speed_mps=1.5)
    stances = [route.at(t / 10) for t in range(240)]
    steps = [math.hypot(b.east_m - a.east_m, b.north_m - a.north_m) for a, b in pairwise(stances)]
    assert max(steps) < 0.16
    assert sum(1 for stance in stances[:120] if stance.speed_mps == 0) == 40
    assert stances[0].east_m == stances[120].east_m == 0.0


def test_seeds_differ_and_repeat():
    def picture(seed):
        with composed(ComposedSource(seed=seed, people=4)) as source:
            return nth(source, 3).read().pixels

    assert np.array_equal(picture(1), picture(1))
    assert not np.array_equal(picture(1), picture(2))


@pytest.mark.parametrize(
    ("weather", "darker", "noisier"),
    [({"night": 0.9}, True, True), ({"rain_drops": 900}, False, True), ({}, False, False)],
)
def test_weather_spoils_the_picture_as_named(weather, darker, noisier):
    with composed(ComposedSource(seed=4, people=0)) as clear:
        plain = nth(clear, 0).read().bgr().astype(float)
    with composed(ComposedSource(seed=4, people=0, **weather)) as spoiled:
        first = nth(spoiled, 0).read().bgr().astype(float)
        second = nth(spoiled, 1).read().bgr().astype(float)
    assert (first.mean() < 0.6 * plain.mean()) == darker
    assert (np.abs(first - second).mean() > 0.5) == noisier


def test_flicker_beats_from_frame_to_frame():
    with composed(ComposedSource(seed=4, people=0, flicker=1.0, fps=10.0)) as source:
        stop = threading.Event()
        means = []
        for frame in source.frames(stop):
            means.append(frame.read().bgr().mean())
            if len(means) == 6:
                stop.set()
    assert np.ptp(means) > 0.2 * np.mean(means)


def test_people_stay_where_a_pinhole_sees_them():
    with composed(ComposedSource(seed=2, people=8), GATE) as source:
        seen = [len(source.truth(frame.info)) for frame in conformance.take_frames(source, 40)]
    assert np.mean(seen) > 6
