"""Raw frames of a rig's cameras from memory through the pipeline: what CSI cameras would cost."""

from __future__ import annotations

import itertools
import threading

import cv2
import msgspec
import numpy as np

from roeh.core.clock import SimulatedClock, thread_cpu_ns
from roeh.core.config import NodeConfig
from roeh.media.frames import PixelFrame
from roeh.optics.configured import rig_from
from roeh.optics.remap import FixedPointMap, pixel_grid
from roeh.sources.factory import open_source
from roeh.vision.layout import default_model, tiles_for
from roeh.vision.manifest import open_model
from roeh.vision.pipeline import Pipeline
from roeh.vision.stages import STAGES

#: So many bytes of frames are kept, and gone through more than once.
_KEPT_BYTES = 512 * 1024 * 1024
_MAX_KEPT_FRAMES = 40
_REMAP_RUNS = 20


class MemoryFigures(msgspec.Struct, frozen=True):
    """CPU milliseconds for one frame of raw pixels, per stage and in all.

    `remap_floor_ms` is the bare cv2.remap of as many tiles.
    """

    stages_ms: dict[str, float]
    total_ms: float
    tiles_per_frame: float
    remap_floor_ms: float

    @property
    def without_inference_ms(self) -> float:
        """What the product adds to the network itself."""
        return self.total_ms - self.stages_ms["inference"]


def measure_memory_frames(scene: NodeConfig, passes: int) -> MemoryFigures:
    """Analyse the first frames of a scene's cameras, again and again, as one long recording."""
    cv2.setNumThreads(1)
    looks = _looks(scene)
    pipeline = Pipeline(scene)
    start_mono_ns = looks[0][0].info.t_mono_ns
    step_ns = looks[1][0].info.t_mono_ns - start_mono_ns
    tiles = count = 0
    start_ns, before = 0, pipeline.stages.counters()
    for number in range(passes * len(looks)):
        if number == len(looks):  # the first pass warms up background and tracks
            start_ns, before, tiles, count = thread_cpu_ns(), pipeline.stages.counters(), 0, 0
        for frame in looks[_there_and_back(number, len(looks))]:
            t_mono_ns = start_mono_ns + number * step_ns
            info = msgspec.structs.replace(frame.info, seq=number, t_mono_ns=t_mono_ns)
            tiles += pipeline.analyse(PixelFrame(info, frame.pixels)).tiles
            count += 1
    total_ms = (thread_cpu_ns() - start_ns) / 1e6 / count
    after = pipeline.stages.counters()
    stages_ms = {
        stage: (after[f"cpu_{stage}_s"] - before[f"cpu_{stage}_s"]) * 1e3 / count
        for stage in STAGES
    }
    return MemoryFigures(
        stages_ms=stages_ms,
        total_ms=total_ms,
        tiles_per_frame=tiles / count,
        remap_floor_ms=_remap_ms(scene, looks[0]) * tiles / count,
    )


def _looks(scene: NodeConfig) -> list[tuple[PixelFrame, ...]]:
    """One frame of each camera, for moment after moment."""
    clock = SimulatedClock()
    lens_px = sum(one.lens.width_px * one.lens.height_px for one in scene.sensors)
    wanted = min(_MAX_KEPT_FRAMES, _KEPT_BYTES // (3 * lens_px))
    kept: list[list[PixelFrame]] = []
    for section in scene.sensors:
        source = open_source(
            section.source,
            sensor=section,
            clock=clock,
            paced=False,
            heading_deg=scene.node.heading_deg,
        )
        with source:
            frames = source.frames(threading.Event())
            kept.append([frame.read() for frame in itertools.islice(frames, wanted)])
    return list(zip(*kept, strict=True))


def _remap_ms(scene: NodeConfig, frames: tuple[PixelFrame, ...]) -> float:
    """One tile by the bare cv2.remap, averaged over all cameras and tiles."""
    rig = rig_from(scene)
    spent_ns = runs = 0
    for frame in frames:
        sensor = rig.sensor(frame.info.camera_id)
        model = open_model(default_model(sensor))
        picture = frame.bgr()
        for tile in tiles_for(sensor, model.input_size):
            source_px = tile.to_source_px(pixel_grid(tile.width_px, tile.height_px))
            fixed = FixedPointMap.of(source_px, tile.width_px, tile.height_px)
            out = np.empty((tile.height_px, tile.width_px, 3), np.uint8)
            for _ in range(_REMAP_RUNS):
                start_ns = thread_cpu_ns()
                cv2.remap(picture, fixed.whole_px, fixed.fraction, cv2.INTER_LINEAR, dst=out)
                spent_ns += thread_cpu_ns() - start_ns
                runs += 1
    return spent_ns / 1e6 / runs


def _there_and_back(number: int, count: int) -> int:
    """Forwards, then backwards: people walk and never jump."""
    position = number % (2 * count - 2)
    return position if position < count else 2 * count - 2 - position
