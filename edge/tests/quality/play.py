"""A scene through the whole pipeline: pixels in, alerts out."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.types import AlertPhase
from roeh.optics.configured import rig_from
from roeh.optics.ground import GroundPlane
from roeh.sources.drawn.composed import ComposedFrames
from roeh.vision.pipeline import Analysis, Pipeline
from tests.quality.belongings import BelongingsPainter
from tests.quality.scenes import Scene
from tests.quality.stages import Weather, finish, source_of, truly


class Told(msgspec.Struct, frozen=True):
    """An alert that was raised: of which rule, when since the first frame, where."""

    rule: str
    t_s: float
    east_m: float
    north_m: float


def play(scene: Scene, watch: Callable[[float, Analysis], None] | None = None) -> tuple[Told, ...]:
    """Everything that is raised in a scene.

    Args:
        watch: is shown every analysis with its time.
    """
    cv2.setNumThreads(1)
    pipeline = Pipeline(scene.config)
    true_rig = rig_from(truly(scene.config, np.random.default_rng([scene.seed, 12])))
    section = source_of(scene.weather, scene.seed, scene.duration_s)
    painter = None
    if scene.things or scene.drives:
        plane = GroundPlane(true_rig, true_rig.sensors[0])
        painter = BelongingsPainter(plane, scene.things, scene.drives, section)
        # Weather falls on what is painted too.
        section = source_of(Weather.DAY, scene.seed, scene.duration_s)
    source = ComposedFrames(
        section,
        rig=true_rig,
        sensor=true_rig.sensors[0],
        clock=SimulatedClock(),
        paced=False,
        paths=scene.ways,
    )
    told: list[Told] = []
    first_ns: int | None = None
    with source:
        for taken in source.frames(threading.Event()):
            frame = taken.read()
            now_ns = frame.info.t_mono_ns
            first_ns = now_ns if first_ns is None else first_ns
            t_s = (now_ns - first_ns) / NS_PER_S
            if painter is not None:
                painter.finish(frame.pixels, frame.info, t_s)
            finish(frame.pixels, scene.weather)
            analysis = pipeline.analyse(frame)
            for finding in analysis.findings:
                if finding.phase is AlertPhase.RAISED:
                    place = finding.position
                    told.append(Told(finding.rule, t_s, place.east_m, place.north_m))
            if watch is not None:
                watch(t_s, analysis)
    return tuple(told)
