"""Pieces of ground on which something happens, apart from each other."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from tests.quality.stages import Camera, Weather
from tests.quality.truth import margin_m
from tests.quality.ways import Place

_HEIGHT_M = 5.0


class Lane(msgspec.Struct, frozen=True):
    """A piece of ground with axes of its own: away from the pole, and to the right of that."""

    middle: Place
    bearing_rad: float
    both_ways: bool

    def place(self, away_m: float, right_m: float) -> Place:
        s, c = math.sin(self.bearing_rad), math.cos(self.bearing_rad)
        return (
            self.middle[0] + away_m * s + right_m * c,
            self.middle[1] + away_m * c - right_m * s,
        )

    def margin_m(self, sigmas: float) -> float:
        return float(margin_m(np.asarray([self.middle]), _HEIGHT_M, sigmas)[0])


def lanes_of(camera: Camera, weather: Weather, rng: np.random.Generator) -> list[Lane]:
    """Where people can be seen without standing before each other."""
    # A fisheye spreads its pixels over everything: at night it sees less far.
    if camera is Camera.PINHOLE:
        near = 8.6 if weather is not Weather.NIGHT else 8.2
        middles = [
            (3.6 * step, near + abs(step) * 0.2 + rng.uniform(-0.4, 0.4)) for step in range(-2, 3)
        ]
        if rng.random() < 0.5:
            middles = middles[1:4]
        return [
            Lane(middle, math.atan2(*middle), both_ways=abs(middle[0]) < 5.0) for middle in middles
        ]
    range_m = 6.8 if weather is not Weather.NIGHT else 5.8
    turn = rng.uniform(0, 2 * math.pi)
    bearings = [turn + math.radians(60) * step for step in range(6)]
    return [
        Lane((range_m * math.sin(bearing), range_m * math.cos(bearing)), bearing, both_ways=False)
        for bearing in bearings
    ]
