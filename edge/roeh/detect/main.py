"""The detect process: frames in, alerts out; each slot given back as soon as it was seen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import cv2
import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S, Clock, process_cpu_ns
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK, OutputRefused, PeerGone
from roeh.core.ids import ClockIds, Ids
from roeh.core.ipc.report import Reporter
from roeh.core.ipc.slots import FrameClient, OfferedFrame
from roeh.core.log import log_for
from roeh.core.metrics import node_metrics
from roeh.core.notify import Notifier
from roeh.core.order_listener import OrderListener
from roeh.core.paths import evidence_socket, frames_socket
from roeh.core.peers import Role
from roeh.detect.alerts import AlertBuilder
from roeh.detect.operations_teller import OperationsTeller
from roeh.detect.orders import DetectOrders
from roeh.detect.sender import AlertSender
from roeh.detect.spending import Spending
from roeh.detect.threads import with_measured_threads
from roeh.detect.tracklog import write_tracks
from roeh.media.frames import PixelFrame, pixel_shape
from roeh.vision.pipeline import Pipeline
from roeh.vision.scene import SoundLevel

_WAIT_S = 0.5
_RECONNECT_S = 0.1
_REPORT_PERIOD_NS = NS_PER_S
#: So long what is heard waits for a picture to be told with.
_SOUND_WAITS_NS = 3 * NS_PER_S // 2
_CLOSE_PATIENCE_S = 3.0

_log = log_for("detect")


def run(config: NodeConfig, clock: Clock, stop: threading.Event) -> int:
    """Analyse frames until `stop`.

    Raises:
        ModelMissing, ModelRefused, RuntimeMissing: nothing can be detected.
        OutputRefused: the track log cannot be written.
    """
    # One thread each: the network has the machine's other core to itself.
    cv2.setNumThreads(1)
    notifier = Notifier()
    config = with_measured_threads(config, clock)
    pipeline = Pipeline(config)
    ids = ClockIds(clock)
    sender = AlertSender(evidence_socket(config), clock, ids)
    metrics = node_metrics(config, Role.DETECT.value, clock)
    reporter = Reporter(evidence_socket(config), Role.DETECT, clock, metrics)
    frames = FrameClient(frames_socket(config))
    with contextlib.ExitStack() as stack:
        stack.callback(frames.close)
        stack.callback(reporter.close)
        stack.callback(sender.close, _CLOSE_PATIENCE_S)
        track_log = stack.enter_context(_open_log(config.detect.track_log))
        orders = DetectOrders(config, pipeline.rules, stop)
        socket_path = evidence_socket(config)
        listener = OrderListener(socket_path, Role.DETECT, clock, stop, orders.carry_out)
        stack.callback(listener.close)
        operations = pipeline.rules.operations
        teller = OperationsTeller(socket_path, clock, operations, lambda: listener.has_caught_up)
        stack.callback(teller.close)
        loop = _Loop(config, clock, pipeline, sender, ids, orders=orders, track_log=track_log)
        notifier.ready("watching")
        next_report_ns = clock.mono_ns()
        while not stop.is_set():
            loop.step(frames, stop)
            # Without frames there is nothing to do, and that was done.
            notifier.progress()
            if clock.mono_ns() >= next_report_ns:
                next_report_ns = clock.mono_ns() + _REPORT_PERIOD_NS
                loop.report(reporter)
        loop.report(reporter)
        notifier.stopping()
    return EXIT_OK


class _Loop:
    """One frame after the other."""

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        pipeline: Pipeline,
        sender: AlertSender,
        ids: Ids,
        *,
        orders: DetectOrders,
        track_log: TextIO | None,
    ) -> None:
        self._clock = clock
        self._pipeline = pipeline
        self._sender = sender
        self._orders = orders
        self._track_log = track_log
        self._builder = AlertBuilder(config, pipeline.rig, ids, pipeline.models)
        self._threads = max(1, config.detect.threads)
        self._spending = Spending(config, pipeline, clock)
        self._analysed = self._skipped = self._tiles = 0
        self._first_frame_mono_ns = 0
        self._capture_there = True
        self._analysed_ns = clock.mono_ns()

    def step(self, frames: FrameClient, stop: threading.Event) -> None:
        """Analyse what waits, or wait for it for a moment."""
        waiting = self._waiting(frames, stop)
        try:
            for offered in waiting:
                if self._spending.wants(offered.info):
                    self._analyse(offered, frames.take_sound_db(), stop)
                offered.release()
            if not waiting:
                self._watch_silence(frames, stop)
        finally:
            for offered in waiting:
                offered.release()
        offered_count = self._analysed + self._skipped + self._spending.saved
        self._spending.judge(offered_count, self._skipped)

    def report(self, reporter: Reporter) -> None:
        """Tell how it goes."""
        trouble = self._sender.trouble
        if not self._capture_there:
            reporter.update("degraded", "waiting for capture", self._counters())
        elif trouble:
            reporter.update("degraded", f"alerts wait: {trouble}", self._counters())
        elif self._spending.given_up:
            detail = f"given up to hold the budget: {self._spending.given_up}"
            reporter.update("degraded", detail, self._counters())
        else:
            reporter.update("ok", "", self._counters())

    def _waiting(self, frames: FrameClient, stop: threading.Event) -> list[OfferedFrame]:
        """The newest frame of each camera that has one, in the order of their times.

        Late is worse than rare: of one camera's frames that wait, only the last is seen.
        """
        newest: dict[str, OfferedFrame] = {}
        try:
            offered = frames.next(_WAIT_S)
            self._capture_there = True
            while offered is not None:
                earlier = newest.get(offered.info.camera_id)
                if earlier is not None:
                    earlier.release()
                    self._skipped += 1
                newest[offered.info.camera_id] = offered
                offered = frames.next(0.0)
        except PeerGone:
            # What it gave before it went is still there to be seen.
            if not newest:
                self._without_capture(stop)
        return sorted(newest.values(), key=lambda offered: offered.info.t_mono_ns)

    def _without_capture(self, stop: threading.Event) -> None:
        if self._capture_there:
            _log.info("no frames: capture is away")
        self._capture_there = False
        self._clock.wait(_RECONNECT_S, stop)

    def _analyse(
        self, offered: OfferedFrame, sound_db: float | None, stop: threading.Event
    ) -> None:
        info = msgspec.structs.replace(offered.info, sound_db=sound_db)
        self._analysed_ns = self._clock.mono_ns()
        shape = pixel_shape(info.width_px, info.height_px, info.pixel_format)
        frame = PixelFrame(info, np.frombuffer(offered.memory, np.uint8).reshape(shape))
        analysis = self._pipeline.analyse(frame)
        self._orders.see(frame, analysis.tracks)
        self._analysed += 1
        self._tiles += analysis.tiles
        if self._first_frame_mono_ns == 0:
            self._first_frame_mono_ns = self._clock.mono_ns()
        if analysis.findings:
            synchronised = self._clock.read().synchronised
            for finding in analysis.findings:
                with self._pipeline.stages.stage("thumbnail"):
                    alert = self._builder.build(
                        finding, frame, analysis.tracks, synchronised=synchronised
                    )
                self._sender.send(alert, stop)
        if self._track_log is not None:
            write_tracks(analysis.tracks, self._track_log)
            self._track_log.flush()

    def _watch_silence(self, frames: FrameClient, stop: threading.Event) -> None:
        """Tell what there is to be told although no picture comes."""
        now = self._clock.read()
        sound: SoundLevel | None = None
        if now.t_mono_ns - self._analysed_ns > _SOUND_WAITS_NS:
            sound_db = frames.take_sound_db()
            sound = None if sound_db is None else SoundLevel(level_db=sound_db)
        for finding in self._pipeline.rules.tick(now, sound):
            self._sender.send(self._builder.build_without_picture(finding, now), stop)

    def _counters(self) -> dict[str, float]:
        return {
            "frames_analysed": self._analysed,
            "frames_skipped": self._skipped,
            "frames_saved": self._spending.saved,
            "budget_steps": self._spending.level,
            "threads": self._threads,
            "tiles_looked_at": self._tiles,
            "first_frame_mono_s": self._first_frame_mono_ns / NS_PER_S,
            "cpu_process_s": process_cpu_ns() / NS_PER_S,
            **self._sender.counters(),
            **self._pipeline.stages.counters(),
        }


@contextlib.contextmanager
def _open_log(path: str) -> Iterator[TextIO | None]:
    if not path:
        yield None
        return
    try:
        Path(path).touch()
    except OSError as error:
        raise OutputRefused(
            what=f"cannot write ({error.strerror})",
            which=f"detect.track_log = {path}",
            remedy="name a file in a directory that this user can write",
        ) from None
    with Path(path).open("a", encoding="utf-8") as log:
        yield log
