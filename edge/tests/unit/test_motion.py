"""What counts as motion, by day, by night, under flickering lamps, and what does not."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import ComposedSource
from roeh.core.types import Box
from roeh.media.frames import UInt8Image
from roeh.optics.lens import Equidistant
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.composed import ComposedFrames
from roeh.vision.motion import Motion, MotionDetector, MovingRegion

FPS = 10.0
HEIGHT_PX, WIDTH_PX = 128, 192
Place = tuple[float, float]
Pictures = Callable[[int], NDArray[np.float64]]


def street(seed: int = 1) -> NDArray[np.float64]:
    """Something to look at: soft blotches about mid-grey."""
    coarse = np.random.default_rng(seed).uniform(60, 140, (HEIGHT_PX // 8, WIDTH_PX // 8))
    return np.kron(coarse, np.ones((8, 8)))


STREET = street()


def person(picture: NDArray[np.float64], place: Place, level: float = 200.0) -> None:
    """Somebody 4 px wide and 12 px tall, with soft sides so that slow walking shows."""
    x, y = place
    columns, rows = np.arange(WIDTH_PX), np.arange(HEIGHT_PX)
    across = np.clip(2.5 - np.abs(columns - x), 0, 1)
    down = np.clip(6.5 - np.abs(rows - y), 0, 1)
    cover = down[:, None] * across[None]
    picture[:] = picture * (1 - cover) + level * cover


def walker(speed_px_s: float, fps: float = FPS, **drawn: float) -> Pictures:
    def at(number: int) -> NDArray[np.float64]:
        picture = STREET.copy()
        person(picture, (20 + speed_px_s * number / fps, 60), **drawn)
        return picture

    return at


def noisy(pictures: Pictures, sigma: float, seed: int = 2) -> Pictures:
    rng = np.random.default_rng(seed)
    return lambda number: pictures(number) + rng.normal(0, sigma, (HEIGHT_PX, WIDTH_PX))


def watch(
    pictures: Pictures,
    count: int,
    detector: MotionDetector | None = None,
    *,
    first: int = 0,
    fps: float = FPS,
) -> Iterator[tuple[int, Motion]]:
    detector = detector or MotionDetector()
    for number in range(first, first + count):
        luma: UInt8Image = np.clip(pictures(number), 0, 255).astype(np.uint8)
        yield number, detector.update(luma, round(number / fps * NS_PER_S))


def is_near(motion: Motion, place: Place, within_px: float = 10.0) -> bool:
    return any(
        abs(region.center_x_px - place[0]) <= within_px
        and abs(region.center_y_px - place[1]) <= within_px
        for region in motion.regions
    )


@pytest.mark.parametrize("sigma", [0.0, 2.0, 6.0, 12.0])
def test_noise_is_no_motion_whatever_its_strength(sigma: float):
    motions = [motion for number, motion in watch(noisy(lambda n: STREET, sigma), 200)]

    assert sum(bool(motion.regions) for motion in motions[50:]) <= 1
    assert not any(motion.settling for motion in motions)


@pytest.mark.parametrize("speed_px_s", [4.0, 12.0, 60.0])
def test_a_walker_is_found_where_they_are(speed_px_s: float):
    count = round(140 / speed_px_s * FPS)
    found = [
        is_near(motion, (20 + speed_px_s * number / FPS, 60))
        for number, motion in watch(walker(speed_px_s), min(count, 150))
    ]

    assert np.mean(found[10:]) > 0.95


def test_a_slow_walker_is_found_though_pictures_come_thirty_times_a_second():
    found = [
        is_near(motion, (20 + 3.0 * number / 30, 60))
        for number, motion in watch(walker(3.0, fps=30), 300, fps=30)
    ]

    assert np.mean(found[60:]) > 0.9


def test_at_night_the_threshold_follows_the_noise():
    """Noise of 8 levels, somebody 40 brighter than a dark street."""
    dark = 0.3 * STREET

    def at(number: int) -> NDArray[np.float64]:
        picture = dark.copy()
        if number >= 50:
            person(picture, (10 + 1.2 * (number - 50), 60), level=70.0)
        return picture

    motions = dict(watch(noisy(at, 8.0), 180))

    found = [is_near(motions[n], (10 + 1.2 * (n - 50), 60)) for n in range(55, 180)]
    elsewhere = [
        sum(abs(r.center_x_px - (10 + 1.2 * (n - 50))) > 20 for r in motions[n].regions)
        for n in range(55, 180)
    ]
    assert np.mean(found) > 0.75
    assert sum(elsewhere) <= 2


def lamp(number: int) -> float:
    """Mains flicker seen at the frame rate: 20 % up and down."""
    return 1 + 0.2 * float(np.sin(number * 1.1))


def test_flickering_lamps_are_no_motion_and_hide_nobody():
    empty = [motion for _, motion in watch(lambda n: STREET * lamp(n), 100)]
    walk = walker(12.0)
    walked = list(watch(lambda n: walk(n) * lamp(n), 100))

    assert not any(motion.regions or motion.settling for motion in empty)
    assert np.mean([is_near(m, (20 + 1.2 * n, 60)) for n, m in walked[10:]]) > 0.9


def test_a_cloud_is_no_motion():
    motions = [m for _, m in watch(lambda n: STREET * (1 - 0.4 * min(n / 50, 1)), 120)]

    assert not any(motion.regions or motion.settling for motion in motions)


def test_an_infrared_switch_settles_and_is_then_the_new_background():
    detector = MotionDetector()
    other_light = 255 - street(seed=7)
    before = list(watch(lambda n: STREET, 50, detector))
    after = [m for _, m in watch(lambda n: other_light, 100, detector, first=50)]

    assert not any(motion.settling for _, motion in before)
    assert all(motion.settling for motion in after[:25])
    assert not any(motion.settling for motion in after[26:])
    assert not any(motion.regions for motion in after)


def test_a_strobe_cannot_keep_a_pole_quiet():
    """Police lights: the whole picture changes five times a second, for a minute."""
    other_light = 255 - street(seed=7)

    motions = [m for _, m in watch(lambda n: STREET if n % 4 < 2 else other_light, 600)]

    assert np.mean([motion.settling for motion in motions]) < 0.3


def test_the_gap_that_a_car_left_is_no_motion():
    def at(number: int) -> NDArray[np.float64]:
        picture = STREET.copy()
        if number < 20:
            picture[50:70, 80:120] = 230
        return picture

    motions = dict(watch(at, 60))

    assert motions[20].regions
    assert not any(motions[number].regions for number in range(32, 60))


def test_a_passer_by_leaves_no_trail():
    motions = dict(watch(walker(30.0), 100))

    trails = [
        region
        for number in range(10, 55)
        for region in motions[number].regions
        if region.center_x_px < 20 + 3.0 * number - 16
    ]
    assert trails == []
    assert not any(motions[number].regions for number in range(75, 100))


def test_what_is_large_is_told_piece_by_piece():
    def at(number: int) -> NDArray[np.float64]:
        picture = STREET.copy()
        picture[40:80, 10 + 2 * number : 110 + 2 * number] = 240
        return picture

    motion = list(watch(at, 12))[-1][1]

    assert len(motion.regions) >= 4
    assert max(region.area_px for region in motion.regions) <= 32 * 32
    assert motion.share > 0.05


def rain(drops: int) -> Pictures:
    def at(number: int) -> NDArray[np.float64]:
        rng = np.random.default_rng(number)
        picture = STREET.copy()
        for x, y in zip(rng.integers(0, 185, drops), rng.integers(0, 120, drops), strict=True):
            picture[y : y + 8, x : x + 3] += 60
        return picture

    return at


def test_rain_is_told_roughly():
    """However many drops: a bounded number of regions, so a bounded time."""
    regions = [len(motion.regions) for _, motion in watch(rain(drops=80), 40)]

    assert max(regions) <= 64
    assert min(regions[5:]) > 10


def test_a_downpour_cannot_keep_a_pole_quiet():
    motions = [motion for _, motion in watch(rain(drops=300), 200)]

    assert np.mean([motion.settling for motion in motions]) < 0.3
    assert any(motion.regions for motion in motions)


def test_a_stream_that_changes_its_size_begins_anew():
    detector = MotionDetector()
    list(watch(lambda n: STREET, 10, detector))

    (_, motion), *_ = watch(lambda n: STREET[:64, :96], 1, detector, first=10)

    assert motion == Motion(regions=(), settling=False, share=0.0)


# The composed scene: drawn people with exact truth, in a fisheye


@functools.cache
def composed(night: float, flicker: float, seconds: float = 6.0) -> list[tuple[UInt8Image, tuple]]:
    """Luma of a 1024² fisheye and who truly is where in it."""
    lens = Equidistant(width_px=1024, height_px=1024, fov_deg=185.0)
    sensor = Sensor("dome", lens, Pose(0.0, 90.0, 0.0, 5.0))
    section = ComposedSource(
        seed=5, people=12, fps=FPS, duration_s=seconds, night=night, flicker=flicker
    )
    source = ComposedFrames(
        section, rig=Rig((sensor,), 0.0, 1.0), sensor=sensor, clock=SimulatedClock(), paced=False
    )
    with source:
        return [
            (frame.read().luma(4), source.truth(frame.info))
            for frame in source.frames(threading.Event())
        ]


@pytest.mark.parametrize(
    ("night", "flicker", "share"), [(0.0, 0.0, 0.95), (0.0, 0.6, 0.9), (0.8, 0.0, 0.75)]
)
def test_most_walkers_within_14_m_are_found_by_day_at_night_and_under_lamps(
    night: float, flicker: float, share: float
):
    detector = MotionDetector()
    scene = composed(night, flicker)
    found, strays = [], 0

    for number, (luma, people) in enumerate(scene):
        motion = detector.update(luma, round(number / FPS * NS_PER_S))
        if number < 20:
            continue
        before = {person.id: person.box_px for person in scene[number - 5][1]}
        for person in people:
            moved = _shift_px(person.box_px, before.get(person.id)) > 8.0
            if moved and person.range_m < 14.0:
                found.append(any(_is_on(region, person.box_px) for region in motion.regions))
        strays += sum(
            not any(_is_on(region, person.box_px) for person in people) for region in motion.regions
        )

    assert np.mean(found) >= share
    assert strays <= 0.02 * len(scene)


def _shift_px(box: Box, before: Box | None) -> float:
    """How far the middle of a box went, pixels of the sensor."""
    if before is None:
        return 0.0
    return float(np.hypot(*np.subtract(box.center_px, before.center_px)))


def _is_on(region: MovingRegion, box_px: Box) -> bool:
    """Whether a region of the luma lies on somebody's box, or within 5 px of it."""
    x, y = region.center_x_px, region.center_y_px
    return (
        box_px.x0_px / 4 - 5 <= x <= box_px.x1_px / 4 + 5
        and box_px.y0_px / 4 - 5 <= y <= box_px.y1_px / 4 + 5
    )
