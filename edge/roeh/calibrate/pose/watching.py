"""People who stand or walk before a camera: their feet and heads through the real detector."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import (
    ComposedSource,
    FileSource,
    NodeConfig,
    PanoramaSource,
    SensorSection,
)
from roeh.core.types import Detection
from roeh.media.masks import mask_of, outside
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Lens
from roeh.optics.rig import Rig, Sensor
from roeh.sources.factory import open_source
from roeh.sources.protocol import Source, SourceFrame
from roeh.vision.detector import SensorDetector
from roeh.vision.open import open_detector, open_model_for
from roeh.vision.tracker import Tracker, TrackerSettings

#: Pictures a second looked at: enough to follow walkers, and no more.
_FPS = 4.0
_MIN_CONFIDENCE = 0.5
_MAX_RANGE_M = 25.0
#: Height by width of a box that somebody upright fills, whichever way they face.
_SLENDER = (1.3, 4.5)
#: A box that ends this near to where the lens sees nothing may be cut off.
_EDGE_PX = 6.0
_LEAST_LOOKS = 3


class SeenPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody upright in one picture.

    Attributes:
        sensor: whose picture it is.
        person: number of the track, which is this sensor's alone.
        t_ns: of the picture; on the monotonic clock, or since a recording's first picture.
        foot_px: (x, y) of the sensor's picture.
        head_px: (x, y) of the sensor's picture.
        east_m: as the configured pose has it.
        north_m: as the configured pose has it.
        height_m: as the configured pose has it.
    """

    sensor: str
    person: int
    t_ns: int
    foot_px: tuple[float, float]
    head_px: tuple[float, float]
    east_m: float
    north_m: float
    height_m: float

    @property
    def range_m(self) -> float:
        """From the foot of the pole."""
        return math.hypot(self.east_m, self.north_m)


@dataclass(frozen=True, slots=True)
class Watched:
    """What to watch.

    Attributes:
        section: the sensor.
        clip: a recording of it; None for its own source.
        duration_s: how long at the most.
    """

    section: SensorSection
    clip: Path | None
    duration_s: float

    @property
    def is_recorded(self) -> bool:
        """Whether times count from the first picture."""
        drawn = isinstance(self.section.source, FileSource | PanoramaSource | ComposedSource)
        return self.clip is not None or drawn

    def source(self, clock: Clock, heading_deg: float) -> Source:
        """Its pictures: as fast as they are asked for if recorded."""
        section = self.section.source
        if self.clip is not None:
            section = FileSource(path=str(self.clip))
        return open_source(
            section,
            sensor=self.section,
            clock=clock,
            paced=not self.is_recorded,
            heading_deg=heading_deg,
        )


class Watcher:
    """Looks for people in one sensor's pictures, at the configured pose or near it.

    Raises:
        ModelMissing, ModelRefused, RuntimeMissing: the detector cannot be run here.
    """

    def __init__(self, config: NodeConfig, rig: Rig, sensor: Sensor) -> None:
        section = next(each for each in config.sensors if each.name == sensor.name)
        self.sensor = sensor
        self._mask = mask_of(section)
        self._plane = GroundPlane(rig, sensor, _MAX_RANGE_M)
        self._detector: SensorDetector = open_detector(
            rig,
            sensor,
            open_model_for(sensor, config.detect.model, config.paths.model_dir),
            labels=("person",),
            min_confidence=_MIN_CONFIDENCE,
            threads=config.detect.threads,
            max_range_m=_MAX_RANGE_M,
            # The pose is what is sought: nobody is refused for a height it gives.
            check_height=False,
            mask=self._mask,
        )
        self._tracker = Tracker(TrackerSettings(start_confidence=_MIN_CONFIDENCE))

    def look(self, frame: SourceFrame, t_ns: int) -> list[SeenPerson]:
        """Everybody upright in a picture."""
        picture = frame.read().bgr()
        found = self._detector.look(picture, range(len(self._detector.tiles)))
        found = outside(found, self._mask)
        by_box = {detection.box_sensor_px: detection for detection in found}
        people = []
        for track in self._tracker.update(found, t_ns):
            detection = by_box.get(track.box_sensor_px)
            if track.seen and detection is not None:
                person = self._upright(detection, track.id, t_ns)
                if person is not None:
                    people.append(person)
        return people

    def _upright(self, detection: Detection, person: int, t_ns: int) -> SeenPerson | None:
        place, height_m = detection.position, detection.height_m
        if place is None or height_m is None or not _whole(detection, self.sensor.lens):
            return None
        spot = np.asarray([[place.east_m, place.north_m]])
        head = self._plane.pixels_of(spot, up_m=height_m, beyond=True)[0]
        return SeenPerson(
            sensor=self.sensor.name,
            person=person,
            t_ns=t_ns,
            foot_px=detection.foot_sensor_px,
            head_px=(float(head[0]), float(head[1])),
            east_m=place.east_m,
            north_m=place.north_m,
            height_m=height_m,
        )


def watch(
    watched: Watched,
    watcher: Watcher,
    *,
    clock: Clock,
    heading_deg: float,
    stop: threading.Event,
    told: Callable[[str], None],
) -> list[SeenPerson]:
    """Everybody seen until the recording ends, the time is up or `stop` is set.

    Who was seen a few times only may be a bush: such looks are left out.

    Raises:
        SourceUnreadable, CameraMissing: there are no pictures.
    """
    people: list[SeenPerson] = []
    with watched.source(clock, heading_deg) as source:
        chosen = _chosen(source.frames(stop), watched, stop)
        for looks, (t_ns, frame) in enumerate(chosen, start=1):
            people.extend(watcher.look(frame, t_ns))
            if looks % 40 == 0:
                told(f"{watcher.sensor.name}: {looks} pictures, {len(people)} looks at people")
    times = Counter(person.person for person in people)
    return [person for person in people if times[person.person] >= _LEAST_LOOKS]


def _chosen(
    frames: Iterator[SourceFrame], watched: Watched, stop: threading.Event
) -> Iterator[tuple[int, SourceFrame]]:
    """Pictures at the rate they are looked at, each with its time."""
    first_ns: int | None = None
    next_ns = 0
    for frame in frames:
        at_ns = frame.info.t_mono_ns
        first_ns = at_ns if first_ns is None else first_ns
        since_ns = at_ns - first_ns
        if since_ns > watched.duration_s * NS_PER_S or stop.is_set():
            return
        if since_ns < next_ns:
            continue
        next_ns = since_ns + round(0.9 * NS_PER_S / _FPS)
        yield (since_ns if watched.is_recorded else at_ns), frame


def apart(people: Sequence[SeenPerson], step_m: float) -> list[SeenPerson]:
    """Looks of each person at places so far from each other that their errors differ."""
    kept: list[SeenPerson] = []
    places: dict[int, list[tuple[float, float]]] = {}
    for person in people:
        place, others = (person.east_m, person.north_m), places.setdefault(person.person, [])
        if all(math.dist(place, other) >= step_m for other in others):
            others.append(place)
            kept.append(person)
    return kept


def _whole(detection: Detection, lens: Lens) -> bool:
    """Whether the box is somebody's upright and ends within what the lens sees."""
    corners = np.asarray(detection.outline_sensor_px)
    across = float(np.linalg.norm(corners[0] - corners[1]))
    tall = float(np.linalg.norm(corners[0] - corners[3]))
    if not _SLENDER[0] * across <= tall <= _SLENDER[1] * across:
        return False
    middle = corners.mean(axis=0)
    outward = corners - middle
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    return bool(lens.inside(corners + _EDGE_PX * outward).all())
