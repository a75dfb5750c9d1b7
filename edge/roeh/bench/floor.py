"""The least that the work can cost: decoding the clip, and running the bare network."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from roeh.core.clock import thread_cpu_ns
from roeh.vision.manifest import open_model
from roeh.vision.runner import open_runner

_WARM_UP_RUNS = 10


def decode_cpu_s_per_s(clip: Path, fps: float) -> float:
    """CPU-seconds that FFmpeg takes to decode one second of the clip, one thread."""
    frames = 0
    start_ns = thread_cpu_ns()
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            frames += 1
    return (thread_cpu_ns() - start_ns) / 1e9 / (frames / fps)


def inference_cpu_s(model: str, runs: int) -> float:
    """CPU-seconds of one inference of the bare network, one thread, noise as picture."""
    runner = open_runner(open_model(model), threads=1)
    view = runner.input_view()
    view[:] = np.random.default_rng(1).integers(0, 255, view.shape, np.uint8)
    for _ in range(_WARM_UP_RUNS):
        runner.invoke()
    start_ns = thread_cpu_ns()
    for _ in range(runs):
        runner.invoke()
    return (thread_cpu_ns() - start_ns) / 1e9 / runs
