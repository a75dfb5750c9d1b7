"""Tracks beside exact truth: how far off, how honest their sigma, how often a number changes.

Drawn people, seen by cameras that hang a little otherwise than their nodes believe, as the
stated sigmas allow.
"""

from __future__ import annotations

import math
import threading

import cv2
import msgspec
import numpy as np

from roeh.bench.rule_quality import Share
from roeh.core.clock import SimulatedClock
from roeh.core.config import (
    ComposedSource,
    DetectSection,
    LensSection,
    NodeConfig,
    SensorSection,
)
from roeh.core.types import Track
from roeh.optics.configured import rig_from
from roeh.sources.drawn.composed import ComposedFrames, TruthObject
from roeh.vision.pipeline import Pipeline

#: A track belongs to whom it is nearest to, within so much.
_BELONGS_M = 1.5
#: 95 % of squared normalised errors in two dimensions lie below (chi squared).
_CHI2_95 = 5.991
_SEED = 9_107
_PEOPLE = 6
_FPS = 5.0


class PositionFigures(msgspec.Struct, frozen=True):
    """What a camera's tracks were worth.

    Attributes:
        median_m, p95_m: how far a confirmed track just seen is from whom it follows.
        mean_squared: of errors normalised by their stated covariance; 2 is honest.
        within: what lay within what 95 % should.
        switches: how often somebody's number changed.
        followed: looks in which somebody in the picture had a track.
        person_s: seconds that people were in the picture, all together.
    """

    median_m: float
    p95_m: float
    mean_squared: float
    within: Share
    switches: int
    followed: Share
    person_s: float


def measure_positions(scenes: int, scene_s: float) -> dict[str, PositionFigures]:
    """Drawn scenes of each kind of camera."""
    cv2.setNumThreads(1)
    return {
        name: _figures([_watched(section, number, scene_s) for number in range(scenes)])
        for name, section in _cameras().items()
    }


def _cameras() -> dict[str, SensorSection]:
    return {
        "pinhole 1280 x 720, 75 degrees": SensorSection(
            name="street",
            source=ComposedSource(),
            lens=LensSection(model="pinhole", width_px=1280, height_px=720, fov_deg=75.0),
            tilt_deg=28.0,
        ),
        "fisheye 2048 x 2048": SensorSection(
            name="dome",
            source=ComposedSource(),
            lens=LensSection(width_px=2048, height_px=2048, fov_deg=185.0),
        ),
    }


class _Watched(msgspec.Struct):
    """One scene's samples; mutable while it is watched.

    Attributes:
        numbers: by person, the last track that followed them.
    """

    off_m: list[float] = []
    squared: list[float] = []
    switches: int = 0
    looks: int = 0
    followed: int = 0
    numbers: dict[int, int] = {}

    def look(self, tracks: tuple[Track, ...], people: tuple[TruthObject, ...]) -> None:
        """Compare what is followed with who is there."""
        own = [one for one in tracks if one.confirmed and one.seen and one.label == "person"]
        self.looks += len(people)
        for person in people:
            near = [(_off_m(track, person), track) for track in own]
            off_m, track = min(near, key=lambda pair: pair[0], default=(math.inf, None))
            if track is None or off_m > _BELONGS_M:
                continue
            if any(_off_m(track, other) < off_m for other in people if other.id != person.id):
                continue
            self.followed += 1
            self.off_m.append(off_m)
            self.squared.append(_squared(track, person))
            self.switches += self.numbers.get(person.id, track.id) != track.id
            self.numbers[person.id] = track.id


def _watched(section: SensorSection, number: int, scene_s: float) -> _Watched:
    rng = np.random.default_rng([_SEED, number])
    node = NodeConfig(sensors=(section,), detect=DetectSection(fps=_FPS, max_tiles_per_frame=8))
    hung = msgspec.structs.replace(
        section,
        tilt_deg=min(section.tilt_deg + rng.normal(0, section.tilt_sigma_deg), 90.0),
        roll_deg=section.roll_deg + rng.normal(0, section.tilt_sigma_deg),
        height_m=section.height_m + rng.normal(0, section.height_sigma_m),
    )
    true_rig = rig_from(msgspec.structs.replace(node, sensors=(hung,)))
    drawn = ComposedSource(seed=_SEED + number, people=_PEOPLE, fps=_FPS, duration_s=scene_s)
    pipeline, watched = Pipeline(node), _Watched()
    with ComposedFrames(
        drawn, rig=true_rig, sensor=true_rig.sensors[0], clock=SimulatedClock(), paced=False
    ) as source:
        for frame in source.frames(threading.Event()):
            analysis = pipeline.analyse(frame.read())
            watched.look(analysis.tracks, source.truth(frame.info))
    return watched


def _figures(scenes: list[_Watched]) -> PositionFigures:
    off_m = np.asarray([off for scene in scenes for off in scene.off_m])
    squared = np.asarray([one for scene in scenes for one in scene.squared])
    looks = sum(scene.looks for scene in scenes)
    return PositionFigures(
        median_m=float(np.median(off_m)),
        p95_m=float(np.quantile(off_m, 0.95)),
        mean_squared=float(squared.mean()),
        within=Share(int(np.count_nonzero(squared <= _CHI2_95)), len(squared)),
        switches=sum(scene.switches for scene in scenes),
        followed=Share(sum(scene.followed for scene in scenes), looks),
        person_s=looks / _FPS,
    )


def _off_m(track: Track, person: TruthObject) -> float:
    place = track.position
    return math.hypot(place.east_m - person.east_m, place.north_m - person.north_m)


def _squared(track: Track, person: TruthObject) -> float:
    """The error's square in parts of its stated covariance."""
    place, told = track.position, track.position.covariance
    off = np.asarray([place.east_m - person.east_m, place.north_m - person.north_m])
    covariance = np.asarray(
        [
            [told.east_east_m2, told.east_north_m2],
            [told.east_north_m2, told.north_north_m2],
        ]
    )
    return float(off @ np.linalg.solve(covariance, off))
