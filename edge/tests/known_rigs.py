"""Sensors of known pose, and how far a pose that was found is from the truth."""

import math

import numpy as np
from scipy.spatial.transform import Rotation

from roeh.calibrate.pose.attitude import attitude_of, clockwise
from roeh.calibrate.rotation import turn
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor

KINDS = ("looking down", "back to back", "pinhole")


def sensor_of(kind, rng, name="a"):
    """A sensor of a pose nobody aligned."""
    lean = rng.normal(0.0, 1.5, 2)
    azimuth_deg = rng.uniform(0.0, 360.0)
    if kind == "looking down":
        lens = Equidistant(2048, 2048, 185)
        straight = Pose(azimuth_deg, 90.0, 0.0, 5.0).to_pole()
        found = attitude_of(turn(np.radians([*lean, 0.0])) @ straight)
        pose = Pose(found.azimuth_deg, found.tilt_deg, found.roll_deg, 5.0)
    elif kind == "back to back":
        lens = Equidistant(2048, 2048, 190)
        pose = Pose(azimuth_deg, 10.0 + lean[0], lean[1], 5.0, (0.0, 0.15))
    else:
        lens = Pinhole.from_hfov(1920, 1080, 75)
        pose = Pose(azimuth_deg, 30.0 + lean[0], lean[1], 5.0, (0.1, 0.1))
    return Sensor(name, lens, pose)


def as_mounted(sensor, rng, *, sigma_deg=2.0, height_m=None):
    """The sensor as somebody wrote it down: tilt and roll off by some degrees."""
    pose = sensor.pose
    found = attitude_of(turn(np.radians([*rng.normal(0.0, sigma_deg, 2), 0.0])) @ pose.to_pole())
    azimuth_deg = pose.azimuth_deg if pose.tilt_deg < 75 else found.azimuth_deg
    height_m = pose.height_m if height_m is None else height_m
    guess = Pose(azimuth_deg, found.tilt_deg, found.roll_deg, height_m, pose.offset_m)
    return Sensor(sensor.name, sensor.lens, guess, PoseSigmas(tilt_deg=sigma_deg))


def ground_seen(sensor, heading_deg, rng, count, *, from_m=3.0, to_m=13.0, apart_m=1.2):
    """Spots (count, 2) that the sensor sees well within its picture, and their pixels."""
    plane = GroundPlane(Rig((sensor,), heading_deg, 0.0), sensor)
    places, pixels = [], []
    while len(places) < count:
        bearing, range_m = rng.uniform(0.0, 2 * math.pi), rng.uniform(from_m, to_m)
        place = range_m * np.asarray([math.sin(bearing), math.cos(bearing)])
        pixel = plane.pixels_of(place[None])[0]
        margin = np.asarray([[10.0, 0], [-10, 0], [0, 10], [0, -10]])
        if np.isnan(pixel).any() or not sensor.lens.inside(pixel + margin).all():
            continue
        if any(math.dist(place, other) < apart_m for other in places):
            continue
        places.append(place)
        pixels.append(pixel)
    return np.asarray(places), np.asarray(pixels)


def turn_vector(rotation):
    """The rotation vector (3,) of a rotation (3, 3)."""
    return Rotation.from_matrix(rotation).as_rotvec()


def turned_deg(found, true, found_heading_deg=0.0, true_heading_deg=0.0):
    """The turn between two poses about east, north and up, degrees (3,)."""
    found_rotation = clockwise(found_heading_deg) @ found.to_pole()
    true_rotation = clockwise(true_heading_deg) @ true.to_pole()
    return np.degrees(turn_vector(found_rotation @ true_rotation.T))


def ground_error_m(found, true, lens, found_heading_deg, true_heading_deg, range_m=8.0):
    """How far ground points at a range come out, root mean square over what is seen."""
    seen = GroundPlane(Rig((s := Sensor("a", lens, true),), true_heading_deg, 0.0), s)
    told = GroundPlane(Rig((s := Sensor("a", lens, found),), found_heading_deg, 0.0), s)
    around = np.radians(np.arange(0.0, 360.0, 15.0))
    places = range_m * np.column_stack([np.sin(around), np.cos(around)])
    pixels = seen.pixels_of(places)
    rows = ~np.isnan(pixels).any(axis=1)
    off = told.fix(pixels[rows]).east_north_m - places[rows]
    return float(np.sqrt(np.mean(np.sum(np.square(off), axis=1))))
