"""What weather, night and mains light do to a picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.core.config import ComposedSource
from roeh.media.frames import UInt8Image

_NOISE_SIDE_PX = 512
_NOISE_SIGMA = 14.0
_NIGHT_LIGHT = 0.16
_FLICKER_DEPTH = 0.35
_MAINS_HZ = 100.0
# Sensors see a mains lamp a little off its frequency, or it would stand still.
_BEAT_HZ = 1.7
_RAIN_LIGHT = 46


class Weather:
    """Spoils pictures in place, the same way for the same seed and frame.

    Args:
        section: `night`, `rain_drops` and `flicker`; all nought leaves pictures alone.
    """

    def __init__(self, section: ComposedSource) -> None:
        self._section = section
        rng = np.random.default_rng([section.seed, 3])
        noise = rng.normal(0.0, _NOISE_SIGMA, (_NOISE_SIDE_PX, _NOISE_SIDE_PX, 3))
        # Blue is amplified most under lamps.
        self._noise = (noise * section.night * [1.25, 0.9, 1.1]).astype(np.int16)

    def spoil(self, picture: UInt8Image, seq: int, since_s: float) -> None:
        """Apply light, rain and noise to a picture (height, width, 3)."""
        section = self._section
        rng = np.random.default_rng([section.seed, 4, seq])
        gain = 1.0 - section.night * (1.0 - _NIGHT_LIGHT)
        if section.flicker:
            beat = math.sin(2 * math.pi * (_MAINS_HZ + _BEAT_HZ) * since_s)
            gain *= 1.0 + _FLICKER_DEPTH * section.flicker * beat
        if gain != 1.0:
            cv2.convertScaleAbs(picture, dst=picture, alpha=gain)
        if section.rain_drops:
            _rain(picture, section.rain_drops, rng)
        if section.night:
            self._add_noise(picture, rng)

    def _add_noise(self, picture: UInt8Image, rng: np.random.Generator) -> None:
        """Noise from one patch, shifted anew for every block of every frame."""
        height, width = picture.shape[:2]
        for top in range(0, height, _NOISE_SIDE_PX):
            for left in range(0, width, _NOISE_SIDE_PX):
                block = picture[top : top + _NOISE_SIDE_PX, left : left + _NOISE_SIDE_PX]
                shift = rng.integers(0, _NOISE_SIDE_PX, 2)
                noise = np.roll(self._noise, shift, axis=(0, 1))[: block.shape[0], : block.shape[1]]
                cv2.add(block, noise, dst=block, dtype=cv2.CV_8U)


def _rain(picture: UInt8Image, drops: int, rng: np.random.Generator) -> None:
    """Bright streaks towards the middle of the picture, where a pole's camera looks down."""
    height, width = picture.shape[:2]
    middle = np.asarray([width / 2, height / 2])
    start = rng.uniform(0, 1, (drops, 2)) * [width, height]
    inward = middle - start
    reach = np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1.0)
    end = start + inward / reach * rng.uniform(0.01, 0.035, (drops, 1)) * min(width, height)
    layer = np.zeros((height, width), np.uint8)
    lines: NDArray[np.int32] = np.stack([start, end], axis=1).astype(np.int32)
    cv2.polylines(
        layer,
        list(lines[:, :, None]),
        isClosed=False,
        color=_RAIN_LIGHT,
        thickness=1 + width // 1024,
    )
    cv2.add(picture, cv2.merge([layer, layer, layer]), dst=picture)
