"""The capture process: one thread a camera, and the word on whether the pole sees."""

from __future__ import annotations

import threading

from roeh.capture.camera import Camera
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK
from roeh.core.ipc.report import Reporter
from roeh.core.ipc.slots import FrameServer
from roeh.core.log import log_error, log_for
from roeh.core.notify import Notifier
from roeh.core.paths import evidence_socket, frames_socket
from roeh.core.peers import Role
from roeh.core.users import node_users

_PERIOD_S = 1.0

_log = log_for("capture")


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Read the cameras until `stop` or until every source has ended.

    Raises:
        SourceUnreadable: a source cannot be opened at all, or failed for good.
    """
    notifier = Notifier()
    server = FrameServer(
        frames_socket(config), node_users(config), on_refused=lambda error: log_error(_log, error)
    )
    cameras = [
        Camera(
            section,
            clock,
            server,
            detect_fps=config.detect.fps,
            heading_deg=config.node.heading_deg,
            stop=stop,
        )
        for section in config.sensors
    ]
    reporter = Reporter(evidence_socket(config), Role.CAPTURE, clock)
    try:
        for camera in cameras:
            camera.start()
        notifier.ready("reading cameras")
        _watch(cameras, clock, stop, notifier, reporter)
        for camera in cameras:
            camera.join()
            if camera.failure is not None:
                raise camera.failure
    finally:
        notifier.stopping()
        reporter.close()
        server.close()
    return EXIT_OK


def _watch(
    cameras: list[Camera],
    clock: Clock,
    stop: threading.Event,
    notifier: Notifier,
    reporter: Reporter,
) -> None:
    """Report, and pet the watchdog for as long as frames arrive."""
    seen = -1
    while not stop.is_set() and any(camera.running for camera in cameras):
        total = sum(camera.frames for camera in cameras)
        if total != seen:
            notifier.progress()
            seen = total
        _report(cameras, reporter)
        clock.wait(_PERIOD_S, stop)
    _report(cameras, reporter)


def _report(cameras: list[Camera], reporter: Reporter) -> None:
    blind = "; ".join(detail for camera in cameras if (detail := camera.blind_detail()))
    counters: dict[str, float] = {}
    for camera in cameras:
        counters.update(camera.counters())
    reporter.update("blind" if blind else "ok", blind, counters)
