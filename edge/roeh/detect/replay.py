"""`roeh replay`: a video analysed offline, faster than real time, always with the same result.

Time is the video's own, ids derive from its bytes and the configuration, and every
picture that live detection would be offered is looked at: nothing depends on how fast
the machine is.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import cv2
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import (
    FileSource,
    NodeConfig,
    PanoramaSource,
    PathsSection,
    SensorSection,
    SourceSection,
)
from roeh.core.errors import EXIT_INTERRUPTED, EXIT_OK, ConfigError, OutputRefused
from roeh.core.ids import DerivedIds
from roeh.core.log import log_for
from roeh.core.types import Alert, AlertPhase
from roeh.detect.alerts import AlertBuilder
from roeh.detect.ordinary import ordinary_video
from roeh.detect.tracklog import write_tracks
from roeh.media.frames import PixelFrame
from roeh.sources.factory import open_source
from roeh.sources.footage import probe
from roeh.sources.pace import OfferPace
from roeh.sources.protocol import SourceNotice, SourceState
from roeh.transport.messages import picture_suffix
from roeh.vision.pipeline import Pipeline

#: Replayed footage happens at a fixed time, so that the same video gives the same bytes.
REPLAY_EPOCH_UTC_NS = 1_700_000_000 * NS_PER_S

TRACKS_FILE = "tracks.jsonl"
ALERTS_FILE = "alerts.jsonl"
THUMBNAILS_DIR = "thumbnails"

_READ_BYTES = 1 << 20
#: Our own names, so that nothing else is ever removed.
_OWN_THUMBNAIL = re.compile(r"\d{4,}-[a-z0-9-]+\.(jpg|webp)")

_log = log_for("replay")


class ReplaySummary(msgspec.Struct, frozen=True):
    """What a replay did."""

    video: str
    frames_read: int
    frames_analysed: int
    video_s: float
    alerts_raised: int
    alert_messages: int
    tracks: int


def run_replay(
    video: Path,
    config: NodeConfig | None,
    out_dir: Path,
    *,
    as_json: bool,
    stop: threading.Event,
    out: TextIO,
) -> int:
    """Replay a video into `out_dir`: tracks.jsonl, alerts.jsonl, thumbnails/.

    Raises:
        SourceUnreadable: the video cannot be read.
        ConfigError: the configuration has several cameras.
        OutputRefused: the directory cannot be written.
    """
    cv2.setNumThreads(1)
    facts = probe(str(video))
    if config is None:
        config = ordinary_video(str(video), facts.size, loop=False)
    if len(config.sensors) != 1:
        raise ConfigError(
            what=f"a replay is of one camera, the configuration has {len(config.sensors)}",
            which=str(video),
            remedy="give a configuration with the one sensor whose video this is",
        )
    _make_directories(out_dir)
    console = Console(stderr=True)
    with Progress(
        TextColumn("replay"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %  {task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("replay", total=facts.duration_s or None, note="")
        replay = _Replay(video, config, out_dir)
        summary = replay.run(
            stop, lambda done_s, note: progress.update(task, completed=done_s, note=note)
        )
    if as_json:
        out.write(msgspec.json.encode(summary).decode() + "\n")
    else:
        out.write(
            f"{summary.video_s:.1f} s of video, {summary.frames_analysed} of"
            f" {summary.frames_read} frames analysed: {summary.tracks} tracks,"
            f" {summary.alerts_raised} alerts raised -> {out_dir}\n"
        )
    return EXIT_INTERRUPTED if stop.is_set() else EXIT_OK


class _Replay:
    def __init__(self, video: Path, config: NodeConfig, out_dir: Path) -> None:
        self._video = video
        self._out_dir = out_dir
        self._config = config
        self._clock = SimulatedClock(t_utc_ns=REPLAY_EPOCH_UTC_NS)
        self._pipeline = Pipeline(config)
        ids = DerivedIds(self._clock, _seed(video, config))
        self._builder = AlertBuilder(config, self._pipeline.rig, ids, self._pipeline.models)
        self._track_ids: set[int] = set()
        self._messages = self._raised = 0

    def run(
        self, stop: threading.Event, on_progress: Callable[[float, str], None]
    ) -> ReplaySummary:
        """Analyse to the end of the video or until `stop`."""
        (section,) = self._config.sensors
        source = open_source(
            source_of(section, self._video),
            sensor=section,
            clock=self._clock,
            paced=False,
            heading_deg=self._config.node.heading_deg,
            observer=_tell,
        )
        pace = OfferPace(self._config.detect.fps)
        read = analysed = 0
        first_ns = last_ns = 0
        tracks_path, alerts_path = self._out_dir / TRACKS_FILE, self._out_dir / ALERTS_FILE
        with (
            source,
            tracks_path.open("w", encoding="utf-8") as tracks,
            alerts_path.open("w", encoding="utf-8") as alerts,
        ):
            for frame in source.frames(stop):
                last_ns = frame.info.t_mono_ns
                first_ns = first_ns if read else last_ns
                read += 1
                if not pace.wants(last_ns):
                    continue
                self._clock.advance((last_ns - self._clock.mono_ns()) / NS_PER_S)
                self._analyse(frame.read(), tracks, alerts)
                analysed += 1
                on_progress((last_ns - first_ns) / NS_PER_S, f"{self._raised} alerts")
        return ReplaySummary(
            video=self._video.name,
            frames_read=read,
            frames_analysed=analysed,
            video_s=round((last_ns - first_ns) / NS_PER_S, 3),
            alerts_raised=self._raised,
            alert_messages=self._messages,
            tracks=len(self._track_ids),
        )

    def _analyse(self, frame: PixelFrame, tracks: TextIO, alerts: TextIO) -> None:
        analysis = self._pipeline.analyse(frame)
        write_tracks(analysis.tracks, tracks)
        self._track_ids.update(track.id for track in analysis.tracks if track.confirmed)
        for finding in analysis.findings:
            stored = self._builder.build(finding, frame, analysis.tracks, synchronised=True)
            self._messages += 1
            self._raised += finding.phase is AlertPhase.RAISED
            alert = Alert(**msgspec.structs.asdict(stored.draft), seq=self._messages)
            alerts.write(msgspec.json.encode(alert).decode() + "\n")
            if stored.thumbnail is not None:
                name = f"{alert.seq:04d}-{alert.rule}{picture_suffix(stored.thumbnail)}"
                path = self._out_dir / THUMBNAILS_DIR / name
                path.write_bytes(stored.thumbnail)


def _tell(notice: SourceNotice) -> None:
    """How the video ended: it may have been cut off, or damaged on the way."""
    if notice.state is SourceState.ENDED and notice.detail:
        _log.info("%s: %s", notice.camera_id, notice.detail)


def source_of(section: SensorSection, video: Path) -> SourceSection:
    """The video in place of the sensor's own; in a panorama, in place of its footage."""
    if isinstance(section.source, PanoramaSource):
        return msgspec.structs.replace(section.source, path=str(video), loop=False)
    return FileSource(path=str(video))


def _seed(video: Path, config: NodeConfig) -> bytes:
    """What the ids of a replay derive from: the video's bytes and the configuration.

    Where things lie on this machine is left out: the same video elsewhere is the same.
    """
    (section,) = config.sensors
    placeless = msgspec.structs.replace(
        config,
        paths=PathsSection(),
        sensors=(msgspec.structs.replace(section, source=source_of(section, Path())),),
    )
    digest = hashlib.sha256(msgspec.json.encode(placeless))
    with video.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.digest()


def _make_directories(out_dir: Path) -> None:
    """A place for the results: thumbnails of an earlier replay would mislead."""
    thumbnails = out_dir / THUMBNAILS_DIR
    try:
        thumbnails.mkdir(parents=True, exist_ok=True)
        if (out_dir / ALERTS_FILE).exists():
            for old in thumbnails.iterdir():
                if _OWN_THUMBNAIL.fullmatch(old.name):
                    old.unlink()
        for name in (TRACKS_FILE, ALERTS_FILE):
            (out_dir / name).touch()
    except OSError as error:
        raise OutputRefused(
            what=f"cannot write ({error.strerror})",
            which=str(out_dir),
            remedy="name a directory that this user can write",
        ) from None
