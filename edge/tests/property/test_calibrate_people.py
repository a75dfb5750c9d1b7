"""Tilt, roll and height come out of people who walk, and what they cannot tell is said."""

import math

import numpy as np
import pytest

from roeh.calibrate.pose.people import UprightLook, pose_from_people
from roeh.core.errors import CalibrationFailed
from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Rig
from tests.known_rigs import as_mounted, sensor_of, turned_deg

TOE_M = 0.11


def looks_at(sensor, rng, places, *, people, sigma_px=1.5, shows_lean=False):
    """What a detector says of people at places (n, 2): boxes from toe to head, with its noise."""
    plane = GroundPlane(Rig((sensor,), 0.0, 0.0), sensor)
    heights = rng.normal(1.70, 0.07, people)
    looks = []
    for number, place in enumerate(places):
        person = number % people
        range_m = math.hypot(*place)
        toe = place * (range_m - TOE_M) / range_m
        height_m = heights[person] + rng.normal(0.0, 0.03)
        foot = plane.pixels_of(toe[None])[0]
        head = plane.pixels_of(place[None], up_m=height_m)[0]
        if np.isnan([foot, head]).any():
            continue
        looks.append(
            UprightLook(
                person=f"person-{person}",
                foot_px=tuple((foot + rng.normal(0.0, sigma_px, 2)).tolist()),
                head_px=tuple((head + rng.normal(0.0, sigma_px, 2)).tolist()),
                sigma_px=sigma_px,
                shows_lean=shows_lean,
            )
        )
    return looks


def spots(rng, count, *, from_m=4.0, to_m=13.0, from_deg=0.0, to_deg=360.0):
    bearing = np.radians(rng.uniform(from_deg, to_deg, count))
    range_m = rng.uniform(from_m, to_m, count)
    return range_m[:, None] * np.column_stack([np.sin(bearing), np.cos(bearing)])


@pytest.mark.parametrize(
    ("kind", "shows_lean", "count"),
    [
        ("looking down", False, 150),
        ("looking down", True, 60),
        ("pinhole", True, 300),
    ],
)
def test_tilt_and_roll_to_three_tenths_of_a_degree_with_sigmas_that_hold(kind, shows_lean, count):
    turns, normalised = [], []
    for seed in range(4):
        rng = np.random.default_rng([seed, 3])
        sensor = sensor_of(kind, rng)
        azimuth_deg = sensor.pose.azimuth_deg
        around = (0.0, 360.0) if kind == "looking down" else (azimuth_deg - 37, azimuth_deg + 37)
        places = spots(rng, count, from_deg=around[0], to_deg=around[1])
        looks = looks_at(sensor, rng, places, people=4, shows_lean=shows_lean)
        found = pose_from_people(looks, as_mounted(sensor, rng))
        off = turned_deg(found.pose, sensor.pose)[:2]
        turns.append(off)
        rad = np.radians(off)
        normalised.append(rad @ np.linalg.solve(found.covariance, rad))
        assert abs(found.pose.height_m - 5.0) <= 4 * found.sigmas.height_m
    assert np.sqrt(np.mean(np.square(turns))) <= 0.3
    # Chi-square of two figures each over 4 seeds: 2 +- 1.
    assert 0.4 <= np.mean(normalised) <= 4.5


def test_people_say_how_high_the_camera_hangs_as_well_as_they_are_known_tall():
    off, sigmas = [], []
    for seed in range(4):
        rng = np.random.default_rng([seed, 4])
        sensor = sensor_of("looking down", rng)
        looks = looks_at(sensor, rng, spots(rng, 150), people=6)
        mounted = as_mounted(sensor, rng, height_m=5.6)
        found = pose_from_people(looks, mounted, is_height_measured=False)
        off.append(found.pose.height_m - 5.0)
        sigmas.append(found.sigmas.height_m)
    assert max(sigmas) < 0.3
    assert np.sqrt(np.mean(np.square(np.asarray(off) / sigmas))) <= 1.7


def test_what_is_not_upright_does_not_count():
    rng = np.random.default_rng(5)
    sensor = sensor_of("looking down", rng)
    looks = looks_at(sensor, rng, spots(rng, 120), people=3)
    for number in range(0, len(looks), 10):
        x, y = looks[number].foot_px
        hx, hy = looks[number].head_px
        looks[number] = UprightLook(
            person=looks[number].person,
            foot_px=(x, y),
            head_px=(x + 2.2 * (hx - x), y + 2.2 * (hy - y)),
            sigma_px=1.5,
        )
    found = pose_from_people(looks, as_mounted(sensor, rng))
    assert not found.is_used[::10].any()
    assert np.abs(turned_deg(found.pose, sensor.pose)[:2]).max() <= 0.8


def test_people_who_stay_at_one_place_do_not_tell_a_tilt():
    rng = np.random.default_rng(6)
    sensor = sensor_of("looking down", rng)
    one_side = spots(rng, 80, from_m=8.0, to_m=9.0, from_deg=20.0, to_deg=40.0)
    looks = looks_at(sensor, rng, one_side, people=2)
    with pytest.raises(CalibrationFailed, match="uncertain") as refused:
        pose_from_people(looks, as_mounted(sensor, rng))
    assert "8 to 9 m over 1" in refused.value.remedy
    assert "nearer and farther" in refused.value.remedy


def test_too_few_looks_are_refused():
    rng = np.random.default_rng(7)
    sensor = sensor_of("looking down", rng)
    looks = looks_at(sensor, rng, spots(rng, 20), people=2)
    with pytest.raises(CalibrationFailed, match="too few people"):
        pose_from_people(looks, sensor)
