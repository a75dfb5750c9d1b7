"""The configured sensors: does each give a picture, and is there a model for it?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, RtspSource, SensorSection
from roeh.core.errors import RoehError
from roeh.doctor.finding import Outcome, bad, bad_error, doubtful, good
from roeh.doctor.machine import models_in
from roeh.doctor.network import ask_rtsp
from roeh.vision.manifest import open_model


def check_sources(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """A first picture from every source; a network camera is only asked whether it is there."""
    for sensor in config.sensors:
        if isinstance(sensor.source, RtspSource):
            outcome = ask_rtsp(sensor.source)
        else:
            outcome = _first_picture(sensor, clock)
        name = f"sensor {sensor.name}"
        # An error of a source names the sensor by itself.
        what = outcome.what if name in outcome.what else f"{name}: {outcome.what}"
        yield Outcome(verdict=outcome.verdict, what=what, remedy=outcome.remedy)


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
        yield bad_error(error)
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
            f"{heading}, from a magnetic compass alone: beside steel it may be off by several "
            "degrees",
            remedy,
        )
    else:
        yield doubtful(f"{heading}, and nothing says where that is from", remedy)


def _first_picture(sensor: SensorSection, clock: Clock) -> Outcome:
    try:
        # Here and not above: the doctor has to speak where these libraries are missing.
        from roeh.sources.factory import open_source
        from roeh.sources.protocol import SourceNotice, SourceState
    except ImportError as error:
        return bad(f"cannot be tried ({error})", "mend the libraries first (see above)")
    stop = threading.Event()
    stalls: list[str] = []

    def observe(notice: SourceNotice) -> None:
        # A camera would be tried again and again; to be told of it once is enough.
        if notice.state is SourceState.STALLED:
            stalls.append(notice.detail)
            stop.set()

    try:
        with open_source(
            sensor.source, sensor=sensor, clock=clock, paced=False, observer=observe
        ) as source:
            frame = next(iter(source.frames(stop)), None)
    except RoehError as error:
        return bad_error(error)
    if stalls:
        return bad(f"gives no picture ({stalls[0]})", "see what edge/docs/cameras.md says of it")
    if frame is None:
        return bad("gives no picture", "give a video with at least one frame")
    return good(f"gives pictures of {frame.info.width_px}x{frame.info.height_px} px")
