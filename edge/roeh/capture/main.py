"""The capture process: one thread a camera, and the word on whether the pole sees."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from roeh.capture.camera import Camera
from roeh.capture.output_listener import OutputListener
from roeh.capture.outputs import Outputs
from roeh.capture.recording import CameraRecording, RecordingCounters
from roeh.capture.sound import SoundTeller
from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import EvidenceSection, NodeConfig
from roeh.core.errors import EXIT_OK
from roeh.core.ids import ClockIds
from roeh.core.ipc.report import Reporter, State
from roeh.core.ipc.slots import FrameServer
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.metrics import node_metrics
from roeh.core.notify import Notifier
from roeh.core.order_listener import OrderListener
from roeh.core.paths import evidence_socket, frames_socket
from roeh.core.peers import Role
from roeh.core.types import MAX_COUNTERS
from roeh.core.users import node_users
from roeh.sources.protocol import WantedVideo

if TYPE_CHECKING:
    from roeh.sources.microphone.microphone import Microphone

_PERIOD_S = 1.0
#: How long the end waits, all together, for evidence to take what is not stored yet.
_DRAIN_S = 2.5

_log = log_for("capture")


def run(
    config: NodeConfig, clock: Clock, stop: threading.Event, *, period_s: float = _PERIOD_S
) -> int:
    """Read the cameras until `stop` or until every source has ended.

    One that cannot be opened, or fails for good, is blind; the others go on.

    Args:
        config: the node's.
        clock: of frames and waits.
        stop: ends it.
        period_s: from report to report.

    Raises:
        SourceUnreadable: no source can be opened, or one failed and the others have ended.
    """
    notifier = Notifier()
    # First of all: what an end of capture left on goes off.
    outputs = Outputs(config.outputs, clock)
    server = FrameServer(
        frames_socket(config), node_users(config), on_refused=lambda error: log_error(_log, error)
    )
    recordings = _recordings(config, clock)
    microphone = _microphone(config, clock, server)
    cameras = [
        Camera(
            section,
            clock,
            server,
            detect_fps=config.detect.fps,
            heading_deg=config.node.heading_deg,
            stop=stop,
            recording=recording,
            video=_wanted_video(config.evidence),
        )
        for section, recording in zip(config.sensors, recordings, strict=True)
    ]
    metrics = node_metrics(config, Role.CAPTURE.value, clock)
    reporter = Reporter(evidence_socket(config), Role.CAPTURE, clock, metrics)
    orders = OrderListener(evidence_socket(config), Role.CAPTURE, clock, stop, outputs.carry_out)
    listener = OutputListener(evidence_socket(config), clock, outputs) if config.outputs else None
    try:
        for camera in cameras:
            camera.start()
        if microphone is not None:
            microphone.start()
        _tell_failures(cameras)
        notifier.ready("reading cameras")
        report = functools.partial(_report, cameras, outputs, microphone, reporter)
        _watch(cameras, clock, stop, notifier, report, period_s=period_s)
        for camera in cameras:
            camera.join()
        for camera in cameras:
            if camera.failure is not None and not stop.is_set():
                raise camera.failure
    finally:
        notifier.stopping()
        outputs.close()
        if microphone is not None:
            microphone.close()
        drained_ns = clock.mono_ns() + int(_DRAIN_S * NS_PER_S)
        for camera in cameras:
            camera.finish_recording(max(0.0, (drained_ns - clock.mono_ns()) / NS_PER_S))
        if listener is not None:
            listener.close()
        orders.close()
        reporter.close()
        server.close()
    return EXIT_OK


def _tell_failures(cameras: list[Camera]) -> None:
    """Those that cannot be opened, at once: the others may go on for months.

    Raises:
        SourceUnreadable: none can be, so this pole sees nothing at all.
    """
    failed = [camera for camera in cameras if camera.failure is not None]
    first = failed[0].failure if len(failed) == len(cameras) else None
    # The one that is raised is told by whoever started this.
    for camera in failed[first is not None :]:
        camera.tell_failure()
    if first is not None:
        raise first


def _recordings(config: NodeConfig, clock: Clock) -> list[CameraRecording | None]:
    """One for each sensor; None for all when nothing is recorded."""
    if not config.evidence.record:
        return [None] * len(config.sensors)
    capture_id = ClockIds(clock).new()
    return [
        CameraRecording(
            section,
            config.evidence,
            capture_id=capture_id,
            client=StreamClient(evidence_socket(config), Role.CAPTURE, clock),
            clock=clock,
        )
        for section in config.sensors
    ]


def _microphone(config: NodeConfig, clock: Clock, server: FrameServer) -> Microphone | None:
    """The pole's, if it has one; detect is told what it hears."""
    if not config.microphone.device:
        return None
    # Here and not above: most poles have none, and need not hold what measures sound.
    from roeh.sources.microphone.microphone import Microphone  # noqa: PLC0415

    return Microphone(config.microphone, clock, SoundTeller(server).hear)


def _wanted_video(settings: EvidenceSection) -> WantedVideo:
    """What a camera that encodes by itself is asked for."""
    return WantedVideo(
        bps=settings.encode_bps,
        gop_s=settings.encode_gop_s,
        is_masked=settings.mask_recording,
    )


def _watch(
    cameras: list[Camera],
    clock: Clock,
    stop: threading.Event,
    notifier: Notifier,
    report: Callable[[], None],
    *,
    period_s: float,
) -> None:
    """Report, and pet the watchdog for as long as frames arrive or are asked for anew.

    A camera that is away comes back by itself; starting capture again would not bring it back
    sooner. Of one that hangs in its driver nothing more comes: then the watchdog ends capture.
    """
    seen = -1
    while not stop.is_set() and any(camera.running for camera in cameras):
        total = sum(camera.frames for camera in cameras)
        if total != seen or any(camera.is_trying_again for camera in cameras):
            notifier.progress()
            seen = total
        report()
        clock.wait(period_s, stop)
    report()


def _report(
    cameras: list[Camera], outputs: Outputs, microphone: Microphone | None, reporter: Reporter
) -> None:
    recordings = {camera.name: camera.recording for camera in cameras if camera.recording}
    blind = [detail for camera in cameras if (detail := camera.blind_detail())]
    degraded = [detail for one in recordings.values() if (detail := one.trouble())]
    if trouble := outputs.trouble():
        degraded.append(trouble)
    if microphone is not None and (trouble := microphone.trouble()):
        degraded.append(trouble)
    remarks = [detail for one in recordings.values() if (detail := one.remark())]
    state: State = "blind" if blind else "degraded" if degraded else "ok"
    counters: dict[str, float] = {}
    for camera in cameras:
        counters.update(camera.counters())
    counters.update(recording_counters(recordings, MAX_COUNTERS - len(counters)))
    reporter.update(state, "; ".join(blind + degraded + remarks), counters)


def recording_counters(recordings: Mapping[str, CameraRecording], limit: int) -> dict[str, float]:
    """Those of each camera; of all together where a report cannot hold so many."""
    named: dict[str, float] = {}
    total: RecordingCounters | None = None
    for camera, recording in recordings.items():
        counted = recording.counters()
        named.update(counted.named(camera))
        total = counted if total is None else total.joined(counted)
    if len(named) <= limit or total is None:
        return named
    return total.named("all")
