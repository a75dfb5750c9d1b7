"""A place on the ground is where the pixel says, and as uncertain as it says."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from roeh.core.types import Covariance, GroundPoint
from roeh.optics.ground import GroundPlane, bearing_of, locate, range_of
from roeh.optics.lens import Equidistant, KannalaBrandt, Pinhole
from roeh.optics.rig import Pose, PoseSigmas, Rig, Sensor
from roeh.optics.upright import agrees, ends_of, upright_heights

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
headings = st.floats(0, 360)

FISHEYES = (
    Equidistant(2048, 2048, 185),
    KannalaBrandt.from_fov(2048, 2048, 185, k=(-0.02, 0.002, 0.0, 0.0)),
)


def overhead(heading_deg: float = 0.0, height_m: float = 5.0, lens=FISHEYES[0], **sigmas):
    sensor = Sensor("down", lens, Pose(0, 90, 0, height_m))
    return GroundPlane(
        Rig((sensor,), heading_deg, sigmas.pop("heading_sigma_deg", 1), **sigmas), sensor
    )


def places(bearing_deg, range_m):
    bearing, distance = np.radians(bearing_deg), np.asarray(range_m)
    return np.column_stack(
        np.broadcast_arrays(distance * np.sin(bearing), distance * np.cos(bearing))
    )


@st.composite
def planes(draw: st.DrawFn) -> GroundPlane:
    """Fisheyes that look down askew, and tilted ordinary cameras, beside the pole's axis."""
    if draw(st.booleans()):
        lens = draw(st.sampled_from(FISHEYES))
        tilt_deg = draw(st.floats(60, 90))
    else:
        lens = Pinhole.from_hfov(1920, 1080, draw(st.floats(40, 110)))
        tilt_deg = draw(st.floats(5, 80))
    pose = Pose(
        draw(st.floats(-180, 360)),
        tilt_deg,
        draw(st.floats(-180, 180)),
        draw(st.floats(2, 12)),
        draw(st.sampled_from([(0.0, 0.0), (0.12, -0.07), (-0.3, 0.2)])),
    )
    sensor = Sensor("a", lens, pose)
    return GroundPlane(Rig((sensor,), draw(headings), 1.0), sensor)


@quick
@given(planes(), seeds)
def test_ground_to_pixel_to_ground(plane: GroundPlane, seed: int):
    rng = np.random.default_rng(seed)
    there = places(rng.uniform(0, 360, 200), rng.uniform(0, 40, 200))
    pixels = plane.pixels_of(there)
    seen = ~np.isnan(pixels).any(axis=1)
    fixes = plane.fix(pixels[seen])
    assert fixes.seen.all()
    np.testing.assert_allclose(fixes.east_north_m, there[seen], atol=1e-6)


@quick
@given(planes(), seeds)
def test_pixel_to_ground_to_pixel(plane: GroundPlane, seed: int):
    lens = plane.sensor.lens
    size = np.asarray([lens.width_px, lens.height_px]) - 1
    pixels = np.random.default_rng(seed).uniform(0, size, (200, 2))
    fixes = plane.fix(pixels)
    again = plane.pixels_of(fixes.east_north_m[fixes.seen])
    assert np.abs(again - pixels[fixes.seen]).max(initial=0.0) < 0.05
    # A covariance is one: symmetric, no negative variance along any axis.
    covariance = fixes.covariance_m2[fixes.seen]
    np.testing.assert_allclose(covariance, covariance.transpose(0, 2, 1))
    assert (np.linalg.eigvalsh(covariance) > 0).all()


@quick
@given(headings, st.floats(0.5, 30), st.sampled_from([0.0, 90.0, 180.0, 270.0]))
def test_bearing_is_continuous_over_every_seam(heading_deg: float, range_m: float, at_deg: float):
    plane = overhead(heading_deg)
    offsets = np.linspace(-0.05, 0.05, 11)
    fixes = plane.fix(plane.pixels_of(places(at_deg + offsets, range_m))).points()
    bearings = np.asarray([bearing_of(point) for point in fixes])
    assert ((bearings >= 0) & (bearings < 360)).all()
    off = (bearings - at_deg + 180) % 360 - 180
    np.testing.assert_allclose(off, offsets, atol=1e-6)


@quick
@given(headings, st.floats(0, 360), st.floats(0.5, 30))
def test_the_heading_turns_places_and_leaves_ranges_and_their_sigma(
    heading_deg: float, azimuth_deg: float, range_m: float
):
    north, turned = overhead(0.0), overhead(heading_deg)
    pixel = tuple(north.pixels_of(places(azimuth_deg, range_m))[0])
    here, there = (locate(plane.point(pixel), plane.rig) for plane in (north, turned))
    assert there.range_m == pytest.approx(here.range_m)
    assert there.range_sigma_m == pytest.approx(here.range_sigma_m)
    turn = (there.bearing_deg - here.bearing_deg - heading_deg + 180) % 360 - 180
    assert turn == pytest.approx(0, abs=1e-6)


@quick
@given(headings, st.sampled_from(FISHEYES), st.floats(0, 0.02), st.floats(0, 360))
def test_at_the_nadir_all_is_finite_and_the_bearing_says_it_knows_nothing(
    heading_deg: float, lens, range_m: float, bearing_deg: float
):
    plane = overhead(heading_deg, lens=lens)
    point = plane.point(tuple(plane.pixels_of(places(bearing_deg, range_m))[0]))
    where = locate(point, plane.rig)
    assert where.bearing_sigma_deg == 180
    assert range_of(point) == pytest.approx(range_m, abs=1e-6)
    figures = (where.bearing_deg, where.range_sigma_m, where.position_sigma_m)
    assert all(math.isfinite(figure) for figure in figures)
    assert 0 < where.range_sigma_m < 0.1


def misled(plane: GroundPlane, there, rng, count: int):
    """Pixels of one place as cameras see it whose pose and foot are each a bit off."""
    rig, sigmas = plane.rig, plane.sensor.sigmas
    axes_deg = [sigmas.tilt_deg, sigmas.tilt_deg, rig.azimuth_sigma_deg_of(plane.sensor)]
    wobble = rng.normal(0, 1, (count, 3)) * np.radians(axes_deg)
    eyes = np.tile(rig.eye_of(plane.sensor), (count, 1))
    eyes[:, 2] += rng.normal(0, sigmas.height_m, count)
    sights = np.asarray([*there, 0.0]) - eyes
    # The camera is turned, so in its eyes the world turns the other way.
    sights = Rotation.from_rotvec(wobble).inv().apply(sights)
    pixels = plane.sensor.pixels_of(sights @ rig.to_world())
    return pixels + rng.normal(0, rig.pixel_sigma_px, (count, 2))


@settings(max_examples=12, deadline=None)
@given(
    seeds,
    headings,
    st.floats(0, 360),
    st.floats(0.0, 18.0),
    st.floats(4, 7),
    st.sampled_from(FISHEYES),
)
def test_places_scatter_as_their_covariance_says(
    seed: int, heading_deg: float, bearing_deg: float, range_m: float, height_m: float, lens
):
    plane = overhead(heading_deg, height_m, lens, pixel_sigma_px=2)
    there = places(bearing_deg, range_m)[0]
    fixes = plane.fix(misled(plane, there, np.random.default_rng(seed), 4000))
    assert_honest(fixes, there)


def assert_honest(fixes, there):
    off = fixes.east_north_m - there
    square = np.einsum("ni,nij,nj->n", off, np.linalg.inv(fixes.covariance_m2), off)
    # Chi square with two degrees of freedom: 5.99 holds 95 %.
    assert 0.935 < np.mean(square <= 5.99) < 0.965


@settings(max_examples=12, deadline=None)
@given(seeds, headings, st.floats(-40, 40), st.floats(4, 14), st.floats(0.0, 1.5))
def test_among_several_sensors_each_ones_own_sigmas_say_how_its_places_scatter(
    seed: int, heading_deg: float, beside_deg: float, range_m: float, azimuth_deg: float
):
    lens = Pinhole.from_hfov(1920, 1080, 100)
    poses = (Pose(90, 35, 0, 5, (0.15, 0.0)), Pose(270, 35, 0, 4, (-0.15, 0.05)))
    sigmas = (PoseSigmas(0.2, 0.05, azimuth_deg), PoseSigmas(0.6, 0.02, azimuth_deg / 2))
    sensors = tuple(
        Sensor(name, lens, pose, sigma)
        for name, pose, sigma in zip("ab", poses, sigmas, strict=True)
    )
    rig = Rig(sensors, heading_deg, 1.0, pixel_sigma_px=2)
    for sensor in sensors:
        there = places(rig.bearing_of(sensor.pose.azimuth_deg + beside_deg), range_m)[0]
        plane = GroundPlane(rig, sensor)
        assert_honest(plane.fix(misled(plane, there, np.random.default_rng(seed), 4000)), there)


def test_a_turn_of_the_only_sensor_is_the_headings_and_not_the_places():
    sensor = Sensor("a", FISHEYES[0], Pose(0, 90, 0, 5), PoseSigmas(azimuth_deg=5.0))
    other = Sensor("b", FISHEYES[0], Pose(0, 90, 0, 5))
    alone, in_company = (
        GroundPlane(Rig(sensors, 0.0, 1.0), sensor).fix(np.asarray([[1500.0, 1023.5]]))
        for sensors in ((sensor,), (sensor, other))
    )
    across = in_company.covariance_m2 - alone.covariance_m2
    (range_m, _) = alone.east_north_m[0]
    sideways = np.asarray([[0, 0], [0, (range_m * math.radians(5)) ** 2]])
    np.testing.assert_allclose(across[0], sideways, atol=1e-9)
    np.testing.assert_array_equal(in_company.jitter_m2, alone.jitter_m2)


@settings(max_examples=12, deadline=None)
@given(seeds, st.floats(0, 360), st.floats(3.0, 15.0), st.floats(0.8, 2.2))
def test_heights_scatter_as_their_sigma_says(
    seed: int, bearing_deg: float, range_m: float, tall_m: float
):
    plane = overhead(pixel_sigma_px=2)
    rng = np.random.default_rng(seed)
    there, count = places(bearing_deg, range_m)[0], 4000
    wobble = Rotation.from_rotvec(rng.normal(0, math.radians(0.5), (count, 3)) * [1, 1, 0])
    heights = 5 + rng.normal(0, 0.03, count)

    def seen(up_m: float):
        sights = np.column_stack([np.tile(there, (count, 1)), up_m - heights])
        return plane.sensor.pixels_of(wobble.apply(sights)) + rng.normal(0, 2, (count, 2))

    found = upright_heights(plane, seen(0.0), seen(tall_m))
    assert np.mean(found.height_m) == pytest.approx(tall_m, abs=0.03)
    assert 0.93 < np.mean(np.abs(found.height_m - tall_m) < 1.96 * found.sigma_m) < 0.97


@quick
@given(planes(), seeds)
def test_an_upright_object_has_its_own_height_wherever_it_stands(plane: GroundPlane, seed: int):
    rng = np.random.default_rng(seed)
    tall_m = rng.uniform(0.3, 0.9 * plane.sensor.pose.height_m, 100)
    there = places(rng.uniform(0, 360, 100), rng.uniform(0.5, 40, 100))
    feet, heads = plane.pixels_of(there), plane.pixels_of(there, up_m=tall_m)
    seen = ~np.isnan(np.column_stack([feet, heads])).any(axis=1)
    found = upright_heights(plane, feet[seen], heads[seen])
    np.testing.assert_allclose(found.height_m, tall_m[seen], atol=1e-6)
    assert (found.sigma_m > 0).all()
    assert agrees(found, 0.2, 12.0).all()


def silhouettes(there, eye_m, wide_m: float, tall_m: float):
    """Sights from the lens to the rims (n, 48) of upright ellipses that face the pole."""
    around = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    outward = there / np.linalg.norm(there, axis=1, keepdims=True)
    aside = np.column_stack([outward[:, 1], -outward[:, 0]])
    rims = there[:, None] + wide_m / 2 * np.sin(around)[None, :, None] * aside[:, None]
    up = np.broadcast_to(tall_m / 2 * (1 - np.cos(around)), rims.shape[:2])
    return np.concatenate([rims, up[:, :, None]], axis=2) - eye_m


@quick
@given(planes(), seeds)
def test_the_box_round_a_person_gives_back_foot_and_head(plane: GroundPlane, seed: int):
    rng = np.random.default_rng(seed)
    # Nearer than this one looks down on heads and shoulders, and a box says little.
    nearest_m = max(3.0, 1.2 * plane.sensor.pose.height_m)
    there = places(rng.uniform(0, 360, 100), rng.uniform(nearest_m, 30, 100))
    sights = silhouettes(there, plane.rig.eye_of(plane.sensor), 0.5, 1.75)
    rims = plane.sensor.pixels_of(sights.reshape(-1, 3) @ plane.rig.to_world()).reshape(100, 48, 2)
    rims = rims[~np.isnan(rims).any(axis=(1, 2))]
    assume(len(rims))
    low, high = rims.min(axis=1), rims.max(axis=1)
    ends = ends_of(plane.sensor, np.column_stack([low, high]))
    feet, heads = rims[:, 0], rims[:, 24]
    # Whatever way the person lies across the picture: an upright box round a slanting
    # ellipse has its middle on the ellipse's axis, but its edges a little beyond the ends.
    off = 0.1 * np.linalg.norm(high - low, axis=1) + 1
    assert (np.linalg.norm(ends.foot_px - feet, axis=1) < off).all()
    assert (np.linalg.norm(ends.head_px - heads, axis=1) < off).all()


@quick
@given(
    st.floats(-100, 100),
    st.floats(-100, 100),
    st.floats(0.01, 4),
    st.floats(0.01, 4),
    st.floats(-0.99, 0.99),
    st.floats(0, 10),
)
def test_any_place_has_finite_figures_in_their_ranges(
    east_m: float,
    north_m: float,
    east_sigma_m: float,
    north_sigma_m: float,
    correlation: float,
    heading_sigma_deg: float,
):
    point = GroundPoint(
        east_m=east_m,
        north_m=north_m,
        covariance=Covariance(
            east_east_m2=east_sigma_m**2,
            east_north_m2=correlation * east_sigma_m * north_sigma_m,
            north_north_m2=north_sigma_m**2,
        ),
    )
    where = locate(point, overhead(heading_sigma_deg=heading_sigma_deg).rig)
    assert 0 <= where.bearing_deg < 360
    assert 0 <= where.bearing_sigma_deg <= 180
    assert where.range_m == pytest.approx(math.hypot(east_m, north_m))
    assert where.position_sigma_m >= max(east_sigma_m, north_sigma_m) * 0.999
