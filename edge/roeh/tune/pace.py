"""How long looking at footage takes on this machine, found out before it begins."""

from __future__ import annotations

import threading

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.sources.pace import OfferPace
from roeh.tune.footage import Footage
from roeh.vision.pipeline import Pipeline

#: Of each sample; the first second of one is a sweep, dearer than what follows.
_SAMPLE_NS = 5 * NS_PER_S
_SAMPLES = 3
#: Shorter than this is done before it was estimated.
SHORT_US = 120 * 1_000_000


class Estimate(msgspec.Struct, frozen=True):
    """How long it takes.

    Attributes:
        takes_us: the whole.
        times_as_fast: as it was recorded, of all cameras together.
        sample_us: how much footage that was measured on.
    """

    takes_us: int
    times_as_fast: float
    sample_us: int


def estimate(
    footage: Footage, config: NodeConfig, clock: Clock, stop: threading.Event
) -> Estimate | None:
    """Measure on some seconds of it, spread over the whole; None when told to stop.

    Raises:
        ModelMissing, ModelRefused, RuntimeMissing: nothing can be detected.
    """
    seen_ns = took_ns = 0
    for since in footage.samples(_SAMPLES):
        pipeline = Pipeline(config)
        paces = {name: OfferPace(config.detect.fps) for name in footage.facts.cameras}
        first_ns: int | None = None
        last_ns = 0
        begin_ns = clock.mono_ns()
        for frame in footage.frames(stop, since=since):
            last_ns = frame.info.t_mono_ns
            first_ns = last_ns if first_ns is None else first_ns
            if last_ns - first_ns > _SAMPLE_NS:
                break
            if paces[frame.info.camera_id].wants(last_ns):
                pipeline.analyse(frame.read())
        if first_ns is not None:
            seen_ns += (last_ns - first_ns) * len(footage.facts.cameras)
            took_ns += clock.mono_ns() - begin_ns
    if stop.is_set() or seen_ns == 0 or took_ns == 0:
        return None
    return Estimate(
        takes_us=footage.facts.length_us * took_ns // seen_ns,
        times_as_fast=seen_ns / took_ns,
        sample_us=seen_ns // NS_PER_US,
    )
