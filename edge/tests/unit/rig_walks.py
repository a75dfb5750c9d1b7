"""Walks round rigs of several sensors that do not hang quite as the configuration says.

Every sensor's tilt, azimuth and height are off by a draw from its own sigmas, for the whole
walk; every foot point by a draw of its own. What the pole believes is the configuration:
truth → picture of the misplaced sensor → ground, with the geometry's covariance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from roeh.core.clock import NS_PER_S
from roeh.core.types import Box, Detection, Track
from roeh.optics.ground import GroundPlane, covariance_matrix
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor
from roeh.vision.tracker import Tracker

Array = NDArray[np.float64]

PERSON_M = 1.75
PIXEL_SIGMA_PX = 2.0
FIELD_SIGMAS = PoseSigmas(tilt_deg=0.5, height_m=0.03, azimuth_deg=0.3)


def ring(count: int = 4, *, heading_deg: float = 0.0, sigmas: PoseSigmas = FIELD_SIGMAS) -> Rig:
    """Ordinary cameras of 110 degrees all round, each a hand's breadth out from the axis."""
    lens = Pinhole.from_hfov(1280, 720, 110.0)
    sensors = []
    for number in range(count):
        azimuth_deg = number * 360.0 / count
        turn = math.radians(azimuth_deg)
        offset_m = (0.12 * math.sin(turn), 0.12 * math.cos(turn))
        pose = Pose(azimuth_deg, 32.0, 0.0, 5.0, offset_m)
        sensors.append(Sensor(f"eye-{number + 1}", lens, pose, sigmas))
    return Rig(tuple(sensors), heading_deg, 1.0, pixel_sigma_px=PIXEL_SIGMA_PX)


def back_to_back(*, heading_deg: float = 0.0, sigmas: PoseSigmas = FIELD_SIGMAS) -> Rig:
    """Two fisheyes of 190 degrees, one looking ahead and one behind."""
    lens = Equidistant(1600, 1600, 190.0)
    front = Pose(0.0, 20.0, 0.0, 5.0, (0.0, 0.1))
    rear = Pose(180.0, 20.0, 0.0, 5.0, (0.0, -0.1))
    return Rig(
        (Sensor("front", lens, front, sigmas), Sensor("rear", lens, rear, sigmas)),
        heading_deg,
        1.0,
        pixel_sigma_px=PIXEL_SIGMA_PX,
    )


@dataclass(frozen=True)
class Walker:
    """Somebody on a wavy ring round the pole; bearings grow with a positive speed."""

    radius_m: float
    phase_rad: float
    speed_mps: float = 1.3
    wave_m: float = 0.4

    def at(self, t_s: Array) -> Array:
        """East and north (n, 2)."""
        bearing = self.phase_rad + self.speed_mps * t_s / self.radius_m
        range_m = self.radius_m + self.wave_m * np.sin(0.25 * t_s + self.phase_rad)
        return range_m[:, None] * np.column_stack([np.sin(bearing), np.cos(bearing)])

    @property
    def lap_s(self) -> float:
        """How long once round takes."""
        return 2 * math.pi * self.radius_m / abs(self.speed_mps)


@dataclass(frozen=True)
class Misplaced:
    """A sensor as it truly hangs."""

    plane: GroundPlane
    turn: Rotation
    eye_m: Array

    @classmethod
    def by(cls, rig: Rig, sensor: Sensor, sigmas_off: Array) -> Misplaced:
        """Off by so many (4,) of the sensor's own sigmas: two of tilt, azimuth, height."""
        sigmas = sensor.sigmas
        axes_deg = [sigmas.tilt_deg, sigmas.tilt_deg, rig.azimuth_sigma_deg_of(sensor)]
        turn = Rotation.from_rotvec(sigmas_off[:3] * np.radians(axes_deg))
        eye_m = rig.eye_of(sensor)
        eye_m[2] += sigmas_off[3] * sigmas.height_m
        return cls(GroundPlane(rig, sensor), turn, eye_m)

    def pixels_of(self, places_m: Array, up_m: float = 0.0) -> Array:
        """Where points truly come to lie in its picture; NaN where they do not."""
        sights = np.column_stack([places_m, np.full(len(places_m), up_m)]) - self.eye_m
        seen = self.turn.inv().apply(sights) @ self.plane.rig.to_world()
        return self.plane.sensor.pixels_of(seen)


@dataclass
class Picture:
    """One picture of one sensor: what it shows and which of the walkers it should."""

    t_ns: int
    sensor: Sensor
    detections: list[Detection] = field(default_factory=list)
    visible: set[int] = field(default_factory=set)


def pictures(
    rig: Rig,
    walkers: Sequence[Walker],
    rng: np.random.Generator,
    *,
    duration_s: float,
    fps: float = 4.0,
    miss: float = 0.1,
    latency_s: float = 0.06,
    sigmas_off: Array | None = None,
) -> list[Picture]:
    """What all sensors take, in the order in which it arrives: unsynchronised, some late.

    `sigmas_off` (sensors, 4) is how the sensors hang, as `Misplaced.by` has it; default drawn.
    """
    arrivals: list[tuple[float, Picture]] = []
    if sigmas_off is None:
        sigmas_off = rng.normal(0, 1, (len(rig.sensors), 4))
    for sensor, off in zip(rig.sensors, sigmas_off, strict=True):
        seen_by = Misplaced.by(rig, sensor, off)
        times_s = np.arange(rng.uniform(0, 1 / fps), duration_s, 1 / fps)
        taken = [Picture(round(t_s * NS_PER_S), sensor) for t_s in times_s]
        for person, walker in enumerate(walkers):
            places = walker.at(times_s)
            feet, heads = seen_by.pixels_of(places), seen_by.pixels_of(places, PERSON_M)
            whole = ~np.isnan(feet + heads).any(axis=1)
            feet = feet + rng.normal(0, rig.pixel_sigma_px, feet.shape)
            fixes = seen_by.plane.fix(feet)
            found = whole & fixes.seen & (rng.random(len(times_s)) >= miss)
            points, jitters = fixes.points(), fixes.jitters()
            sure = rng.uniform(0.5, 0.9, len(times_s))
            for row in np.flatnonzero(whole):
                taken[row].visible.add(person)
            for row in np.flatnonzero(found):
                (x0, y0), (x1, y1) = np.sort([feet[row], heads[row]], axis=0)
                taken[row].detections.append(
                    Detection(
                        sensor=sensor.name,
                        label="person",
                        confidence=float(sure[row]),
                        box_sensor_px=Box(x0 - 8, y0 - 2, x1 + 8, y1 + 2),
                        outline_sensor_px=(),
                        foot_sensor_px=(float(feet[row, 0]), float(feet[row, 1])),
                        position=points[row],
                        jitter=jitters[row],
                        height_m=PERSON_M,
                    )
                )
        late = times_s + rng.uniform(0, latency_s, len(times_s))
        arrivals.extend(zip(late.tolist(), taken, strict=True))
    arrivals.sort(key=lambda arrival: arrival[0])
    return [picture for _, picture in arrivals]


def followed(
    tracker: Tracker, rig: Rig, taken: Sequence[Picture]
) -> Iterator[tuple[Picture, tuple[Track, ...]]]:
    """Show a tracker the pictures as the pipeline does."""
    planes = {sensor.name: GroundPlane(rig, sensor) for sensor in rig.sensors}
    tracks: tuple[Track, ...] = ()
    for picture in taken:
        elsewhere = {track.id for track in tracks}
        if picture.visible and tracks:
            at = np.array([(t.position.east_m, t.position.north_m) for t in tracks])
            middles = planes[picture.sensor.name].pixels_of(at, up_m=0.9)
            shown = ~np.isnan(middles).any(axis=1)
            elsewhere = {t.id for t, is_shown in zip(tracks, shown, strict=True) if not is_shown}
        tracks = tracker.update(
            picture.detections,
            picture.t_ns,
            sensor=picture.sensor.name,
            not_looked_at=elsewhere,
        )
        yield picture, tracks


def squared_distance(track: Track, place_m: Array) -> float:
    """Squared Mahalanobis distance of a track's position to the truth."""
    off = np.array([track.position.east_m, track.position.north_m]) - place_m
    return float(off @ np.linalg.solve(covariance_matrix(track.position.covariance), off))
