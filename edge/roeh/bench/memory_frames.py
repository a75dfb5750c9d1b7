"""A fisheye's raw frames from memory through the pipeline: what a CSI camera would cost."""

from __future__ import annotations

import threading

import cv2
import msgspec

from roeh.core.clock import NS_PER_S, SimulatedClock, thread_cpu_ns
from roeh.core.config import NodeConfig
from roeh.media.frames import PixelFrame
from roeh.sources.factory import open_source
from roeh.vision.pipeline import Pipeline
from roeh.vision.stages import STAGES

#: So many frames are kept, 12 MiB each, and gone through more than once.
_KEPT_FRAMES = 40


class MemoryFigures(msgspec.Struct, frozen=True):
    """CPU milliseconds for one frame of raw pixels, per stage and in all."""

    stages_ms: dict[str, float]
    total_ms: float
    tiles_per_frame: float

    @property
    def without_inference_ms(self) -> float:
        """What the product adds to the network itself."""
        return self.total_ms - self.stages_ms["inference"]


def measure_memory_frames(scene: NodeConfig, passes: int) -> MemoryFigures:
    """Analyse a scene's first frames, again and again, as one long recording."""
    cv2.setNumThreads(1)
    frames = _frames(scene)
    pipeline = Pipeline(scene)
    step_ns = frames[1].info.t_mono_ns - frames[0].info.t_mono_ns
    tiles = count = 0
    start_ns, before = 0, pipeline.stages.counters()
    for number in range(passes * len(frames)):
        if number == len(frames):  # the first pass warms up background and tracks
            start_ns, before, tiles, count = thread_cpu_ns(), pipeline.stages.counters(), 0, 0
        frame = frames[_there_and_back(number, len(frames))]
        info = msgspec.structs.replace(
            frame.info, seq=number, t_mono_ns=frames[0].info.t_mono_ns + number * step_ns
        )
        tiles += pipeline.analyse(PixelFrame(info, frame.pixels)).tiles
        count += 1
    total_ms = (thread_cpu_ns() - start_ns) / 1e6 / count
    after = pipeline.stages.counters()
    stages_ms = {
        stage: (after[f"cpu_{stage}_s"] - before[f"cpu_{stage}_s"]) * 1e3 / count
        for stage in STAGES
    }
    return MemoryFigures(stages_ms=stages_ms, total_ms=total_ms, tiles_per_frame=tiles / count)


def _frames(scene: NodeConfig) -> list[PixelFrame]:
    (section,) = scene.sensors
    clock = SimulatedClock()
    source = open_source(section.source, sensor=section, clock=clock, paced=False)
    stop = threading.Event()
    kept: list[PixelFrame] = []
    with source:
        for frame in source.frames(stop):
            kept.append(frame.read())
            if len(kept) == _KEPT_FRAMES:
                break
    assert kept[-1].info.t_mono_ns - kept[0].info.t_mono_ns < 60 * NS_PER_S
    return kept


def _there_and_back(number: int, count: int) -> int:
    """Forwards, then backwards: people walk and never jump."""
    position = number % (2 * count - 2)
    return position if position < count else 2 * count - 2 - position
