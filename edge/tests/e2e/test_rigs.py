"""One person walks once round a drawn street that several cameras see: one track, one alert.

Everything is the pole's own but the street: lenses, motion, tiles, the model, tracker, rules,
alerts. The cameras take their pictures one after the other.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import ComposedSource, parse_config
from roeh.core.ids import ClockIds
from roeh.core.peers import StoreAlert
from roeh.core.types import AlertPhase, GroundPoint
from roeh.detect.alerts import AlertBuilder
from roeh.media.frames import PixelFrame
from roeh.optics.ground import bearing_of, range_of
from roeh.optics.rig import Rig
from roeh.sources.drawn.composed import ComposedFrames
from roeh.sources.drawn.paths import Circle
from roeh.vision.pipeline import Pipeline

#: Twice a second a camera, each at its own time.
CAMERA_FPS, TURNS = 2, 4
WALK = Circle(radius_m=4.5, start_deg=350.0, speed_mps=2.4)
LAP_S = 2 * math.pi * WALK.radius_m / WALK.speed_mps

#: Who moves is looked at in every picture anyway.
NODE = """
[node]
heading_deg = 40.0
[detect]
sweep_s = 5.0
"""
RULES = """
[[zones]]
name = "all-round"
bearing_from_deg = 0.0
bearing_to_deg = 0.0
range_to_m = 12.0
[[rules]]
kind = "zone_entry"
name = "somebody"
zone = "all-round"
"""
RING = "".join(
    f"""
[[sensors]]
name = "{name}"
source = {{ kind = "composed" }}
lens = {{ model = "pinhole", width_px = 640, height_px = 384, fov_deg = 105.0 }}
tilt_deg = 34.0
azimuth_deg = {90.0 * turns}
offset_m = [{round(0.12 * math.sin(turns * math.pi / 2), 3)},
  {round(0.12 * math.cos(turns * math.pi / 2), 3)}]
"""
    for turns, name in enumerate(("ahead", "right", "behind", "left"))
)
BACK_TO_BACK = "".join(
    f"""
[[sensors]]
name = "{name}"
source = {{ kind = "composed" }}
lens = {{ width_px = 832, height_px = 832, fov_deg = 190.0 }}
tilt_deg = 20.0
azimuth_deg = {azimuth_deg}
offset_m = [0.0, {along_m}]
"""
    for name, azimuth_deg, along_m in (("front", 0.0, 0.1), ("rear", 180.0, -0.1))
)


def taken(rig: Rig) -> Iterator[PixelFrame]:
    """The cameras' pictures in the order of their times."""
    section = ComposedSource(seed=4, fps=CAMERA_FPS * TURNS, duration_s=LAP_S)
    with contextlib.ExitStack() as opened:
        sources = [
            opened.enter_context(
                ComposedFrames(
                    section,
                    rig=rig,
                    sensor=sensor,
                    clock=SimulatedClock(),
                    paced=False,
                    paths=(WALK,),
                )
            ).frames(threading.Event())
            for sensor in rig.sensors
        ]
        for moment in zip(*sources, strict=True):
            for number, frame in enumerate(moment):
                if frame.info.seq % TURNS == number * TURNS // len(moment):
                    yield frame.read()


@pytest.mark.parametrize("sensors", [RING, BACK_TO_BACK], ids=["ring of four", "back to back"])
def test_once_round_is_one_person_and_one_alert(sensors: str):
    config = parse_config(f"{NODE}{sensors}{RULES}", name="rig")
    pipeline = Pipeline(config)
    builder = AlertBuilder(config, pipeline.rig, ClockIds(SimulatedClock()), pipeline.models)
    seen_by: dict[int, set[str]] = {}
    off_m: list[tuple[float, float]] = []
    alerts: list[tuple[StoreAlert, str]] = []
    first_ns = None
    for frame in taken(pipeline.rig):
        analysis = pipeline.analyse(frame)
        first_ns = frame.info.t_mono_ns if first_ns is None else first_ns
        for track in analysis.tracks:
            if track.confirmed and track.seen:
                seen_by.setdefault(track.id, set()).add(track.sensor)
                off_m.append(off_by_m(track.position, (track.t_mono_ns - first_ns) / NS_PER_S))
        for finding in analysis.findings:
            alert = builder.build(finding, frame, analysis.tracks, synchronised=True)
            alerts.append((alert, frame.info.camera_id))
            where, place = alert.draft.where, off_by_m(finding.position, since_s(frame, first_ns))
            assert (where.range_m, where.bearing_deg) == pytest.approx(
                (range_of(finding.position), bearing_of(finding.position)), abs=0.01
            )
            assert math.hypot(*place) < 3 * where.position_sigma_m + 0.3

    # One identity, which every camera saw.
    assert list(seen_by.values()) == [{sensor.name for sensor in config.sensors}]
    assert len(off_m) > CAMERA_FPS * LAP_S
    along_m, across_m = np.sqrt(np.mean(np.square(off_m), axis=0))
    assert along_m < 0.35
    assert across_m < 0.15
    # One alert, updated as the walk goes on; each message rests on the camera that shows them.
    assert [alert.draft.phase for alert, _ in alerts].count(AlertPhase.RAISED) == 1
    assert len({alert.draft.raised_id for alert, _ in alerts}) == 1
    for alert, camera_id in alerts:
        assert alert.draft.evidence.camera_id == camera_id
        assert alert.thumbnail is not None
    assert len({camera_id for _, camera_id in alerts}) > 1


def since_s(frame: PixelFrame, first_ns: int) -> float:
    return (frame.info.t_mono_ns - first_ns) / NS_PER_S


def off_by_m(place: GroundPoint, t_s: float) -> tuple[float, float]:
    """How far a place is from where the walker is: along the range, and across it."""
    truth = WALK.at(t_s)
    east_m, north_m = place.east_m - truth.east_m, place.north_m - truth.north_m
    bearing = math.atan2(truth.east_m, truth.north_m)
    along_m = east_m * math.sin(bearing) + north_m * math.cos(bearing)
    return along_m, east_m * math.cos(bearing) - north_m * math.sin(bearing)
