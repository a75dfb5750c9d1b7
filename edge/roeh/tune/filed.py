"""Footage out of a video file: a clip that was cut from a recording, or any other."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

from roeh.core.clock import NS_PER_US, SimulatedClock
from roeh.core.config import NodeConfig, SensorSection
from roeh.core.errors import ConfigError
from roeh.detect.replay import source_of
from roeh.ledger.utc_spans import UtcSpan
from roeh.media.frames import PixelFrame
from roeh.sources.factory import open_source
from roeh.sources.footage import probe
from roeh.sources.protocol import SourceFrame
from roeh.tune.footage import FootageFacts, Moment

_READ_BYTES = 1 << 20
_US_PER_S = 1_000_000


class FiledFootage:
    """The `Footage` of one video file, as one camera's.

    Args:
        video: the file.
        config: the node whose camera it is.
        camera_id: which one; None where there is one.
        begin_us: UTC of its first picture; hours of rules hold by it.

    Raises:
        SourceUnreadable: it is no video.
        ConfigError: not clear which camera it is of.
    """

    def __init__(
        self, video: Path, config: NodeConfig, camera_id: str | None, begin_us: int
    ) -> None:
        self._video = video
        self._section = _section(config, camera_id)
        self._heading_deg = config.node.heading_deg
        self._begin_us = begin_us
        self._length_us = round((probe(str(video)).duration_s or 0.0) * _US_PER_S)
        self._identity = _sha256(video)

    @property
    def facts(self) -> FootageFacts:
        """What there is of it."""
        return FootageFacts(
            identity=f"video of SHA-256 {self._identity}",
            cameras=(self._section.name,),
            when=UtcSpan(self._begin_us, self._begin_us + self._length_us),
            length_us=self._length_us,
        )

    @property
    def damages(self) -> tuple[str, ...]:
        """Nobody tells of a file what it was: nothing can be compared."""
        return ()

    def frames(
        self, stop: threading.Event, *, since: Moment | None = None
    ) -> Iterator[SourceFrame]:
        """Its pictures; those before `since` are decoded and passed over."""
        clock = SimulatedClock(t_utc_ns=self._begin_us * NS_PER_US)
        source = open_source(
            source_of(self._section, self._video),
            sensor=self._section,
            clock=clock,
            paced=False,
            heading_deg=self._heading_deg,
        )
        with source:
            for frame in source.frames(stop):
                if since is None or frame.info.t_mono_ns >= since.t_mono_ns:
                    yield frame

    def samples(self, count: int) -> tuple[Moment, ...]:
        """Its beginning: the rest would have to be decoded up to there."""
        del count
        return (Moment(SimulatedClock().read().boot_id, 0),)

    def picture(self, camera_id: str, at: Moment) -> PixelFrame | None:
        """The first picture from that moment on."""
        del camera_id
        frame = next(self.frames(threading.Event(), since=at), None)
        return None if frame is None else frame.read()


def _section(config: NodeConfig, camera_id: str | None) -> SensorSection:
    named = [one for one in config.sensors if camera_id in (None, one.name)]
    if len(named) != 1:
        raise ConfigError(
            what="not clear which camera the video is of",
            which="--camera",
            remedy=f"name one of: {', '.join(one.name for one in config.sensors)}",
        )
    return named[0]


def _sha256(video: Path) -> str:
    digest = hashlib.sha256()
    with video.open("rb") as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
