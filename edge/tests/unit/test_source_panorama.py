"""Footage hung round the pole: seen through the lens as a real scene would be."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.config import PanoramaSource, PanoramaView
from roeh.core.errors import SourceUnreadable
from roeh.core.types import Size
from roeh.optics.lens import Equidistant, Pinhole
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.demo_scene import DEMO_HEIGHT_M, demo_views
from roeh.sources.drawn.pane import Pane
from roeh.sources.drawn.panorama import PanoramaFrames
from roeh.sources.drawn.sight import SightField
from tests.unit import source_conformance as conformance
from tests.unit.source_conformance import number_in, numbered_pictures, write_clip

FISHEYE = Sensor("dome", Equidistant(512, 512, 185.0), Pose(20.0, 90.0, 0.0, DEMO_HEIGHT_M))


def sight_of(sensor):
    return SightField(Rig((sensor,), heading_deg=0.0, heading_sigma_deg=0.0), sensor)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pictures = numbered_pictures(20, 192, 144)
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", pictures)


def views(*places):
    return tuple(
        PanoramaView(azimuth_deg=azimuth, hfov_deg=60.0, tilt_deg=30.0, start_s=start)
        for azimuth, start in places
    )


def section(clip, **more):
    settings = {"views": views((0.0, 0.0), (170.0, 0.5)), "fps": 10.0, "loop": False} | more
    return PanoramaSource(path=str(clip), **settings)


def build_from(settings, sensor=FISHEYE):
    return lambda clock, paced, observer: PanoramaFrames(
        settings, sensor=sensor, clock=clock, paced=paced, observer=observer
    )


@pytest.fixture
def build(clip):
    return build_from(section(clip))


def test_order_and_format(build):
    conformance.check_order_and_format(build)


def test_same_times_twice(build):
    conformance.check_same_times_twice(build)


def test_paced_frames_wait_until_they_are_due(build):
    conformance.check_paced_waits(build)


def test_stop_before_start(build):
    conformance.check_stop_before_start(build)


def test_end_comes_with_the_first_view_that_ends(build):
    conformance.check_end(build, 15)


def test_released(build):
    conformance.check_released(build)


def seen_upright(sensor, picture, azimuth_deg, hfov_deg, tilt_deg, size):
    """What a camera with the footage's own lens and pose would see of the sensor's picture."""
    camera = Sensor(
        "eye",
        Pinhole.from_hfov(size.width_px, size.height_px, hfov_deg),
        Pose(azimuth_deg, tilt_deg, 0.0, 1.0),
    )
    y, x = np.mgrid[0 : size.height_px, 0 : size.width_px]
    pixels = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    landed = np.rint(sensor.pixels_of(camera.pole_directions(pixels))).astype(int)
    seen = picture[landed[:, 1], landed[:, 0]]
    return seen.reshape(size.height_px, size.width_px, 3)


@pytest.mark.parametrize("azimuth_deg", [0.0, 179.0, 181.0, 271.0, 359.5])
def test_a_pane_shows_the_footage_where_its_pose_says(azimuth_deg):
    sensor = Sensor("dome", Equidistant(1024, 1024, 190.0), Pose(33.0, 90.0, 0.0, 5.0))
    size = Size(160, 120)
    ramp = np.zeros((120, 160, 3), np.uint8)
    ramp[..., 0] = np.arange(160)
    ramp[..., 1] = np.arange(120)[:, None] * 2
    picture = np.full((1024, 1024, 3), 255, np.uint8)
    pane = Pane.of(sight_of(sensor), size, azimuth_deg=azimuth_deg, hfov_deg=60.0, tilt_deg=30.0)
    pane.draw(ramp, picture)
    seen = seen_upright(sensor, picture, azimuth_deg, 60.0, 30.0, size).astype(int)
    inner = (slice(3, -3), slice(3, -3))
    # Reading back by the nearest pixel is good to one pixel of the footage.
    assert np.abs(seen - ramp)[inner].max() <= 2


def test_the_map_is_the_lens_to_a_thirtieth_of_a_pixel():
    sensor = Sensor("dome", Equidistant(1024, 1024, 185.0), Pose(0.0, 90.0, 0.0, 5.0))
    view = demo_views()[1]
    pose = Pose(view.azimuth_deg, view.tilt_deg, 0.0, 1.0)
    camera = Sensor("eye", Pinhole.from_hfov(768, 576, view.hfov_deg), pose)
    pane = Pane.of(
        sight_of(sensor),
        Size(768, 576),
        azimuth_deg=view.azimuth_deg,
        hfov_deg=view.hfov_deg,
        tilt_deg=view.tilt_deg,
    )
    band = pane.bands[len(pane.bands) // 2]
    y, x = np.mgrid[band.box.top_px : band.box.bottom_px, band.box.left_px : band.box.right_px]
    pixels = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    exact = camera.pixels_of(sensor.pole_directions(pixels)).reshape(*band.box.shape, 2)
    fraction = np.stack([band.map.fraction % 32, band.map.fraction // 32], axis=-1) / 32
    mapped = band.map.whole_px + fraction
    shown = band.map.whole_px[..., 0] >= 0
    assert shown.sum() > 1000
    assert np.abs(mapped - exact)[shown].max() < 0.03


def test_views_begin_where_they_are_told_and_beside_them_is_calm_ground(clip):
    settings = section(clip, loop=True)
    stop = threading.Event()
    numbers = []
    with build_from(settings)(SimulatedClock(), False, lambda _: None) as source:
        for frame in source.frames(stop):
            picture = frame.read().bgr()
            numbers.append(
                [
                    number_in(seen_upright(FISHEYE, picture, azimuth, 60.0, 30.0, Size(192, 144)))
                    for azimuth in (0.0, 170.0)
                ]
            )
            if len(numbers) == 25:
                stop.set()
    assert numbers[:15] == [[index, index + 5] for index in range(15)]
    # At its end a view starts again from the footage's beginning.
    assert [second for _, second in numbers[15:]] == list(range(10))
    assert [first for first, _ in numbers[20:]] == list(range(5))
    ground = seen_upright(FISHEYE, picture, 270.0, 40.0, 40.0, Size(60, 40))
    assert ground.std() < 12
    assert 80 < ground.mean() < 190
    assert not picture[2, 2].any()


def test_a_pinhole_sensor_sees_its_part_of_the_view(clip):
    sensor = Sensor("gate", Pinhole.from_hfov(96, 72, 30.0), Pose(5.0, 30.0, 0.0, 5.0))
    with build_from(section(clip), sensor)(SimulatedClock(), False, lambda _: None) as source:
        first = next(source.frames(threading.Event())).read().bgr().astype(float)
    assert first[10, 48] == pytest.approx([30, 160, 60], abs=12)
    assert first[60, 48] == pytest.approx([40, 40, 40], abs=12)


def test_a_start_past_the_end_is_refused(clip):
    late = section(clip, views=views((0.0, 99.0)))
    with pytest.raises(SourceUnreadable, match=r"from second 99.*start_s"):
        build_from(late)(SimulatedClock(), False, lambda _: None).__enter__()


def test_missing_footage_is_refused(tmp_path):
    gone = section(tmp_path / "gone.avi")
    with pytest.raises(SourceUnreadable, match="no such file"):
        build_from(gone)(SimulatedClock(), False, lambda _: None).__enter__()
