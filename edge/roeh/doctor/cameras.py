"""What a node sees by: its model, its lenses, and where its north is from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import ComposedSource, NodeConfig, PanoramaSource
from roeh.core.errors import RoehError
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad_error, doubtful, good
from roeh.doctor.machine import models_in
from roeh.vision.manifest import open_model


def check_chosen_model(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """The model that the configuration names, and the directory it names."""
    directory = Path(config.paths.model_dir) if config.paths.model_dir else None
    if directory is not None:
        yield from models_in(directory)
    if not config.detect.model:
        yield good("detect.model is left to the node, which takes the one that fits the lens")
        return
    try:
        model = open_model(config.detect.model, directory)
    except RoehError as error:
        yield bad_error(Code.MODEL_MISSING, error)
    else:
        yield good(f"{model.name}, sha256 {model.sha256[:16]}...")


def check_north(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """Where the pole's heading is from: a compass beside steel may be off by several degrees."""
    node = config.node
    heading = f"heading {node.heading_deg:g} +- {node.heading_sigma_deg:g} degrees"
    remedy = "measure two points on the ground: roeh calibrate pose --points FILE"
    if node.north_from == "ground_points":
        yield good(f"{heading}, from ground points")
    elif node.north_from == "compass":
        yield doubtful(
            Code.NORTH_COMPASS,
            f"{heading}, from a magnetic compass alone: beside steel it may be off by several "
            "degrees",
            remedy,
        )
    else:
        yield doubtful(
            Code.NORTH_UNKNOWN, f"{heading}, and nothing says where that is from", remedy
        )


def check_lenses(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """Whether each lens was measured, or stands as its data sheet says."""
    for sensor in config.sensors:
        lens = sensor.lens
        fov = f"{sensor.name}: {lens.model}, {lens.fov_deg:g} degrees"
        if isinstance(sensor.source, ComposedSource | PanoramaSource):
            yield good(f"{fov}, drawn and exact")
        elif lens.focal_px is None and not any(lens.k):
            yield doubtful(Code.LENS_NOMINAL, f"{fov}, from the data sheet alone")
        else:
            yield good(f"{fov}, calibrated")
