"""A step in how a camera exposes: told at once, rules wait for it, and for no longer."""

from __future__ import annotations

import threading

import msgspec
import numpy as np
import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import (
    ComposedSource,
    LensSection,
    LoudNoiseRule,
    MicrophoneSection,
    NodeConfig,
    SensorSection,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.core.types import AlertPhase, Light
from roeh.media.frames import PixelFrame
from roeh.optics.configured import rig_from
from roeh.sources.drawn.composed import ComposedFrames
from roeh.sources.drawn.paths import Route, Stop
from roeh.vision.light import LightFollower, LightStep
from roeh.vision.motion import MotionDetector
from roeh.vision.pipeline import Pipeline
from tests.unit.rule_scenes import frame_at

DAY = Light(exposure_us=10_000, gain=1.0, is_night=False)
NIGHT = Light(exposure_us=10_000, gain=1.0, is_night=True)
STREET = np.kron(
    np.random.default_rng(3).uniform(60, 140, (16, 24)).astype(np.uint8), np.ones((8, 8), np.uint8)
)


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        (None, DAY, LightStep.NONE),
        (DAY, None, LightStep.NONE),
        (DAY, DAY, LightStep.NONE),
        (DAY, NIGHT, LightStep.INFRARED),
        (NIGHT, DAY, LightStep.INFRARED),
        (DAY, msgspec.structs.replace(DAY, exposure_us=16_000), LightStep.NONE),
        (DAY, msgspec.structs.replace(DAY, exposure_us=20_000), LightStep.EXPOSURE),
        (DAY, msgspec.structs.replace(DAY, gain=0.5), LightStep.EXPOSURE),
        (DAY, msgspec.structs.replace(DAY, exposure_us=20_000, gain=0.5), LightStep.NONE),
        (DAY, msgspec.structs.replace(DAY, exposure_us=0), LightStep.NONE),
    ],
)
def test_what_counts_as_a_step(before, after, step):
    follower = LightFollower()
    follower.step_to(before)

    assert follower.step_to(after) is step


def test_who_tells_nothing_for_a_moment_is_still_compared():
    follower = LightFollower()
    for light in (DAY, None):
        follower.step_to(light)

    assert follower.step_to(NIGHT) is LightStep.INFRARED


def settling(lights, fps=10):
    """For each picture of one unchanging street: whether it settles."""
    detector = MotionDetector()
    return [
        detector.update(STREET, round(number / fps * NS_PER_S), light).settling
        for number, light in enumerate(lights)
    ]


@pytest.mark.parametrize("after", [NIGHT, msgspec.structs.replace(DAY, gain=4.0)])
def test_a_step_that_the_picture_hides_settles_for_two_to_three_seconds(after):
    found = settling([DAY] * 20 + [after] * 60)

    assert not any(found[:20])
    assert found[20]
    assert 20 <= sum(found) <= 30
    assert not any(found[50:])


def test_hunting_exposure_cannot_keep_a_pole_quiet():
    bright = msgspec.structs.replace(DAY, gain=4.0)

    found = settling([DAY if number % 4 < 2 else bright for number in range(600)])

    assert np.mean(found) < 0.3


def test_an_infrared_switch_settles_even_soon_after_an_exposure_step():
    bright = msgspec.structs.replace(DAY, gain=4.0)

    found = settling([DAY] * 5 + [bright] * 35 + [NIGHT] * 40)

    assert found[40]


PLACES = (("north", 0.0), ("south", 180.0))


def two_cameras() -> NodeConfig:
    """A back-to-back pair and a zone north of it."""
    lens = LensSection(model="pinhole", width_px=416, height_px=416, fov_deg=75)
    return NodeConfig(
        sensors=tuple(
            SensorSection(
                name=name, source=ComposedSource(), lens=lens, azimuth_deg=azimuth, tilt_deg=35
            )
            for name, azimuth in PLACES
        ),
        zones=(ZoneSection(name="gate", polygon_m=((-4, 3), (4, 3), (4, 12), (-4, 12))),),
        rules=(ZoneEntryRule(name="entry", zone="gate", cool_down_s=1.0),),
    )


def raised_at_s(lights_of_south) -> list[float]:
    """When somebody who stands north of the pole is first told, the south camera's light so."""
    config = two_cameras()
    rig = rig_from(config)
    pipeline = Pipeline(config)
    clock = SimulatedClock()
    stands = (Route((Stop(0.0, 7.0, 60.0), Stop(0.5, 7.0, 60.0))),)
    sources = [
        ComposedFrames(
            ComposedSource(seed=104, people=1, fps=5.0, duration_s=6.0),
            rig=rig,
            sensor=rig.sensor(name),
            clock=clock,
            paced=False,
            paths=stands if name == "north" else (),
        )
        for name, _ in PLACES
    ]
    raised = []
    with sources[0] as north, sources[1] as south:
        pairs = zip(north.frames(threading.Event()), south.frames(threading.Event()), strict=True)
        start_ns = clock.mono_ns()
        for number, (northern, southern) in enumerate(pairs):
            lit = southern.read()
            told = PixelFrame(
                msgspec.structs.replace(lit.info, light=lights_of_south(number / 5.0)), lit.pixels
            )
            for frame in (told, northern.read()):
                findings = pipeline.analyse(frame).findings
                since_s = (frame.info.t_mono_ns - start_ns) / NS_PER_S
                raised.extend(since_s for one in findings if one.phase is AlertPhase.RAISED)
    return raised


def test_rules_of_the_whole_pole_wait_for_one_camera_and_lose_nothing():
    (undisturbed,) = raised_at_s(lambda t_s: DAY)
    (delayed,) = raised_at_s(lambda t_s: DAY if t_s < 1.1 else NIGHT)

    assert undisturbed < 3.0
    # Counting begins anew behind the freeze.
    assert 3.4 <= delayed <= undisturbed + 3.3


def test_a_light_that_changes_deafens_nobody():
    """Shots are heard while the lamps go out: how loud it is no picture shows."""
    config = msgspec.structs.replace(
        two_cameras(),
        microphone=MicrophoneSection(device="plughw:1"),
        rules=(LoudNoiseRule(name="bang", level_db=80.0, above_background_db=15.0),),
    )
    pipeline = Pipeline(config)
    street = np.full((416, 416, 3), 90, np.uint8)
    told = []
    for number in range(40):
        t_s = number / 5.0
        goes_out, bangs = t_s >= 6.0, 7.0 <= t_s < 7.3
        info = msgspec.structs.replace(
            frame_at(t_s, camera_id="north"),
            width_px=416,
            height_px=416,
            light=NIGHT if goes_out else DAY,
            sound_db=95.0 if bangs else 50.0,
        )
        analysis = pipeline.analyse(PixelFrame(info, street))
        told += [(t_s, one.phase, analysis.scene is None) for one in analysis.findings]

    # No scene: rules about pictures wait.
    assert told == [(7.0, AlertPhase.RAISED, True)]
