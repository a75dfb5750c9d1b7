"""The light that a camera looks in, and what its sensor makes of it."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Light
from roeh.media.frames import UInt8Image

Float32Image = NDArray[np.float32]

#: Noise of spread 1, of which each picture shows another part: drawing it anew takes longest.
_BANK_PX = 700
_BANK = np.random.default_rng(11).standard_normal((_BANK_PX, _BANK_PX, 3), np.float32)


class Exposure(msgspec.Struct, frozen=True):
    """A camera's light.

    Attributes:
        gain: brightness beside that of the day's picture.
        noise: sigma of each pixel, in levels; making a picture small halves it and more.
        is_infrared: grey, lit by its own lamps, darker towards the rim.
        tells: whether the camera says so (`Light`).
    """

    gain: float
    noise: float
    is_infrared: bool = False
    tells: bool = False

    @property
    def light(self) -> Light | None:
        """What the camera tells."""
        return (
            Light(exposure_us=20_000, gain=4.0, is_night=self.is_infrared) if self.tells else None
        )


def day(rng: np.random.Generator) -> Exposure:
    """Sun or clouds."""
    return Exposure(gain=float(rng.uniform(0.6, 1.1)), noise=float(rng.uniform(0.7, 1.5)))


def night(rng: np.random.Generator) -> Exposure:
    """Under street lamps, or with the camera's own infrared lamps."""
    if rng.random() < 0.5:
        return Exposure(gain=float(rng.uniform(0.12, 0.25)), noise=float(rng.uniform(1.5, 3.5)))
    return infrared(rng)


def infrared(rng: np.random.Generator) -> Exposure:
    """With the camera's own infrared lamps."""
    return Exposure(
        gain=float(rng.uniform(0.4, 0.8)),
        noise=float(rng.uniform(1.5, 3.0)),
        is_infrared=True,
        tells=bool(rng.random() < 0.5),
    )


def lit(picture: UInt8Image, exposure: Exposure) -> Float32Image:
    """The scene in that light, without noise and not yet in whole levels: (height, width, 3)."""
    if not exposure.is_infrared:
        return picture * np.float32(exposure.gain)
    # Infrared sees leaves and cloth bright and blue paint dark.
    grey = picture @ np.asarray([-0.1, 0.5, 0.6], np.float32)
    height, width = grey.shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    lamps = exposure.gain * np.clip(1.15 - 0.75 * np.hypot(x, y), 0.1, None)
    return np.repeat((grey * lamps).astype(np.float32)[..., None], 3, axis=2)


def noisy(picture: Float32Image, exposure: Exposure, rng: np.random.Generator) -> UInt8Image:
    """In whole levels, with the sensor's noise; an infrared picture stays grey."""
    height, width = picture.shape[:2]
    top, left = rng.integers(0, _BANK_PX - np.asarray([height, width]))
    noise = exposure.noise * _BANK[top : top + height, left : left + width]
    if exposure.is_infrared:
        noise = np.repeat(noise[..., :1], 3, axis=2)
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)
