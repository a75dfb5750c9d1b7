"""How many threads the network gets on this board: as configured, or measured."""

from __future__ import annotations

import os

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import NodeConfig
from roeh.core.log import log_for
from roeh.optics.configured import rig_from
from roeh.vision.open import open_model_for
from roeh.vision.runner import open_runner
from roeh.vision.threads import MOST_THREADS, Inference, measure, worth_it

_NS_PER_MS = NS_PER_S // 1000
_SEED = 1

_log = log_for("detect")


def with_measured_threads(config: NodeConfig, clock: Clock) -> NodeConfig:
    """The configuration with `detect.threads` measured where it is 0.

    Measured with the first camera's model on noise.

    Raises:
        ModelMissing, ModelRefused, RuntimeMissing: the model cannot be run here.
    """
    detect = config.detect
    if detect.threads:
        return config
    sensor = rig_from(config).sensors[0]
    model = open_model_for(sensor, detect.model, config.paths.model_dir)
    measured: list[Inference] = []
    for threads in range(1, min(MOST_THREADS, len(os.sched_getaffinity(0))) + 1):
        runner = open_runner(model, threads=threads)
        view = runner.input_view()
        view[:] = np.random.default_rng(_SEED).integers(0, 255, view.shape, np.uint8)
        measured.append(measure(threads, runner.invoke, clock))
        if worth_it(tuple(measured)) < threads:
            break
    chosen = worth_it(tuple(measured))
    _log.info(
        "threads of the network: %d (%s)",
        chosen,
        "; ".join(
            f"{one.threads}: {one.wall_ns / _NS_PER_MS:.0f} ms,"
            f" {one.cpu_ns / _NS_PER_MS:.0f} ms of CPU"
            for one in measured
        ),
    )
    return msgspec.structs.replace(config, detect=msgspec.structs.replace(detect, threads=chosen))
