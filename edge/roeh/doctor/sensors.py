"""A picture of every sensor, and what it tells.

Of a node that stands still by opening its sources, of one that runs from what it recorded:
nobody takes a camera from a running node.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig, RtspSource, SensorSection
from roeh.core.errors import LensError, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket, frames_socket
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, bad_error, doubtful, good
from roeh.doctor.network import ask_rtsp
from roeh.doctor.running import is_bound

if TYPE_CHECKING:
    from roeh.media.frames import UInt8Image

#: A group of pictures is a second or two; beyond this a camera has stopped.
_FRESH_US = 30_000_000
_US_PER_S = 1_000_000
_FIRST_PICTURE_S = 20.0


def check_sources(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """Whether each gives a picture, and what the picture tells."""
    node_has_them = is_bound(frames_socket(config))
    status = node_status(config, clock) if is_bound(evidence_socket(config)) else None
    for sensor in config.sensors:
        if node_has_them:
            outcomes = _of_running_node(sensor, status, config, clock)
        elif isinstance(sensor.source, RtspSource):
            outcomes = iter((ask_rtsp(sensor.source),))
        else:
            outcomes = _first_picture(sensor, clock)
        name = f"sensor {sensor.name}"
        for outcome in outcomes:
            # An error of a source names the sensor by itself.
            what = outcome.what if name in outcome.what else f"{name}: {outcome.what}"
            yield msgspec.structs.replace(outcome, what=what)


def judge_running(sensor: str, status: NodeStatus) -> Outcome:
    """What a node that runs knows of one of its cameras."""
    ages_us = {camera.camera_id: camera.fragment_age_us for camera in status.cameras}
    age_us = ages_us.get(sensor)
    if age_us is not None and age_us <= _FRESH_US:
        return good(f"the node runs and recorded it {age_us / _US_PER_S:.0f} s ago")
    said = [
        line
        for report in status.reports
        if report.process == Role.CAPTURE.value
        for line in report.detail.split("; ")
        if line.startswith(f"{sensor}:")
    ]
    if said:
        return bad(Code.CAMERA_SILENT, f"the running node says: {said[0]}")
    if age_us is not None:
        seconds = age_us / _US_PER_S
        return bad(Code.CAMERA_SILENT, f"the running node last recorded it {seconds:.0f} s ago")
    return doubtful(Code.CAMERA_UNKNOWN, "the node runs, and has not recorded it")


def _of_running_node(
    sensor: SensorSection, status: NodeStatus | None, config: NodeConfig, clock: Clock
) -> Iterator[Outcome]:
    if status is None:
        yield doubtful(Code.CAMERA_UNKNOWN, "the node has it, and evidence does not answer")
        return
    outcome = judge_running(sensor.name, status)
    if outcome.verdict != "OK" and isinstance(sensor.source, RtspSource):
        # Why: a network camera can be asked beside the node.
        asked = ask_rtsp(sensor.source)
        outcome = asked if asked.verdict == "FAIL" else outcome
    yield outcome
    if outcome.verdict != "OK":
        return
    try:
        # Here and not above: the doctor has to speak where these libraries are missing.
        from roeh.custody.link import evidence_link
        from roeh.custody.newest_picture import newest_picture

        with evidence_link(config, clock) as link:
            picture = newest_picture(link, config, sensor, clock)
    except ImportError as error:
        yield bad(Code.LIBRARY_MISSING, f"its picture cannot be looked at ({error})")
    except LensError as error:
        yield bad_error(Code.CAMERA_SIZE, error)
    except RoehError as error:
        yield doubtful(Code.CAMERA_UNKNOWN, f"{error.what}: {error.which}", error.remedy)
    else:
        yield from _judged(picture, sensor)


def _first_picture(sensor: SensorSection, clock: Clock) -> Iterator[Outcome]:
    try:
        from roeh.sources.factory import open_source
        from roeh.sources.one_picture import at_lens_size
        from roeh.sources.protocol import SourceNotice, SourceState
    except ImportError as error:
        remedy = "mend the libraries first (see above)"
        yield bad(Code.LIBRARY_MISSING, f"cannot be tried ({error})", remedy)
        return
    stop = threading.Event()
    stalls: list[str] = []

    def observe(notice: SourceNotice) -> None:
        # A camera would be tried again and again; to be told of it once is enough.
        if notice.state is SourceState.STALLED:
            stalls.append(notice.detail)
            stop.set()

    patience = threading.Timer(_FIRST_PICTURE_S, stop.set)
    patience.daemon = True
    patience.start()
    picture: UInt8Image | None = None
    try:
        with open_source(
            sensor.source, sensor=sensor, clock=clock, paced=False, observer=observe
        ) as source:
            frame = next(iter(source.frames(stop)), None)
            if frame is not None:
                size = f"{frame.info.width_px}x{frame.info.height_px} px"
                picture = frame.read().bgr()
        if picture is not None:
            fitted = at_lens_size(picture, sensor)
    except LensError as error:
        yield bad_error(Code.CAMERA_SIZE, error)
        return
    except RoehError as error:
        yield bad_error(Code.CAMERA_SILENT, error)
        return
    finally:
        patience.cancel()
    if stalls:
        remedy = "see what edge/docs/cameras.md says of it"
        yield bad(Code.CAMERA_SILENT, f"gives no picture ({stalls[0]})", remedy)
    elif picture is None:
        yield bad(Code.CAMERA_SILENT, "gives no picture", "give a video with at least one frame")
    else:
        yield good(f"gives pictures of {size}")
        yield from _judged(fitted, sensor)


def _judged(picture: UInt8Image, sensor: SensorSection) -> Iterator[Outcome]:
    from roeh.doctor.pictures import judge_picture

    yield from judge_picture(picture, sensor)


def node_status(config: NodeConfig, clock: Clock) -> NodeStatus | None:
    """What a node that runs says of itself; None if it does not answer."""
    client = StreamClient(evidence_socket(config), Role.CUSTODY, clock, timeout_s=2.0)
    try:
        return client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
    except RoehError:
        return None
    finally:
        client.close()
