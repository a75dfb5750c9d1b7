"""A person's body as a handful of rounded cones, walking.

Proportions are shares of the height after usual anthropometric tables (Drillis &
Contini, 1966); the gait is a sine at the hip with a bent knee in the swing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.sources.drawn.paths import WALKING_MPS, Stance

Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""

# Shares of the height.
_THIGH, _SHIN, _ANKLE, _FOOT = 0.245, 0.246, 0.039, 0.13
_HIP_HALF, _TORSO, _SHOULDER_HALF = 0.052, 0.288, 0.106
_UPPER_ARM, _FOREARM = 0.172, 0.157
_SWING_RAD, _KNEE_RAD = 0.45, 0.85

_SKINS: tuple[Colour, ...] = ((150, 172, 214), (110, 140, 190), (70, 96, 140), (52, 72, 104))
_HAIRS: tuple[Colour, ...] = ((28, 30, 34), (40, 58, 84), (92, 122, 150), (120, 122, 124))
_TOPS: tuple[Colour, ...] = (
    (48, 44, 42), (110, 62, 34), (44, 48, 150), (196, 196, 200), (66, 94, 48),
    (60, 60, 96), (150, 120, 60), (34, 30, 92), (92, 88, 84), (60, 150, 190),
)  # fmt: skip
_TROUSERS: tuple[Colour, ...] = (
    (44, 40, 38), (104, 72, 46), (84, 84, 82), (130, 100, 70), (60, 74, 92), (30, 28, 28),
)  # fmt: skip
_SHOES: Colour = (34, 34, 38)


@dataclass(frozen=True, slots=True)
class Looks:
    """What somebody wears and how tall they are."""

    height_m: float
    width: float
    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour


@dataclass(frozen=True, slots=True)
class Parts:
    """Rounded cones, one a row: from end a (k, 3) of radius (k,) to end b, metres, world."""

    a_m: NDArray[np.float64]
    b_m: NDArray[np.float64]
    radius_a_m: NDArray[np.float64]
    radius_b_m: NDArray[np.float64]
    colours: NDArray[np.float32]
    head: int


def looks_of(seed: int, index: int) -> Looks:
    """Somebody's looks, the same for the same seed."""
    rng = np.random.default_rng([seed, 2, index])
    return Looks(
        height_m=float(np.clip(rng.normal(1.72, 0.08), 1.52, 1.92)),
        width=float(rng.uniform(0.92, 1.12)),
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        top=_TOPS[rng.integers(len(_TOPS))],
        trousers=_TROUSERS[rng.integers(len(_TROUSERS))],
    )


def parts_of(looks: Looks, stance: Stance) -> Parts:
    """The body in that stance, standing on the ground z = 0."""
    builder = _Builder(looks, stance)
    pace = min(stance.speed_mps / WALKING_MPS, 1.3)
    legs = [builder.leg(side, stance.stride_rad, pace) for side in (1.0, -1.0)]
    # The lower foot carries: the pelvis is as high as that leg is long.
    pelvis = max(-foot[2] for _, _, foot in legs) + _ANKLE
    builder.draw_legs(legs, pelvis)
    builder.draw_torso(pelvis)
    for side in (1.0, -1.0):
        builder.draw_arm(side, stance.stride_rad, pace, pelvis)
    builder.draw_head()
    return builder.parts()


_Point = tuple[float, float, float]
"""Right, forward, up, in shares of the height, from the middle of the feet."""


class _Builder:
    """Collects rounded cones given in the body's own frame."""

    def __init__(self, looks: Looks, stance: Stance) -> None:
        self._looks = looks
        heading = math.radians(stance.heading_deg)
        s, c = math.sin(heading), math.cos(heading)
        self._axes = np.asarray([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        self._foot = np.asarray([stance.east_m, stance.north_m, 0.0])
        self._rows: list[tuple[_Point, _Point, float, float, Colour]] = []

    def parts(self) -> Parts:
        """What was collected, in the world; the head is the last."""
        scale = self._looks.height_m
        a, b = (
            np.asarray([row[end] for row in self._rows]) * scale @ self._axes + self._foot
            for end in (0, 1)
        )
        return Parts(
            a_m=a,
            b_m=b,
            radius_a_m=np.asarray([row[2] for row in self._rows]) * scale,
            radius_b_m=np.asarray([row[3] for row in self._rows]) * scale,
            colours=np.asarray([row[4] for row in self._rows], np.float32),
            head=len(self._rows) - 1,
        )

    def leg(self, side: float, stride_rad: float, pace: float) -> tuple[_Point, _Point, _Point]:
        """Hip, knee and ankle, up counted from the hip."""
        phase = stride_rad + (0.0 if side > 0 else math.pi)
        swing = _SWING_RAD * pace * math.sin(phase)
        bend = _KNEE_RAD * pace * max(0.0, math.cos(phase)) ** 2 + 0.06
        across = side * _HIP_HALF * self._looks.width
        knee = (across, _THIGH * math.sin(swing), -_THIGH * math.cos(swing))
        ankle = (
            across,
            knee[1] + _SHIN * math.sin(swing - bend),
            knee[2] - _SHIN * math.cos(swing - bend),
        )
        return (across, 0.0, 0.0), knee, ankle

    def draw_legs(self, legs: list[tuple[_Point, _Point, _Point]], pelvis: float) -> None:
        """Thighs, shins and shoes."""
        looks, w = self._looks, self._looks.width
        for hip, knee, ankle in legs:
            high, middle, low = (_lifted(point, pelvis) for point in (hip, knee, ankle))
            self._add(high, middle, 0.058 * w, 0.040 * w, looks.trousers)
            self._add(middle, low, 0.038 * w, 0.027 * w, looks.trousers)
            heel = (low[0], low[1] - 0.02, max(low[2] - 0.018, 0.021))
            toe = (low[0], low[1] + _FOOT - 0.03, max(low[2] - 0.020, 0.019))
            self._add(heel, toe, 0.024, 0.019, _SHOES)

    def draw_torso(self, pelvis: float) -> None:
        """Pelvis, two flanks, shoulders."""
        looks, w = self._looks, self._looks.width
        chest = pelvis + _TORSO
        self._add(
            (-0.04 * w, 0, pelvis), (0.04 * w, 0, pelvis), 0.062 * w, 0.062 * w, looks.trousers
        )
        for side in (1.0, -1.0):
            self._add(
                (side * 0.036 * w, 0.0, pelvis + 0.055),
                (side * 0.062 * w, 0.005, chest - 0.045),
                0.060 * w,
                0.068 * w,
                looks.top,
            )
        self._add(
            (-0.078 * w, 0.0, chest - 0.022),
            (0.078 * w, 0.0, chest - 0.022),
            0.050 * w,
            0.050 * w,
            looks.top,
        )

    def draw_arm(self, side: float, stride_rad: float, pace: float, pelvis: float) -> None:
        """Upper arm, forearm and hand, swinging against the leg of their side."""
        looks, w = self._looks, self._looks.width
        phase = stride_rad + (math.pi if side > 0 else 0.0)
        swing = 0.75 * _SWING_RAD * pace * math.sin(phase)
        bend = 0.25 + 0.25 * pace * max(0.0, math.sin(phase))
        shoulder = (side * _SHOULDER_HALF * w, 0.0, pelvis + _TORSO - 0.025)
        elbow = (
            shoulder[0] + side * 0.018,
            _UPPER_ARM * math.sin(swing),
            shoulder[2] - _UPPER_ARM * math.cos(swing),
        )
        wrist = (
            elbow[0],
            elbow[1] + _FOREARM * math.sin(swing + bend),
            elbow[2] - _FOREARM * math.cos(swing + bend),
        )
        self._add(shoulder, elbow, 0.036 * w, 0.030 * w, looks.top)
        self._add(elbow, wrist, 0.029 * w, 0.023 * w, looks.top)
        self._add(wrist, wrist, 0.026, 0.026, looks.skin)

    def draw_head(self) -> None:
        """Neck and head; the top of the head is the height."""
        looks = self._looks
        self._add((0, 0.0, 0.83), (0, 0.008, 0.88), 0.034, 0.032, looks.skin)
        self._add((0, 0.012, 0.910), (0, 0.008, 0.936), 0.054, 0.064, looks.hair)

    def _add(self, a: _Point, b: _Point, radius_a: float, radius_b: float, colour: Colour) -> None:
        self._rows.append((a, b, radius_a, radius_b, colour))


def _lifted(point: _Point, up: float) -> _Point:
    return point[0], point[1], point[2] + up
