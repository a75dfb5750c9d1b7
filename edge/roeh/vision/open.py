"""Putting a detector together from names: model, runtime, tiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from roeh.optics.ground import GroundPlane
from roeh.optics.lens import is_fisheye
from roeh.optics.rig import Rig, Sensor
from roeh.vision.detector import SensorDetector
from roeh.vision.layout import default_model, sameness_for, still_tiles_for, tiles_for
from roeh.vision.manifest import VerifiedModel, open_model
from roeh.vision.nanodet import NanodetDecoder, same_threshold
from roeh.vision.runner import open_runner
from roeh.vision.stages import StageTimes


def open_model_for(sensor: Sensor, model: str, model_dir: str) -> VerifiedModel:
    """The named model, or the one that fits the sensor when no name is given.

    Raises:
        ModelMissing, ModelRefused: see `roeh.vision.manifest`.
    """
    return open_model(model or default_model(sensor), Path(model_dir) if model_dir else None)


#: From which confidence a look at a still counts as a vote.
_VOTE_CONFIDENCE = 0.05
_NOTHING_NAMED = np.zeros((0, 2))


def open_detector(
    rig: Rig,
    sensor: Sensor,
    model: VerifiedModel,
    *,
    labels: Sequence[str],
    min_confidence: float,
    threads: int,
    max_range_m: float,
    check_height: bool,
    mask: npt.NDArray[np.bool_] | None = None,
    stages: StageTimes | None = None,
    named_m: npt.NDArray[np.float64] = _NOTHING_NAMED,
) -> SensorDetector:
    """A detector for one sensor's pictures as they come, its model loaded.

    `named_m` are outlines of the ground that rules name, points (n, 2) east and north.

    Raises:
        ModelRefused, RuntimeMissing: the model cannot be run here.
    """
    named = GroundPlane(rig, sensor).sights_of(named_m)
    return SensorDetector(
        rig,
        sensor,
        tiles_for(sensor, model.input_size, named),
        open_runner(model, threads=threads),
        _decoder(model, labels, min_confidence),
        mask=mask,
        max_range_m=max_range_m,
        check_height=check_height,
        sameness=sameness_for(sensor),
        stages=stages,
    )


def open_still_detector(
    rig: Rig,
    sensor: Sensor,
    model: VerifiedModel,
    *,
    labels: Sequence[str],
    min_confidence: float,
    threads: int,
    max_range_m: float,
) -> SensorDetector:
    """A detector for single pictures: it takes more time, and refuses nothing by its height.

    From a fisheye it also gives what fell below `min_confidence` in the vote.

    Raises:
        ModelRefused, RuntimeMissing: the model cannot be run here.
    """
    careful = is_fisheye(sensor.lens)
    if careful:
        min_confidence = min(min_confidence, _VOTE_CONFIDENCE)
    return SensorDetector(
        rig,
        sensor,
        still_tiles_for(sensor, model.input_size),
        open_runner(model, threads=threads),
        _decoder(
            model, labels, min(min_confidence, _VOTE_CONFIDENCE) if careful else min_confidence
        ),
        max_range_m=max_range_m,
        check_height=False,
        sameness=sameness_for(sensor),
        careful=careful,
    )


def _decoder(model: VerifiedModel, labels: Sequence[str], min_confidence: float) -> NanodetDecoder:
    return NanodetDecoder(
        input_size=model.input_size,
        labels=model.labels,
        classes=same_threshold(labels, min_confidence),
    )
