"""Where the cameras stand: poses, sensors, and the rig that is the pole.

Frames, each right-handed:
    camera: x right, y down, z forward along the optical axis (as in OpenCV).
    pole: x to the right of the pole's forward mark, y along the mark, z up.
    world: x east, y north, z up; origin at the foot of the pole on the ground.
The pole frame is the world frame turned clockwise (seen from above) by the heading.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field, replace

import numpy as np

from roeh.core.errors import LensError
from roeh.optics.lens import Lens, Pinhole
from roeh.optics.polar import Array

#: A lens farther from the foot of its pole hangs on another pole.
_MAX_OFFSET_M = 20.0


@dataclass(frozen=True, slots=True)
class Pose:
    """How a camera is mounted on the pole.

    Args:
        azimuth_deg: of the optical axis, from the forward mark, clockwise from above.
        tilt_deg: 0 looks at the horizon, 90 straight down, negative upwards. Looking
            straight down, the picture's upper edge points to `azimuth_deg`.
        roll_deg: turn of the camera about its optical axis, clockwise seen from behind.
        height_m: of the lens above the ground.
        offset_m: of the lens from the pole's axis: to the right of the forward mark, and
            along it.

    Raises:
        LensError: a pose no camera can have.
    """

    azimuth_deg: float
    tilt_deg: float
    roll_deg: float
    height_m: float
    offset_m: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _check_range("azimuth_deg", self.azimuth_deg, -360.0, 360.0)
        _check_range("tilt_deg", self.tilt_deg, -90.0, 90.0)
        _check_range("roll_deg", self.roll_deg, -360.0, 360.0)
        _check_range("height_m", self.height_m, 0.1, 1000.0)
        for offset_m in self.offset_m:
            _check_range("offset_m", offset_m, -_MAX_OFFSET_M, _MAX_OFFSET_M)

    @property
    def eye_m(self) -> Array:
        """Where the lens is (3,), pole frame, from the foot of the pole."""
        return np.asarray([*self.offset_m, self.height_m], dtype=np.float64)

    def to_pole(self) -> Array:
        """Rotation (3, 3) that takes camera directions to the pole frame; not to be written."""
        return _turned(self.azimuth_deg, self.tilt_deg, self.roll_deg)


@dataclass(frozen=True, slots=True)
class Nadir:
    """Where the world's verticals meet in a picture in which they are straight lines.

    Homogeneous: the point is (x / w, y / w), straight below for positive w and straight
    above for negative. From any point p of the picture down is along (x, y) - w p.
    """

    x: float
    y: float
    w: float

    def in_part(self, scale: Array, shift: Array) -> Nadir:
        """The same where each point p of the picture has become scale * p + shift."""
        x, y = (scale * np.asarray([self.x, self.y]) + shift * self.w).tolist()
        return Nadir(x, y, self.w)

    @classmethod
    def of(cls, to_pole: Array, focal_px: tuple[float, float], axis_px: Array) -> Nadir:
        """In the picture of a camera without distortion that is turned so."""
        x, y, depth = (-to_pole[2]).tolist()
        shift_x, shift_y = axis_px.tolist()
        return cls(focal_px[0] * x + shift_x * depth, focal_px[1] * y + shift_y * depth, depth)


@dataclass(frozen=True, slots=True)
class PoseSigmas:
    """How well a sensor's pose is known, one sigma each; all of it lasts from picture to picture.

    Args:
        tilt_deg: of the optical axis, about either horizontal direction.
        height_m: of the lens above the ground.
        azimuth_deg: of a turn about the vertical against the rig's other sensors. It counts
            only where there are others: of a sensor alone it is the heading's.

    Raises:
        LensError: a negative sigma.
    """

    tilt_deg: float = 0.5
    height_m: float = 0.03
    azimuth_deg: float = 0.3

    def __post_init__(self) -> None:
        _check_range("tilt_sigma_deg", self.tilt_deg, 0.0, 45.0)
        _check_range("height_sigma_m", self.height_m, 0.0, 100.0)
        _check_range("azimuth_sigma_deg", self.azimuth_deg, 0.0, 180.0)


@dataclass(frozen=True, slots=True)
class Sensor:
    """One camera of the pole: its name, its lens, its pose, and how well that is known."""

    name: str
    lens: Lens
    pose: Pose
    sigmas: PoseSigmas = field(default_factory=PoseSigmas)

    def scaled_to(self, width_px: int, height_px: int) -> Sensor:
        """The same camera seen through a stream of another size, same aspect."""
        return replace(self, lens=self.lens.scaled_to(width_px, height_px))

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet; None where the lens bends them."""
        lens = self.lens
        if not isinstance(lens, Pinhole):
            return None
        return Nadir.of(self.pose.to_pole(), lens.focal_px, np.asarray(lens.axis_px))

    def pole_directions(self, pixels: Array) -> Array:
        """Pixels (n, 2) to unit directions (n, 3) in the pole frame."""
        directions: Array = self.lens.unproject(pixels) @ self.pose.to_pole().T
        return directions

    def pixels_of(self, pole_directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) in the pole frame to pixels (n, 2); NaN where not visible.

        `beyond` continues over the rim, as `Lens.project` says.
        """
        camera_directions = np.asarray(pole_directions, np.float64) @ self.pose.to_pole()
        return self.lens.project(camera_directions, beyond=beyond)


@dataclass(frozen=True, slots=True)
class Rig:
    """The pole: its cameras, which way its forward mark points, and how well that is known.

    Args:
        sensors: one or more, names unique.
        heading_deg: bearing of the forward mark from true north.
        heading_sigma_deg: of the heading (from two known ground points, not a compass).
        pixel_sigma_px: of a foot point in the picture, each way.

    Raises:
        LensError: no sensors, a name twice, or a negative sigma.
    """

    sensors: tuple[Sensor, ...]
    heading_deg: float
    heading_sigma_deg: float
    pixel_sigma_px: float = 3.0
    _by_name: dict[str, Sensor] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [sensor.name for sensor in self.sensors]
        if not names or len(set(names)) != len(names):
            raise LensError(
                what="a rig needs at least one sensor, each with its own name",
                which=f"sensors = {names}",
                remedy="name every sensor once",
            )
        _check_range("heading_deg", self.heading_deg, -360.0, 360.0)
        _check_range("heading_sigma_deg", self.heading_sigma_deg, 0.0, 180.0)
        _check_range("pixel_sigma_px", self.pixel_sigma_px, 0.0, 1000.0)
        object.__setattr__(self, "_by_name", dict(zip(names, self.sensors, strict=True)))

    def sensor(self, name: str) -> Sensor:
        """The sensor of that name.

        Raises:
            LensError: no such sensor.
        """
        if name not in self._by_name:
            raise LensError(
                what="unknown sensor",
                which=name,
                remedy=f"use one of {', '.join(self._by_name)}",
            )
        return self._by_name[name]

    def to_world(self) -> Array:
        """Rotation (3, 3) that takes the pole frame to the world frame; not to be written."""
        return _headed(self.heading_deg)

    def camera_to_world(self, sensor: Sensor) -> Array:
        """Rotation (3, 3) that takes a sensor's camera directions to the world frame."""
        rotation: Array = self.to_world() @ sensor.pose.to_pole()
        return rotation

    def eye_of(self, sensor: Sensor) -> Array:
        """Where a sensor's lens is (3,) in the world, metres from the foot of the pole."""
        eye: Array = self.to_world() @ sensor.pose.eye_m
        return eye

    def azimuth_sigma_deg_of(self, sensor: Sensor) -> float:
        """How far a sensor may be turned against the others; 0 where there are none."""
        return sensor.sigmas.azimuth_deg if len(self.sensors) > 1 else 0.0

    def bearing_of(self, azimuth_deg: float) -> float:
        """True bearing of an azimuth on the pole, in [0, 360)."""
        return wrap_deg(self.heading_deg + azimuth_deg)

    def azimuth_of(self, bearing_deg: float) -> float:
        """Azimuth on the pole of a true bearing, in [0, 360)."""
        return wrap_deg(bearing_deg - self.heading_deg)


@functools.lru_cache(maxsize=256)
def _turned(azimuth_deg: float, tilt_deg: float, roll_deg: float) -> Array:
    """Asked for many times a picture: a pole has a few dozen, of its sensors and tiles."""
    azimuth, tilt, roll = (math.radians(angle) for angle in (azimuth_deg, tilt_deg, roll_deg))
    sa, ca, st, ct = math.sin(azimuth), math.cos(azimuth), math.sin(tilt), math.cos(tilt)
    # Columns: where the camera's x, y and z point when the roll is 0.
    level = np.asarray(
        [[ca, -st * sa, ct * sa], [-sa, -st * ca, ct * ca], [0.0, -ct, -st]], dtype=np.float64
    )
    sr, cr = math.sin(roll), math.cos(roll)
    rolled: Array = level @ np.asarray([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    rolled.setflags(write=False)
    return rolled


@functools.lru_cache(maxsize=16)
def _headed(heading_deg: float) -> Array:
    heading = math.radians(heading_deg)
    s, c = math.sin(heading), math.cos(heading)
    rotation = np.asarray([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]], dtype=np.float64)
    rotation.setflags(write=False)
    return rotation


def wrap_deg(angle_deg: float) -> float:
    """An angle brought into [0, 360)."""
    wrapped = angle_deg % 360.0
    # A tiny negative angle rounds to 360.0 itself.
    return 0.0 if wrapped >= 360.0 else wrapped


def wrap_signed_deg(angle_deg: float) -> float:
    """An angle brought into [-180, 180)."""
    return (angle_deg + 180.0) % 360.0 - 180.0


def directions_of(azimuth_deg: Array, elevation_deg: Array) -> Array:
    """Unit directions (n, 3) from angles (n,): pole frame from azimuths, world from bearings."""
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    across = np.cos(elevation)
    return np.column_stack([across * np.sin(azimuth), across * np.cos(azimuth), np.sin(elevation)])


def angles_of(directions: Array) -> tuple[Array, Array]:
    """Azimuth (or bearing) in [0, 360) and elevation, degrees (n,), of directions (n, 3)."""
    x, y, z = np.asarray(directions, dtype=np.float64).T
    azimuth = np.degrees(np.arctan2(x, y)) % 360.0
    return np.where(azimuth >= 360.0, 0.0, azimuth), np.degrees(np.arctan2(z, np.hypot(x, y)))


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise LensError(
            what="impossible pose or sigma",
            which=f"{name} = {value:g}",
            remedy=f"give a value from {low:g} to {high:g}",
        )
