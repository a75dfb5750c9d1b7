"""Walkers round a pole with exact truth, what its fisheye would report of them, and a score.

Truth → foot in the picture → pixel noise → back to the ground with the geometry's own
covariance: the same way that detections take on the pole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roeh.core.clock import NS_PER_S
from roeh.core.types import Box, Covariance, Detection, GroundPoint, Track
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant
from roeh.optics.rig import Pose, Rig, Sensor

Array = NDArray[np.float64]

PERSON_HEIGHT_M = 1.75
PERSON_HALF_WIDTH_M = 0.3
PIXEL_SIGMA_PX = 2.0
TILE_STEP_DEG = 45.0
TILE_OVERLAP_DEG = 12.0


def fisheye_plane(heading_deg: float = 0.0) -> GroundPlane:
    """A 2048² fisheye, 185 degrees, looking down from 5 m."""
    lens = Equidistant(width_px=2048, height_px=2048, fov_deg=185.0)
    sensor = Sensor("dome", lens, Pose(0.0, 90.0, 0.0, 5.0))
    rig = Rig((sensor,), heading_deg, 1.0, pixel_sigma_px=PIXEL_SIGMA_PX)
    return GroundPlane(rig, sensor)


@dataclass(frozen=True)
class Circlers:
    """People on wavy rings round the pole; the first `fast` at a walk, the rest strolling."""

    radius_m: Array
    phase_rad: Array
    speed_mps: Array

    @classmethod
    def of(cls, seed: int, people: int = 10, fast: int = 6) -> Circlers:
        rng = np.random.default_rng(seed)
        speed = rng.uniform(0.9, 1.8, people) * rng.choice([-1.0, 1.0], people)
        speed[fast:] *= 0.3
        return cls(rng.uniform(4, 13, people), rng.uniform(0, 2 * math.pi, people), speed)

    def at(self, t_s: float) -> Array:
        """East and north (n, 2)."""
        bearing = self.phase_rad + self.speed_mps * t_s / self.radius_m
        range_m = self.radius_m + 0.6 * np.sin(0.2 * t_s + self.phase_rad)
        return range_m[:, None] * np.column_stack([np.sin(bearing), np.cos(bearing)])

    def seam_crossings(self, duration_s: float) -> int:
        """How often somebody passes due north."""
        turns = (self.phase_rad + self.speed_mps * duration_s / self.radius_m) / (2 * math.pi)
        return int(np.abs(np.floor(turns) - np.floor(self.phase_rad / (2 * math.pi))).sum())


@dataclass
class Watcher:
    """What a detector reports of people at given places, with noise, misses and doubles."""

    rng: np.random.Generator
    plane: GroundPlane = field(default_factory=fisheye_plane)
    pixel_sigma_px: float = PIXEL_SIGMA_PX
    miss: float = 0.1
    doubles: bool = False

    def detections(self, places_m: Array, hidden: Sequence[int] = ()) -> list[Detection]:
        """One look."""
        azimuth = np.degrees(np.arctan2(places_m[:, 0], places_m[:, 1])) % TILE_STEP_DEG
        in_two_tiles = np.abs(azimuth - TILE_STEP_DEG / 2) < TILE_OVERLAP_DEG / 2
        sightings = np.where(self.doubles & in_two_tiles, 2, 1)
        people = np.repeat(np.arange(len(places_m)), sightings)
        found = (self.rng.random(len(people)) >= self.miss) & ~np.isin(people, hidden)
        return self._detections(places_m[people[found]])

    def _detections(self, places_m: Array) -> list[Detection]:
        count = len(places_m)
        range_m = np.hypot(places_m[:, 0], places_m[:, 1])
        side = PERSON_HALF_WIDTH_M * places_m[:, ::-1] * (1, -1) / range_m[:, None]
        outline = np.concatenate(
            [places_m - side, places_m + side, places_m + side, places_m - side]
        )
        up_m = np.repeat([0.0, 0.0, PERSON_HEIGHT_M, PERSON_HEIGHT_M], count)
        noise = self.rng.normal(0, self.pixel_sigma_px, (count, 2))
        feet = self.plane.pixels_of(places_m) + noise
        corners = self.plane.pixels_of(outline, up_m=up_m).reshape(4, count, 2) + noise
        low, high = corners.min(axis=0), corners.max(axis=0)
        fixes = self.plane.fix(feet)
        points, jitters = fixes.points(), fixes.jitters()
        confidences = self.rng.uniform(0.5, 0.9, count)
        return [
            Detection(
                sensor=self.plane.sensor.name,
                label="person",
                confidence=float(confidences[row]),
                box_sensor_px=Box(*map(float, (*low[row], *high[row]))),
                outline_sensor_px=tuple((float(x), float(y)) for x, y in corners[:, row]),
                foot_sensor_px=(float(feet[row, 0]), float(feet[row, 1])),
                position=points[row],
                jitter=jitters[row],
                height_m=PERSON_HEIGHT_M,
            )
            for row in range(count)
        ]


@dataclass
class Score:
    """Whom each person was taken for, look by look, by the nearest track on the ground."""

    within_m: float = 1.0
    switches: int = 0
    duplicates: int = 0
    ids: dict[int, list[int]] = field(default_factory=dict)
    followed: int = 0
    looks: int = 0

    def take(self, places_m: Array, tracks: Sequence[Track]) -> None:
        confirmed = [track for track in tracks if track.confirmed]
        at = np.array([(t.position.east_m, t.position.north_m) for t in confirmed]).reshape(-1, 2)
        owner: dict[int, int] = {}
        for row, track in enumerate(confirmed):
            gap = np.hypot(*(places_m - at[row]).T)
            if gap.min() > self.within_m:
                continue
            person = self._person_of(track.id, gap)
            self.duplicates += person in owner and track.seen
            owner.setdefault(person, track.id)
        for person in range(len(places_m)):
            self.looks += 1
            if person not in owner:
                continue
            self.followed += 1
            known = self.ids.setdefault(person, [])
            if known and known[-1] != owner[person]:
                self.switches += 1
            if not known or known[-1] != owner[person]:
                known.append(owner[person])

    def _person_of(self, track_id: int, gap: Array) -> int:
        """The person a track follows: the one it had, while that one is near, else the nearest."""
        for person, ids in self.ids.items():
            if ids and ids[-1] == track_id and gap[person] <= self.within_m:
                return person
        return int(np.argmin(gap))


def looks(duration_s: float, fps: float) -> Iterator[tuple[float, int]]:
    """Times of looks, in seconds and in nanoseconds."""
    for number in range(round(duration_s * fps)):
        yield number / fps, round(number / fps * NS_PER_S)


def follow(
    update: Callable[[list[Detection], int], tuple[Track, ...]],
    people: Circlers,
    watcher: Watcher,
    *,
    duration_s: float = 120.0,
    fps: float = 10.0,
    hidden: Callable[[float], Sequence[int]] = lambda t_s: (),
) -> Score:
    """Drive a tracker through a scene and score it."""
    score = Score()
    for t_s, t_ns in looks(duration_s, fps):
        places = people.at(t_s)
        score.take(places, update(watcher.detections(places, hidden(t_s)), t_ns))
    return score


def detection_at(
    east_m: float,
    north_m: float,
    *,
    sigma_m: float = 0.1,
    label: str = "person",
    confidence: float = 0.8,
    sensor: str = "dome",
) -> Detection:
    """A detection with a round covariance, half of it jitter, for tests that need no lens."""
    x, y = 1000 + 50 * east_m, 1000 - 50 * north_m
    box = Box(x - 10, y - 60, x + 10, y)
    return Detection(
        sensor=sensor,
        label=label,
        confidence=confidence,
        box_sensor_px=box,
        outline_sensor_px=(
            (box.x0_px, box.y0_px),
            (box.x1_px, box.y0_px),
            (box.x1_px, box.y1_px),
            (box.x0_px, box.y1_px),
        ),
        foot_sensor_px=(x, y),
        position=GroundPoint(
            east_m=east_m,
            north_m=north_m,
            covariance=Covariance(
                east_east_m2=sigma_m**2, east_north_m2=0.0, north_north_m2=sigma_m**2
            ),
        ),
        jitter=Covariance(
            east_east_m2=sigma_m**2 / 2, east_north_m2=0.0, north_north_m2=sigma_m**2 / 2
        ),
        height_m=PERSON_HEIGHT_M,
    )
