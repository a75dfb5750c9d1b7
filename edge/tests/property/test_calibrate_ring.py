"""A ring is found from what two sensors both see, to 0.1 degree, with sigmas that hold."""

import math

import numpy as np
import pytest

from roeh.calibrate.pose.attitude import attitude_of
from roeh.calibrate.pose.watching import SeenPerson
from roeh.calibrate.ring.checks import SharedSpot, neighbours
from roeh.calibrate.ring.extrinsics import ring_from_spots
from roeh.calibrate.ring.overlaps import spots_of_people
from roeh.calibrate.rotation import turn
from roeh.core.errors import CalibrationFailed
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor
from tests.known_rigs import turn_vector

TILT_SIGMA_DEG = 0.5
SPOTS_A_PAIR = {"ring of four": 12, "back to back": 24}


def true_rig(kind, rng):
    if kind == "ring of four":
        lens, count, tilt_deg = Pinhole.from_hfov(1920, 1080, 105), 4, 30.0
    else:
        lens, count, tilt_deg = Equidistant(2048, 2048, 190), 2, 10.0
    sensors = []
    for number in range(count):
        azimuth_deg = 360.0 / count * number
        side = math.radians(azimuth_deg)
        pose = Pose(
            (azimuth_deg + rng.normal()) % 360.0,
            tilt_deg + rng.normal(),
            rng.normal(),
            5.0,
            (0.15 * math.sin(side), 0.15 * math.cos(side)),
        )
        sensors.append(Sensor(f"s{number}", lens, pose))
    return Rig(tuple(sensors), 0.0, 0.0)


def configured(rig, rng, *, azimuth_off_deg=2.0):
    """The rig as it was put up by eye; the first sensor's azimuth is what others count from."""
    sensors = []
    for number, sensor in enumerate(rig.sensors):
        yaw = 0.0 if number == 0 else rng.normal(0.0, azimuth_off_deg)
        lean = rng.normal(0.0, TILT_SIGMA_DEG, 2)
        found = attitude_of(turn(np.radians([*lean, yaw])) @ sensor.pose.to_pole())
        pose = Pose(found.azimuth_deg, found.tilt_deg, found.roll_deg, 5.0, sensor.pose.offset_m)
        sensors.append(Sensor(sensor.name, sensor.lens, pose, PoseSigmas(tilt_deg=TILT_SIGMA_DEG)))
    return Rig(tuple(sensors), 0.0, 0.0)


def spots_of(rig, rng, a_pair, *, sigma_px=1.0):
    spots = []
    for one, other in neighbours(rig):
        planes = [GroundPlane(rig, rig.sensor(name)) for name in (one, other)]
        bearing = rng.uniform(0.0, 2 * math.pi, 400)
        range_m = rng.uniform(3.0, 12.0, 400)
        places = range_m[:, None] * np.column_stack([np.sin(bearing), np.cos(bearing)])
        pixels = [plane.pixels_of(places) for plane in planes]
        seen = np.flatnonzero(~np.isnan(np.hstack(pixels)).any(axis=1))[:a_pair]
        assert len(seen) == a_pair
        for row in seen:
            marks = [tuple((each[row] + rng.normal(0, sigma_px, 2)).tolist()) for each in pixels]
            spots.append(
                SharedSpot(
                    name=f"{one}-{row}",
                    one=one,
                    one_px=marks[0],
                    other=other,
                    other_px=marks[1],
                    sigma_px=sigma_px,
                )
            )
    return spots


def against_each_other_deg(found, true):
    """Turns (k, 3) of each sensor's error about the pole's axes, azimuths against their mean."""
    turns = np.asarray(
        [
            turn_vector(a.pose.to_pole() @ b.pose.to_pole().T)
            for a, b in zip(found, true.sensors, strict=True)
        ]
    )
    turns[:, 2] -= turns[:, 2].mean()
    return np.degrees(turns)


@pytest.mark.parametrize("kind", list(SPOTS_A_PAIR))
def test_azimuths_close_and_are_as_good_as_their_sigmas_say(kind):
    yaws, normalised, tilts, closures = [], [], [], []
    for seed in range(6):
        rng = np.random.default_rng([seed, 5])
        rig = true_rig(kind, rng)
        spots = spots_of(rig, rng, SPOTS_A_PAIR[kind])
        found = ring_from_spots(spots, configured(rig, rng))
        off = against_each_other_deg(found.sensors, rig)
        count = len(rig.sensors)
        yaws.extend(off[:, 2])
        # What is stated is a sensor's own share of the error between two.
        shares = [sensor.sigmas.azimuth_deg for sensor in found.sensors]
        normalised.extend(off[:, 2] / shares * math.sqrt(count / (count - 1)))
        tilts.extend((off[:, :2].T / [sensor.sigmas.tilt_deg for sensor in found.sensors]).ravel())
        if found.closure_deg is not None:
            closures.append(found.closure_deg / found.closure_sigma_deg)
    assert np.sqrt(np.mean(np.square(yaws))) <= 0.05
    assert np.abs(yaws).max() <= 0.1
    assert 0.6 <= np.sqrt(np.mean(np.square(normalised))) <= 1.5
    assert 0.6 <= np.sqrt(np.mean(np.square(tilts))) <= 1.5
    assert all(abs(closure) < 4.0 for closure in closures)
    assert len(closures) == (6 if kind == "ring of four" else 0)


def test_spots_that_are_none_do_not_count():
    rng = np.random.default_rng(9)
    rig = true_rig("ring of four", rng)
    spots = spots_of(rig, rng, 15)
    for number in range(0, len(spots), 8):
        wrong = spots[number]
        x, y = wrong.other_px
        spots[number] = SharedSpot(
            name=wrong.name,
            one=wrong.one,
            one_px=wrong.one_px,
            other=wrong.other,
            other_px=(x + 60.0, y - 40.0),
        )
    found = ring_from_spots(spots, configured(rig, rng))
    assert not found.is_used[::8].any()
    assert found.is_used.sum() >= 0.8 * len(spots)
    assert np.abs(against_each_other_deg(found.sensors, rig)[:, 2]).max() <= 0.15


def test_a_pair_without_common_points_is_named():
    rng = np.random.default_rng(1)
    rig = true_rig("ring of four", rng)
    missing = {"s2", "s3"}
    spots = [spot for spot in spots_of(rig, rng, 6) if {spot.one, spot.other} != missing]
    with pytest.raises(CalibrationFailed, match="0 of 4") as refused:
        ring_from_spots(spots, configured(rig, rng))
    assert refused.value.which == "s2 and s3"


def test_sensors_that_see_no_common_ground_are_no_ring():
    lens = Pinhole.from_hfov(1920, 1080, 60)
    rig = Rig(
        tuple(Sensor(f"s{k}", lens, Pose(180.0 * k, 30.0, 0.0, 5.0)) for k in range(2)), 0.0, 0.0
    )
    with pytest.raises(CalibrationFailed, match="no common ground") as refused:
        ring_from_spots([], rig)
    assert refused.value.which == "s0 and s1"


def test_a_lens_that_is_wrong_does_not_close():
    rng = np.random.default_rng(4)
    rig = true_rig("ring of four", rng)
    spots = spots_of(rig, rng, 20, sigma_px=0.3)
    mounted = configured(rig, rng, azimuth_off_deg=0.5)
    narrow = Rig(
        tuple(
            Sensor(each.name, Pinhole.from_hfov(1920, 1080, 102), each.pose, PoseSigmas(0.05))
            for each in mounted.sensors
        ),
        0.0,
        0.0,
    )
    with pytest.raises(CalibrationFailed, match=r"close|fit the others"):
        ring_from_spots(spots, narrow)


def seen_by(rig, name, person, walk, times_ns):
    """What a sensor sees of somebody at moments of its own."""
    plane = GroundPlane(rig, rig.sensor(name))
    places = np.asarray([walk(t_ns) for t_ns in times_ns])
    feet, heads = plane.pixels_of(places), plane.pixels_of(places, up_m=1.7)
    return [
        SeenPerson(
            sensor=name,
            person=person,
            t_ns=t_ns,
            foot_px=tuple(foot.tolist()),
            head_px=tuple(head.tolist()),
            east_m=float(place[0]),
            north_m=float(place[1]),
            height_m=1.7,
        )
        for t_ns, place, foot, head in zip(times_ns, places, feet, heads, strict=True)
        if not np.isnan([foot, head]).any()
    ]


def test_people_are_paired_by_place_and_brought_to_one_moment():
    rng = np.random.default_rng(6)
    rig = true_rig("back to back", rng)

    def round_the_pole(t_ns):
        bearing = 0.25 * t_ns / 1e9
        return 6.0 * math.sin(bearing), 6.0 * math.cos(bearing)

    def far_off(t_ns):
        return 11.0, 2.0 - 0.2 * t_ns / 1e9

    # The second sensor's pictures come between those of the first.
    times = [range(0, 25 * 10**9, 250_000_000), range(110_000_000, 25 * 10**9, 250_000_000)]
    seen = {
        name: seen_by(rig, name, 1, round_the_pole, list(when))
        + seen_by(rig, name, 2, far_off, list(when))
        for name, when in zip(("s0", "s1"), times, strict=True)
    }
    spots = spots_of_people(seen, neighbours(rig), 0.5)
    assert len(spots) > 12
    off = []
    for spot in spots:
        places = [
            GroundPlane(rig, rig.sensor(name)).fix(np.asarray([pixel])).east_north_m[0]
            for name, pixel in ((spot.one, spot.one_px), (spot.other, spot.other_px))
        ]
        off.append(math.dist(*places))
    # At 1.5 m/s a picture 0.14 s later would be 0.2 m off.
    assert max(off) < 0.03
