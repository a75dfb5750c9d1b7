"""From a sensor's configuration to the source of its pictures."""

from __future__ import annotations

from roeh.core.clock import Clock
from roeh.core.config import (
    ComposedSource,
    FileSource,
    GstreamerSource,
    PanoramaSource,
    Picamera2Source,
    RtspSource,
    SensorSection,
    SourceSection,
    V4l2Source,
)
from roeh.core.types import Size
from roeh.optics.configured import sensor_from
from roeh.optics.rig import Rig
from roeh.sources.coded import CodedObserver
from roeh.sources.drawn.composed import ComposedFrames
from roeh.sources.drawn.panorama import PanoramaFrames
from roeh.sources.file import FileFrames
from roeh.sources.gstreamer.frames import GstreamerFrames
from roeh.sources.network.rtsp import RtspFrames
from roeh.sources.picamera2.frames import Picamera2Frames
from roeh.sources.protocol import Source, SourceObserver, WantedVideo, ignore_notices
from roeh.sources.v4l2.frames import V4l2Frames


def open_source(
    section: SourceSection,
    *,
    sensor: SensorSection,
    clock: Clock,
    paced: bool,
    heading_deg: float = 0.0,
    observer: SourceObserver = ignore_notices,
    coded: CodedObserver | None = None,
    video: WantedVideo | None = None,
) -> Source:
    """The source that a configuration describes, not yet entered.

    Args:
        section: what to read; `sensor.source` unless a command says otherwise.
        sensor: whose pictures they are to be; all frames have its lens's size.
        clock: what frames are timed by.
        paced: True: as a camera gives them. False: as fast as they are asked for, with
            times that depend on the footage alone. A network camera is always paced.
        heading_deg: true bearing of the pole's forward mark, for drawn ground truth.
        observer: told when the source connects, stalls, comes back or ends.
        coded: given the compressed pictures where the source has them; told at once of
            one that draws its pictures.
        video: what a camera on this board is to encode for `coded`.
    """
    lens_size = Size(sensor.lens.width_px, sensor.lens.height_px)
    if isinstance(section, FileSource):
        return FileFrames(
            section.path,
            camera_id=sensor.name,
            clock=clock,
            paced=paced,
            loop=section.loop,
            lens_size=lens_size,
            observer=observer,
            coded=coded,
        )
    if coded is not None and isinstance(section, PanoramaSource | ComposedSource):
        coded.begins("drawn pictures", is_coded=False)
    if isinstance(section, PanoramaSource):
        return PanoramaFrames(
            section, sensor=sensor_from(sensor), clock=clock, paced=paced, observer=observer
        )
    if isinstance(section, ComposedSource):
        camera = sensor_from(sensor)
        rig = Rig((camera,), heading_deg=heading_deg, heading_sigma_deg=0.0)
        return ComposedFrames(
            section, rig=rig, sensor=camera, clock=clock, paced=paced, observer=observer
        )
    if isinstance(section, V4l2Source):
        return V4l2Frames(
            section,
            camera_id=sensor.name,
            clock=clock,
            lens_size=lens_size,
            light=sensor.light,
            observer=observer,
            coded=coded,
            is_masked=bool(sensor.masks) and (video or WantedVideo()).is_masked,
        )
    if not isinstance(section, RtspSource):
        return _board_camera(
            section,
            sensor=sensor,
            clock=clock,
            observer=observer,
            coded=coded,
            video=video or WantedVideo(),
        )
    return RtspFrames(
        section,
        camera_id=sensor.name,
        clock=clock,
        lens_size=lens_size,
        observer=observer,
        coded=coded,
    )


def _board_camera(
    section: Picamera2Source | GstreamerSource,
    *,
    sensor: SensorSection,
    clock: Clock,
    observer: SourceObserver,
    coded: CodedObserver | None,
    video: WantedVideo,
) -> Source:
    """A camera on this board that encodes."""
    if isinstance(section, GstreamerSource):
        return GstreamerFrames(
            section, sensor=sensor, clock=clock, observer=observer, coded=coded, video=video
        )
    return Picamera2Frames(
        section, sensor=sensor, clock=clock, observer=observer, coded=coded, video=video
    )
