"""Vehicles drawn into a picture: a body of flat faces, with its truth in metres.

Nothing is taken from anybody's pictures: measures are those of ordinary cars, vans and buses.
"""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.media.frames import UInt8Image
from roeh.optics.ground import GroundPlane
from tests.quality.ways import Array

Point = tuple[float, float, float]
"""Ahead, to the left, up, metres from the middle of the wheels."""
Colour = tuple[float, float, float]

#: Towards the light, world; as bodies are lit.
_LIGHT = np.asarray([0.45, 0.30, 0.84])
_AMBIENT, _DIFFUSE = 0.58, 0.45
_GLASS, _TYRE, _RIM = (52.0, 46.0, 40.0), (26.0, 26.0, 28.0), (150.0, 150.0, 150.0)
_HEADLAMP, _TAIL, _PLATE = (225.0, 235.0, 235.0), (30.0, 30.0, 170.0), (215.0, 215.0, 215.0)
_SKIRT = (34.0, 34.0, 34.0)
#: What a pane shows of the sky.
_SKY: Colour = (128.0, 118.0, 108.0)
#: OpenCV draws with so many bits below the pixel.
_SHIFT = 4
_ROUND = 18
_SHADOW_DEPTH = 0.55


class Shape(msgspec.Struct, frozen=True):
    """What is built alike, metres.

    Attributes:
        profile: (ahead, up) of the outline seen from the left, from the bumper's foot over
            the roof to the other bumper's foot; flat below.
        narrows: how much narrower, each side, the roof is than the sill.
        panes: (ahead, up) of each side window's corners.
        glass: which pieces of the profile (counted from the front) are windows.
        wheels: ahead of the middle.
    """

    profile: tuple[tuple[float, float], ...]
    width_m: float
    narrows_m: float
    panes: tuple[tuple[tuple[float, float], ...], ...]
    glass: tuple[int, ...]
    wheels: tuple[float, ...]
    wheel_m: float

    @property
    def length_m(self) -> float:
        """Bumper to bumper."""
        return self.profile[0][0] - self.profile[-1][0]


CAR = Shape(
    profile=(
        (2.15, 0.28), (2.2, 0.62), (2.0, 0.78), (1.1, 0.92), (0.35, 1.42), (-0.25, 1.48),
        (-1.0, 1.42), (-1.7, 0.98), (-2.1, 0.92), (-2.2, 0.6), (-2.15, 0.3),
    ),
    width_m=1.8,
    narrows_m=0.25,
    panes=(
        ((0.92, 0.94), (0.3, 1.36), (-0.2, 1.4), (-0.2, 0.94)),
        ((-0.28, 0.94), (-0.28, 1.4), (-0.95, 1.35), (-1.4, 1.0), (-1.3, 0.94)),
    ),
    glass=(3, 6),
    wheels=(1.35, -1.3),
    wheel_m=0.32,
)  # fmt: skip
VAN = Shape(
    profile=(
        (2.45, 0.3), (2.5, 0.7), (2.3, 1.0), (1.75, 1.15), (1.15, 1.85), (0.8, 1.95),
        (-2.4, 1.95), (-2.5, 1.2), (-2.5, 0.32),
    ),
    width_m=1.95,
    narrows_m=0.15,
    panes=(
        ((1.55, 1.15), (1.0, 1.75), (0.45, 1.75), (0.45, 1.15)),
        ((0.3, 1.15), (0.3, 1.75), (-1.0, 1.75), (-1.0, 1.15)),
        ((-1.15, 1.15), (-1.15, 1.75), (-2.25, 1.75), (-2.3, 1.15)),
    ),
    glass=(3,),
    wheels=(1.6, -1.55),
    wheel_m=0.34,
)  # fmt: skip
PAINTS: tuple[Colour, ...] = (
    (60, 52, 48), (170, 172, 176), (220, 220, 222), (110, 60, 30), (40, 40, 150), (90, 100, 70),
    (130, 130, 134),
)  # fmt: skip


class Vehicle(msgspec.Struct, frozen=True):
    """One vehicle: how it is built and painted."""

    shape: Shape
    paint: Colour


class _Face(msgspec.Struct, frozen=True):
    """A flat piece of the body and what is painted on it, in the vehicle's own axes."""

    corners: tuple[Point, ...]
    colour: Colour
    marks: tuple[tuple[tuple[Point, ...], Colour], ...] = ()


class VehiclePainter:
    """Draws vehicles into one sensor's pictures."""

    def __init__(self, plane: GroundPlane) -> None:
        self._plane = plane
        self._eye = plane.rig.eye_of(plane.sensor)

    def draw(
        self, picture: UInt8Image, vehicle: Vehicle, place: tuple[float, float], heading_deg: float
    ) -> None:
        """Put one into a sensor's picture (height, width, 3), its shadow first."""
        heading = math.radians(heading_deg)
        s, c = math.sin(heading), math.cos(heading)
        axes = np.asarray([[s, c, 0.0], [-c, s, 0.0], [0.0, 0.0, 1.0]])
        foot = np.asarray([*place, 0.0])
        self._shade(picture, vehicle.shape, axes, foot)
        for face in _faces(vehicle):
            corners = np.asarray(face.corners) @ axes + foot
            normal = np.cross(corners[1] - corners[0], corners[-1] - corners[0])
            normal /= np.linalg.norm(normal)
            if normal @ (self._eye - corners[0]) <= 0:
                continue
            light = _AMBIENT + _DIFFUSE * max(0.0, float(normal @ _LIGHT))
            self._fill(picture, corners, face.colour, light)
            for mark, colour in face.marks:
                self._fill(picture, np.asarray(mark) @ axes + foot, colour, light)

    def _shade(self, picture: UInt8Image, shape: Shape, axes: Array, foot: Array) -> None:
        ahead, aside = shape.length_m / 2 + 0.1, shape.width_m / 2 + 0.15
        rim = np.asarray([(a, b, 0.0) for a, b in _rounded(ahead, aside)]) @ axes + foot
        pixels = self._pixels(rim)
        if pixels is None:
            return
        (left, top), (right, bottom) = pixels.min(axis=0) - 8, pixels.max(axis=0) + 8
        height, width = picture.shape[:2]
        left_px, top_px = max(0, int(left)), max(0, int(top))
        right_px, bottom_px = min(width, int(right)), min(height, int(bottom))
        if right_px <= left_px or bottom_px <= top_px:
            return
        depth = np.zeros((bottom_px - top_px, right_px - left_px), np.float32)
        points = np.round((pixels - [left_px, top_px]) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(depth, [points], _SHADOW_DEPTH, cv2.LINE_8, _SHIFT)
        depth = np.asarray(cv2.GaussianBlur(depth, (0, 0), 3.0), np.float32)
        ground = picture[top_px:bottom_px, left_px:right_px]
        ground[:] = ground * (1 - depth)[..., None]

    def _fill(self, picture: UInt8Image, corners: Array, colour: Colour, light: float) -> None:
        pixels = self._pixels(corners)
        if pixels is None:
            return
        points = np.round(pixels * (1 << _SHIFT)).astype(np.int32)
        lit = tuple(min(255.0, light * level) for level in colour)
        cv2.fillPoly(picture, [points], lit, cv2.LINE_AA, _SHIFT)

    def _pixels(self, corners: Array) -> Array | None:
        """Where corners (n, 3) are seen, edges bent as the lens bends them."""
        share = np.linspace(0.0, 1.0, 5)[:-1, None]
        following = np.roll(corners, -1, axis=0)
        points = np.concatenate(
            [a + share * (b - a) for a, b in zip(corners, following, strict=True)]
        )
        pixels = self._plane.pixels_of(points[:, :2], up_m=points[:, 2])
        return None if np.isnan(pixels).any() else pixels


def footprint(shape: Shape, place: tuple[float, float], heading_deg: float) -> Array:
    """The corners (4, 2) of the ground that it stands on."""
    heading = math.radians(heading_deg)
    s, c = math.sin(heading), math.cos(heading)
    a, b = shape.length_m / 2, shape.width_m / 2
    own = np.asarray([(a, b), (a, -b), (-a, -b), (-a, b)])
    return np.asarray(own @ np.asarray([[s, c], [-c, s]]) + place)


def _faces(vehicle: Vehicle) -> list[_Face]:
    """Faces, corners anticlockwise seen from outside; what is higher comes later."""
    shape, paint = vehicle.shape, vehicle.paint
    low_m = shape.profile[0][1]
    top_m = max(up for _, up in shape.profile)
    sill_m = shape.profile[2][1]

    def half(up: float) -> float:
        share = max(0.0, up - sill_m) / (top_m - sill_m)
        return shape.width_m / 2 - shape.narrows_m * share

    def on_side(points: tuple[tuple[float, float], ...], side: float) -> tuple[Point, ...]:
        corners = tuple((a, side * half(up), up) for a, up in points)
        return corners[::-1] if side > 0 else corners

    faces: list[_Face] = []
    for side in (1.0, -1.0):
        marks = [(on_side(pane, side), _GLASS) for pane in shape.panes]
        marks += [(on_side(_upper_half(pane), side), _SKY) for pane in shape.panes]
        marks += [(on_side(seam, side), _dimmed(paint, 0.45)) for seam in _seams(shape)]
        first, last, waist = shape.profile[1][0] - 0.1, shape.profile[-2][0] + 0.1, sill_m - 0.12
        waist_line = ((first, waist - 0.08), (first, waist), (last, waist), (last, waist - 0.08))
        marks.append((on_side(waist_line, side), _dimmed(paint, 1.3)))
        skirt = ((shape.profile[0][0], low_m), (shape.profile[0][0], low_m + 0.1),
                 (shape.profile[-1][0], low_m + 0.1), (shape.profile[-1][0], low_m))  # fmt: skip
        marks.append((on_side(skirt, side), _SKIRT))
        rings = ((1.15, _SKIRT), (1.0, _TYRE), (0.6, _RIM))
        marks += [
            (_disc(ahead, side * shape.width_m / 2, shape.wheel_m, part * shape.wheel_m), colour)
            for ahead in shape.wheels
            for part, colour in rings
        ]
        faces.append(_Face(on_side(shape.profile, side), paint, tuple(marks)))
    pieces = list(zip(shape.profile, shape.profile[1:], strict=False))
    order = sorted(range(len(pieces)), key=lambda n: pieces[n][0][1] + pieces[n][1][1])
    for number in order:
        (a, up_a), (b, up_b) = pieces[number]
        corners = ((a, half(up_a), up_a), (a, -half(up_a), up_a), (b, -half(up_b), up_b),
                   (b, half(up_b), up_b))  # fmt: skip
        faces.append(_Face(corners[::-1], paint, _marks(shape, number, pieces[number])))
    return faces


def _marks(
    shape: Shape, number: int, piece: tuple[tuple[float, float], tuple[float, float]]
) -> tuple[tuple[tuple[Point, ...], Colour], ...]:
    """Panes, lamps and plates across a piece of the profile."""
    (a, up_a), (b, up_b) = piece
    half = shape.width_m / 2

    def across(low: float, high: float, left: float, right: float) -> tuple[Point, ...]:
        ends = [(a + s * (b - a), up_a + s * (up_b - up_a)) for s in (low, high)]
        (a1, u1), (a2, u2) = ends
        return (a1, left, u1), (a1, right, u1), (a2, right, u2), (a2, left, u2)

    if number in shape.glass:
        inner = half - shape.narrows_m - 0.05
        return (
            (across(0.08, 0.92, inner, -inner), _GLASS),
            (across(0.45, 0.9, inner - 0.1, 0.1 - inner), _SKY),
        )
    last = len(shape.profile) - 2
    if number in (0, last):
        lamp = _HEADLAMP if number == 0 else _TAIL
        low, high = (0.55, 0.95) if number == 0 else (0.05, 0.45)
        plate = (0.2, 0.45) if number == 0 else (0.55, 0.8)
        return (
            (across(0.0, 0.3, half, -half), _SKIRT),
            (across(low, high, half - 0.45, 0.45 - half), _SKIRT),
            (across(low, high, half - 0.05, half - 0.4), lamp),
            (across(low, high, 0.4 - half, 0.05 - half), lamp),
            (across(*plate, 0.26, -0.26), _PLATE),
        )
    return ()


def _seams(shape: Shape) -> list[tuple[tuple[float, float], ...]]:
    """Edges and handles of the doors, one below each side window's edge."""
    low_m, high_m = shape.profile[0][1] + 0.12, shape.panes[0][-1][1]
    found: list[tuple[tuple[float, float], ...]] = []
    for pane in shape.panes[:2]:
        front, back = pane[0][0], min(ahead for ahead, _ in pane)
        found += [_upright(ahead, 0.025, low_m, high_m) for ahead in (front, back)]
        found.append(_upright(back + 0.2, 0.18, high_m - 0.14, high_m - 0.09))
    return found


def _upright(ahead: float, wide: float, low: float, high: float) -> tuple[tuple[float, float], ...]:
    return (ahead, low), (ahead, high), (ahead - wide, high), (ahead - wide, low)


def _upper_half(pane: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """What lies above the middle of a pane, a bit within its frame."""
    low, high = min(up for _, up in pane), max(up for _, up in pane)
    middle = np.mean([ahead for ahead, _ in pane])
    return tuple(
        (float(middle + 0.8 * (ahead - middle)), max(up - 0.04, (low + high) / 2))
        for ahead, up in pane
    )


def _dimmed(paint: Colour, share: float) -> Colour:
    blue, green, red = (min(255.0, share * level + 4.0) for level in paint)
    return blue, green, red


def _disc(ahead: float, aside: float, up: float, radius: float) -> tuple[Point, ...]:
    turns = np.linspace(0, 2 * math.pi, _ROUND, endpoint=False)
    return tuple(
        (ahead + radius * math.cos(t), aside, max(0.0, up + radius * math.sin(t)))
        for t in turns.tolist()
    )


def _rounded(ahead: float, aside: float) -> NDArray[np.float64]:
    """A rectangle with round corners (n, 2), as a squared circle."""
    turns = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    c, s = np.cos(turns), np.sin(turns)
    return np.column_stack(
        [ahead * np.sign(c) * np.abs(c) ** 0.4, aside * np.sign(s) * np.abs(s) ** 0.4]
    )
