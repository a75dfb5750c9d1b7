"""What was done to a camera is told as what it is, and an ordinary day is not told at all.

The short form of `python -m tests.quality.tamper`, on two of its drawn clips.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from roeh.core.clock import NS_PER_S
from roeh.core.types import Frame, Light
from roeh.media.frames import PixelFrame
from roeh.optics.lens import Pinhole
from roeh.vision.scene import TamperKind
from roeh.vision.tamper import TamperObserver
from tests.quality.tamper.__main__ import TEST_SEED
from tests.quality.tamper.acts import ORDINARY, TAMPERS
from tests.quality.tamper.clips import Clip
from tests.quality.tamper.tally import tried

SIZE = (320, 180)
LENS = Pinhole.from_hfov(*SIZE, 60.0)
DAY, NIGHT = (Light(exposure_us=10_000, gain=1.0, is_night=night) for night in (False, True))


@pytest.fixture(scope="module")
def all_round():
    return Clip(TEST_SEED, footage="")


@pytest.fixture(scope="module")
def ordinary():
    return Clip(TEST_SEED + 1, footage="")


def test_what_is_done_to_an_all_round_camera_is_told_as_what_it_is(all_round):
    outcomes = list(tried(all_round, TAMPERS))

    assert [one for one in outcomes if not one.is_right] == []
    assert len(outcomes) == 2 * len(TAMPERS)


def test_an_ordinary_day_before_an_ordinary_camera_is_not_told(ordinary):
    outcomes = list(tried(ordinary, ORDINARY))

    assert [one for one in outcomes if not one.is_right] == []
    assert len(outcomes) == 2 * len(ORDINARY)


# How it begins, and how the light changes


def street(seed: int = 1):
    """Houses, windows and a road: (height, width, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIZE[1], SIZE[0], 3), 130, np.uint8)
    for _ in range(60):
        x, y = (int(value) for value in rng.integers(0, SIZE))
        width, height = (int(value) for value in rng.integers(8, 60, 2))
        colour = rng.integers(20, 230, 3).tolist()
        cv2.rectangle(picture, (x, y), (x + width, y + height), colour, -1)
    return picture


def cloth(level: float = 30.0):
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


class Watched:
    """A camera that looks twice a second and more, and its observer."""

    def __init__(self):
        self.observer = TamperObserver(LENS)
        self.rng = np.random.default_rng(5)
        self.count = 0

    def look(self, picture, seconds, light=None, pixel_format="bgr24"):
        """The kind that is told after so long, or None."""
        told = None
        for _ in range(round(seconds * 5)):
            noise = self.rng.normal(0, 2, picture.shape)
            pixels = np.clip(picture + noise, 0, 255).astype(np.uint8)
            if pixel_format == "yuv420p":
                pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420)
            t_ns = round(self.count / 5 * NS_PER_S)
            info = Frame("camera", self.count, t_ns, t_ns, 0, "boot", *SIZE, pixel_format, light)
            told = self.observer.update(PixelFrame(info, pixels))
            self.count += 1
        return None if told is None else told.kind


@pytest.mark.parametrize("pixel_format", ["bgr24", "yuv420p"])
def test_a_camera_is_told_while_it_is_covered(pixel_format):
    camera = Watched()

    assert camera.look(street(), 8, pixel_format=pixel_format) is None
    assert camera.look(cloth(), 12, pixel_format=pixel_format) is TamperKind.COVERED
    assert camera.look(street(), 12, pixel_format=pixel_format) is None


def test_a_hand_before_the_lens_for_a_moment_is_nothing():
    camera = Watched()
    camera.look(street(), 8)

    assert camera.look(cloth(), 2) is None
    assert camera.look(street(), 12) is None


def test_a_camera_that_was_covered_before_it_was_started_is_told():
    camera = Watched()

    assert camera.look(cloth(), 13) is TamperKind.COVERED
    assert camera.look(street(), 13) is None


def test_a_camera_that_was_dazzled_before_it_was_started_is_told():
    assert Watched().look(cloth(255.0), 13) is TamperKind.BLINDED


def test_the_filter_at_dusk_is_nothing():
    camera = Watched()
    grey = np.repeat(street().mean(axis=2, keepdims=True), 3, axis=2) * 0.4

    assert camera.look(street(), 8, DAY) is None
    assert camera.look(grey, 14, NIGHT) is None
    assert camera.look(street(), 14, DAY) is None


def test_who_covers_a_camera_is_not_believed_because_its_filter_switches():
    """A covered camera sees dark, and takes it for the night."""
    camera = Watched()
    camera.look(street(), 8, DAY)

    assert camera.look(cloth(), 12, DAY) is TamperKind.COVERED
    assert camera.look(cloth(20.0), 14, NIGHT) is TamperKind.COVERED
    assert camera.look(street(), 14, DAY) is None


def test_another_scene_is_a_camera_that_was_moved():
    camera = Watched()
    camera.look(street(), 8)

    assert camera.look(street(2), 13) is TamperKind.MOVED


def test_a_picture_that_is_the_same_in_every_pixel_is_judged_too():
    """A camera that hangs gives no noise: nothing may be divided by."""
    camera = Watched()
    camera.rng = np.random.default_rng(5)
    picture = street()
    for index in range(60):
        info = Frame("camera", index, index * NS_PER_S // 5, 0, 0, "boot", *SIZE, "bgr24")
        assert camera.observer.update(PixelFrame(info, picture)) is None
