"""What is done to a camera, and what happens before it on an ordinary day.

An act changes where the camera looks (`pose`), what is before it in the scene (`scene`, before
the light), and what reaches the sensor (`glass`, after the light: covers and glare).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.media.frames import UInt8Image
from roeh.vision.scene import TamperKind
from tests.quality.tamper.clips import Clip
from tests.quality.tamper.light import Exposure

Float32 = NDArray[np.float32]


class Pose(NamedTuple):
    """How far a camera has been turned, in degrees."""

    turn_deg: float = 0.0
    tilt_deg: float = 0.0
    roll_deg: float = 0.0


class Act:
    """Nothing happens: the base of all acts. `step` counts pictures since it began."""

    kind: TamperKind | None = None

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        self.clip = clip
        self.rng = rng

    def pose(self, step: int) -> Pose:
        return Pose()

    def scene(self, picture: UInt8Image, step: int) -> UInt8Image:
        return picture

    def exposure(self, exposure: Exposure, step: int) -> Exposure:
        return exposure

    def glass(self, picture: Float32, step: int) -> Float32:
        return picture


# What is done to a camera


class _Cover(Act):
    """Something before the lens, so near that nothing of it is sharp."""

    kind = TamperKind.COVERED
    levels = (4.0, 60.0)
    share = 1.0

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        size = (clip.lens.height_px, clip.lens.width_px)
        folds = _smooth(rng, size, 0.05 * size[1])
        level = rng.uniform(*self.levels)
        tint = 1 + 0.15 * rng.uniform(-1, 1, 3) if rng.random() < 0.5 else np.ones(3)
        cover = level * (1 + 0.12 * folds[..., None]) * tint
        self._cover = np.clip(cover, 0, 240).astype(np.float32)
        place = _smooth(rng, size, 0.12 * size[1])
        # Of the picture that the lens shows, so much is behind it.
        height, width = np.mgrid[: size[0], : size[1]]
        shown = clip.lens.inside(np.column_stack([width.ravel(), height.ravel()]).astype(float))
        edge = np.quantile(place.ravel()[shown], 1 - self.share)
        soft = np.clip((place - edge) * 6 + 0.5, 0, 1) if self.share < 1 else np.ones(size)
        self._opacity = soft.astype(np.float32)[..., None]

    def glass(self, picture: Float32, step: int) -> Float32:
        return picture * (1 - self._opacity) + self._cover * self._opacity


class ClothDark(_Cover):
    """A dark cloth, a glove, paint."""


class BagBright(_Cover):
    """A bag that lets light through."""

    levels = (110.0, 215.0)


class CoveredPartly(_Cover):
    """Spray or tape over 75 to 95 % of the lens."""

    levels = (10.0, 170.0)

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        self.share = float(rng.uniform(0.75, 0.95))
        super().__init__(clip, rng)


class Lamp(Act):
    """A lamp held at the lens: most of the picture is white, the rest is washed out."""

    kind = TamperKind.BLINDED

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        away = _away(clip, rng.uniform(-0.3, 0.3, 2))
        self._glare = (900 * np.exp(-((away / rng.uniform(0.75, 1.1)) ** 2)) + 60)[..., None]

    def glass(self, picture: Float32, step: int) -> Float32:
        return np.clip(picture + self._glare, 0, 255).astype(np.float32)


class Laser(Act):
    """A laser at the lens: a white core, a coloured bloom over a third of the picture, a veil."""

    kind = TamperKind.BLINDED

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        away = _away(clip, rng.uniform(-0.35, 0.35, 2))
        colour = np.asarray([(0.15, 1.0, 0.35), (0.12, 0.2, 1.0), (1.0, 0.45, 0.3)])
        bloom = 2500 * np.exp(-away / rng.uniform(0.22, 0.34)) + 20
        self._glare = bloom[..., None] * colour[rng.integers(0, 3)]

    def glass(self, picture: Float32, step: int) -> Float32:
        shimmer = self.rng.uniform(0.85, 1.15)
        return np.clip(picture + shimmer * self._glare, 0, 255).astype(np.float32)


class _Defocus(Act):
    """The lens's ring turned: every point a disc."""

    kind = TamperKind.DEFOCUSED
    radii = (0.0, 0.0)

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        radius_px = rng.uniform(*self.radii) * clip.lens.width_px
        reach = math.ceil(radius_px)
        x, y = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        disc = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1)
        self._disc = (disc / disc.sum()).astype(np.float32)

    def scene(self, picture: UInt8Image, step: int) -> UInt8Image:
        return np.asarray(cv2.filter2D(picture, -1, self._disc), np.uint8)


class DefocusMild(_Defocus):
    """A circle of confusion of 1.6 to 2.4 % of the picture's width."""

    radii = (0.008, 0.012)


class DefocusStrong(_Defocus):
    """One of 3 to 6 %."""

    radii = (0.015, 0.030)


class _Turn(Act):
    kind = TamperKind.TURNED
    round_deg = (0.0, 0.0)
    flat_share = (0.0, 0.0)

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        if clip.is_round:
            self._turn_deg = float(rng.uniform(*self.round_deg) * rng.choice([-1, 1]))
        else:
            share = float(rng.uniform(*self.flat_share))
            side = -np.sign(clip.rest_deg) or rng.choice([-1, 1])
            self._turn_deg = float(side) * min(clip.reach_deg, share * 2 * _half_deg(clip))

    def pose(self, step: int) -> Pose:
        return Pose(turn_deg=self._turn_deg)


class TurnedALittle(_Turn):
    """By 4 to 12 degrees round the pole; an ordinary camera by 8 to 20 % of its picture."""

    round_deg = (4.0, 12.0)
    flat_share = (0.08, 0.20)


class TurnedFar(_Turn):
    """By 15 to 180 degrees round the pole; an ordinary camera by 20 to 40 % of its picture."""

    round_deg = (15.0, 180.0)
    flat_share = (0.20, 0.40)


class Moved(Act):
    """Tilted: the pole leans, or the camera was pushed up or down."""

    kind = TamperKind.MOVED

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        if clip.is_round:
            self._pose = Pose(tilt_deg=float(rng.uniform(5, 18) * rng.choice([-1, 1])))
        else:
            self._pose = Pose(tilt_deg=float(rng.uniform(3.5, 11) * rng.choice([-1, 1])))

    def pose(self, step: int) -> Pose:
        return self._pose


# What happens on an ordinary day


class Rain(Act):
    """Streaks, and a fifth of the contrast gone."""

    def glass(self, picture: Float32, step: int) -> Float32:
        height, width = picture.shape[:2]
        layer = np.zeros(picture.shape, np.uint8)
        for x, y in self.rng.integers(0, (width, height), (250, 2)):
            end = (int(x + self.rng.integers(-1, 2)), int(y + self.rng.integers(3, 9)))
            # A drop is thinner than a pixel of so small a picture.
            cv2.line(layer, (int(x), int(y)), end, (15, 15, 15), 1)
        return picture * np.float32(0.8) + 12 + layer


class Lamps(Act):
    """Street lamps and shop windows go on and off, each for itself."""

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        self._pools = [
            np.exp(-((_away(clip, rng.uniform(-0.9, 0.9, 2)) / rng.uniform(0.15, 0.5)) ** 2))
            for _ in range(5)
        ]
        self._on = rng.random((5, 64)) < 0.5

    def scene(self, picture: UInt8Image, step: int) -> UInt8Image:
        light = sum(
            0.6 * pool * on[step // 6] for pool, on in zip(self._pools, self._on, strict=True)
        )
        return np.clip(picture * (0.7 + np.asarray(light)[..., None]), 0, 255).astype(np.uint8)


class FilterSwitch(Act):
    """The infrared filter goes and the camera's own lamps come on, or the other way round."""

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        self._infrared_gain = float(rng.uniform(0.4, 0.8))

    def exposure(self, exposure: Exposure, step: int) -> Exposure:
        if exposure.is_infrared:
            return Exposure(gain=0.9, noise=1.2, tells=exposure.tells)
        return Exposure(gain=self._infrared_gain, noise=2.0, is_infrared=True, tells=exposure.tells)


class Crowd(Act):
    """Forty people and more, everywhere, who walk on."""

    def scene(self, picture: UInt8Image, step: int) -> UInt8Image:
        height, width = picture.shape[:2]
        people = np.random.default_rng([self.clip.seed, 7])
        crowded = picture.copy()
        for _ in range(45):
            x, y = people.uniform(0, (width, height))
            way = people.uniform(-0.02, 0.02, 2) * width
            at = (int((x + way[0] * step) % width), int((y + way[1] * step) % height))
            size = people.uniform(0.02, 0.05) * width
            clothes = people.integers(20, 220, 3).tolist()
            cv2.ellipse(
                crowded, at, (int(size / 2), int(size)), 0, 0, 360, clothes, -1, cv2.LINE_AA
            )
        return crowded


class Lorry(Act):
    """A lorry drives up, stands for four seconds before a fifth of the picture, drives on."""

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        self._colour = rng.integers(30, 220, 3).tolist()
        self._y = rng.uniform(0.35, 0.6)

    def scene(self, picture: UInt8Image, step: int) -> UInt8Image:
        height, width = picture.shape[:2]
        place = -0.5 + 0.2 * min(step, 4) + 0.2 * max(0, step - 11)
        left, top = int(place * width), int(self._y * height)
        right, bottom = int((place + 0.5) * width), int((self._y + 0.4) * height)
        parked = picture.copy()
        cv2.rectangle(parked, (left, top), (right, bottom), self._colour, -1)
        cv2.rectangle(parked, (left, top), (right, bottom), (20, 20, 20), 2)
        return parked


class Sunrise(Act):
    """From a sixth of the light to all of it within 12 s, long shadows, warm at first."""

    def scene(self, picture: UInt8Image, step: int) -> UInt8Image:
        part = min(1.0, step / 19)
        warm = np.asarray([0.7 + 0.3 * part, 0.9 + 0.1 * part, 1.0])
        return np.clip(picture * warm * (0.16 + 0.84 * part), 0, 255).astype(np.uint8)


class Shadows(Act):
    """The hard shadow of a house or a cloud moves over half of the picture."""

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        self._angle = rng.uniform(0, 2 * math.pi)
        self._depth = rng.uniform(0.35, 0.6)

    def scene(self, picture: UInt8Image, step: int) -> UInt8Image:
        height, width = picture.shape[:2]
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        across = x * math.cos(self._angle) + y * math.sin(self._angle)
        dark = across < -0.6 + 0.045 * step
        return np.where(dark[..., None], picture * self._depth, picture).astype(np.uint8)


class Headlights(Act):
    """A car's lights sweep over the lens: white, and a veil round it."""

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        self._from = rng.uniform(-0.9, 0.9, 2)
        self._way = rng.uniform(-0.08, 0.08, 2)

    def glass(self, picture: Float32, step: int) -> Float32:
        away = _away(self.clip, self._from + self._way * step)
        glare = 700 * np.exp(-away / 0.06)
        return np.clip(picture + glare[..., None], 0, 255).astype(np.float32)


class Wind(Act):
    """The pole sways, by a quarter of a degree from one end to the other."""

    def __init__(self, clip: Clip, rng: np.random.Generator) -> None:
        super().__init__(clip, rng)
        self._poses = [Pose(*rng.uniform(-0.125, 0.125, 3).round(2)) for _ in range(5)]

    def pose(self, step: int) -> Pose:
        return self._poses[int(self.rng.integers(0, len(self._poses)))]


MakeAct = Callable[[Clip, np.random.Generator], Act]

TAMPERS: dict[str, MakeAct] = {
    "covered, dark cloth": ClothDark,
    "covered, bright bag": BagBright,
    "covered, 75-95 %": CoveredPartly,
    "blinded, lamp": Lamp,
    "blinded, laser": Laser,
    "defocused, mildly": DefocusMild,
    "defocused, strongly": DefocusStrong,
    "turned, a little": TurnedALittle,
    "turned, far": TurnedFar,
    "moved": Moved,
}
ORDINARY: dict[str, MakeAct] = {
    "people": Act,
    "rain": Rain,
    "lamps switch": Lamps,
    "filter switches": FilterSwitch,
    "crowd": Crowd,
    "lorry": Lorry,
    "sunrise": Sunrise,
    "shadows": Shadows,
    "headlights": Headlights,
    "wind": Wind,
}


def _smooth(rng: np.random.Generator, size: tuple[int, int], sigma_px: float) -> Float32:
    """Noise of mean 0 and spread 1 that changes over `sigma_px`."""
    blurred = cv2.GaussianBlur(rng.standard_normal(size, np.float32), (0, 0), sigma_px)
    return np.asarray((blurred - blurred.mean()) / blurred.std(), np.float32)


def _away(clip: Clip, middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each pixel is from a place; 1 is half of the picture's width."""
    height, width = clip.lens.height_px, clip.lens.width_px
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height) * height / width)
    away: NDArray[np.float64] = np.hypot(x - middle[0], y - middle[1] * height / width)
    return away


def _half_deg(clip: Clip) -> float:
    """Half of an ordinary camera's field of view."""
    left = clip.lens.unproject(np.asarray([[0.0, clip.lens.axis_px[1]]]))[0]
    return math.degrees(math.atan2(abs(float(left[0])), float(left[2])))
