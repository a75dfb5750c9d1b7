"""Drawing bodies: rounded cones cast through the sensor's true lens.

For every pixel of a part's rectangle the nearest approach of its ray to the part's
axis is computed; where it is nearer than the radius the ray hits. That is exact for
spheres and off by a fraction of a pixel at the rim of a cone, and it gives soft edges
for nothing: how far inside the rim, in pixels, is the coverage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Box
from roeh.media.frames import UInt8Image
from roeh.sources.drawn.body import Looks, Parts
from roeh.sources.drawn.sight import Floats, PixelBox, SightField

_OUTLINE_POINTS = 8
_MARGIN_PX = 2
# Light from a high, soft sun; direction towards it.
_LIGHT = np.asarray([0.45, 0.30, 0.84])
_UP = np.asarray([0.0, 0.0, 1.0])
_AMBIENT, _DIFFUSE, _FROM_ABOVE = 0.58, 0.40, 0.12
_SHADOW_M = 0.34
_SHADOW_DEPTH = 0.5


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a body lies in the picture: each part's rectangle (k, 4), and all of it."""

    parts_px: NDArray[np.float64]
    box_px: Box


def outline_of(sight: SightField, parts: Parts) -> Outline | None:
    """The rectangles of a body; None where the sensor cannot see all of it."""
    centres = np.concatenate([parts.a_m, parts.b_m]) - sight.eye_m
    radii = np.concatenate([parts.radius_a_m, parts.radius_b_m])
    rims = _silhouettes(centres, radii).reshape(-1, 3)
    pixels = sight.sensor.pixels_of(rims @ sight.rig.to_world(), beyond=True)
    if np.isnan(pixels).any():
        return None
    by_end = pixels.reshape(2, len(parts.a_m), _OUTLINE_POINTS, 2)
    low, high = by_end.min(axis=(0, 2)), by_end.max(axis=(0, 2))
    (left, top), (right, bottom) = low.min(axis=0), high.max(axis=0)
    return Outline(
        np.concatenate([low, high], axis=1),
        Box(float(left), float(top), float(right), float(bottom)),
    )


def _silhouettes(centres: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Directions (n, 8, 3) round the rim of each sphere as seen from the origin."""
    distance = np.linalg.norm(centres, axis=1)
    ahead = centres / distance[:, None]
    sine = np.minimum(radii / distance, 0.99)
    aside = np.cross(ahead, np.where(np.abs(ahead[:, 2:]) < 0.9, [[0, 0, 1.0]], [[1.0, 0, 0]]))
    aside /= np.linalg.norm(aside, axis=1)[:, None]
    upward = np.cross(aside, ahead)
    turn = np.arange(_OUTLINE_POINTS) * (2 * math.pi / _OUTLINE_POINTS)
    rim = np.cos(turn)[:, None] * aside[:, None] + np.sin(turn)[:, None] * upward[:, None]
    cosine = np.sqrt(1 - sine * sine)
    directions: NDArray[np.float64] = (
        cosine[:, None, None] * ahead[:, None] + sine[:, None, None] * rim
    )
    return directions


class FigurePainter:
    """Draws bodies into one sensor's pictures."""

    def __init__(self, sight: SightField) -> None:
        self._sight = sight
        self._eye_m = sight.eye_m
        self._radians_per_px = sight.radians_per_px()

    def draw(
        self, picture: UInt8Image, looks: Looks, parts: Parts, heading_deg: float, outline: Outline
    ) -> None:
        """Draw a body and its shadow over what is there; farther bodies come first."""
        self._shade_ground(picture, parts)
        box = self._clipped(*_corners(outline.box_px))
        if box.empty:
            return
        heading = math.radians(heading_deg)
        forward = np.asarray([math.sin(heading), math.cos(heading), 0.0])
        cast = _Cast(self._sight.directions(box), box, parts, self._eye_m, forward)
        for index, corners in enumerate(outline.parts_px):
            part = self._clipped(*corners)
            if not part.empty:
                cast.add(index, part, self._radians_per_px)
        cast.blend_into(picture, looks, self._sight.seen(box))

    def _clipped(self, left: float, top: float, right: float, bottom: float) -> PixelBox:
        whole = self._sight.whole
        return PixelBox(
            max(whole.left_px, math.floor(left) - _MARGIN_PX),
            max(whole.top_px, math.floor(top) - _MARGIN_PX),
            min(whole.right_px, math.ceil(right) + _MARGIN_PX + 1),
            min(whole.bottom_px, math.ceil(bottom) + _MARGIN_PX + 1),
        )

    def _shade_ground(self, picture: UInt8Image, parts: Parts) -> None:
        """A soft shadow where the body stands."""
        feet = parts.a_m[:, :2].mean(axis=0)
        rim = np.asarray(
            [
                [feet[0] + east * _SHADOW_M, feet[1] + north * _SHADOW_M, 0.0]
                for east in (-1, 0, 1)
                for north in (-1, 0, 1)
            ]
        )
        pixels = self._sight.pixels_of(rim)
        if np.isnan(pixels).any():
            return
        box = self._clipped(*pixels.min(axis=0), *pixels.max(axis=0))
        if box.empty:
            return
        rays = self._sight.directions(box)
        down = np.minimum(rays[..., 2], -1e-3)
        place = self._eye_m[:2] - self._eye_m[2] * rays[..., :2] / down[..., None] - feet
        near = np.clip(1 - (place * place).sum(axis=2) / _SHADOW_M**2, 0.0, 1.0)
        ground = box.within(picture)
        ground[:] = ground * (1 - _SHADOW_DEPTH * near * near)[..., None]


class _Cast:
    """One body's rectangle while it is cast: what each pixel's ray hits first.

    Planes are (height, width): depth in metres, how much of the pixel is covered, which
    part is hit, and how far along its axis. Light is computed once, at the end.
    """

    def __init__(
        self,
        rays: Floats,
        box: PixelBox,
        parts: Parts,
        eye_m: NDArray[np.float64],
        forward: NDArray[np.float64],
    ) -> None:
        self._box = box
        self._parts = parts
        self._starts = parts.a_m - eye_m
        self._alongs = parts.b_m - parts.a_m
        self._towards = np.stack([_LIGHT, _UP, forward])
        self._rays = tuple(np.ascontiguousarray(rays[..., axis]) for axis in range(3))
        self._depth = np.full(box.shape, np.inf, np.float32)
        self._cover = np.zeros(box.shape, np.float32)
        self._share = np.zeros(box.shape, np.float32)
        self._part = np.zeros(box.shape, np.uint8)

    def add(self, index: int, box: PixelBox, radians_per_px: float) -> None:
        """Cast one part into its rectangle; the nearest solid one shows, rims fill gaps."""
        rows = slice(box.top_px - self._box.top_px, box.bottom_px - self._box.top_px)
        columns = slice(box.left_px - self._box.left_px, box.right_px - self._box.left_px)
        window = (rows, columns)
        parts, start, along = self._parts, self._starts[index], self._alongs[index]
        radius_a, radius_b = float(parts.radius_a_m[index]), float(parts.radius_b_m[index])
        rays = tuple(plane[window] for plane in self._rays)
        to_start, to_along = _dot(rays, start), _dot(rays, along)
        length_2, start_along = float(along @ along), float(start @ along)
        # Where on the axis (0 to 1) it is nearest to the ray, and how near.
        share = to_start * to_along
        share -= start_along
        share /= np.maximum(length_2 - to_along * to_along, 1e-9)
        np.maximum(share, 0.0, out=share)
        np.minimum(share, 1.0, out=share)
        depth = share * to_along
        depth += to_start
        square = share * length_2
        square += 2 * start_along
        square *= share
        square += float(start @ start)
        square -= depth * depth
        radius = share * (radius_b - radius_a)
        radius += radius_a
        inside_m = radius - np.sqrt(np.maximum(square, 0.0))
        cover = inside_m / depth
        cover /= radians_per_px
        cover += 0.5
        # From the axis back to the surface.
        depth -= np.sqrt(np.maximum(radius * radius - square, 0.0))
        solid = cover > 0.5
        nearest = solid & (depth < self._depth[window])
        np.copyto(self._depth[window], depth, where=nearest)
        shows = nearest | (~solid & (cover > self._cover[window]))
        np.copyto(self._share[window], share, where=shows)
        self._part[window][shows] = index
        np.maximum(self._cover[window], cover, out=self._cover[window])

    def blend_into(self, picture: UInt8Image, looks: Looks, seen: NDArray[np.bool_]) -> None:
        """Light what was hit and blend it over the picture."""
        hit = seen & (self._cover > 0.0)
        part, share = self._part[hit], self._share[hit]
        parts = self._parts
        taper = parts.radius_b_m - parts.radius_a_m
        radius = (parts.radius_a_m.take(part) + share * taper.take(part)).astype(np.float32)
        depth = self._depth[hit]
        # At a rim nothing solid was hit: the surface is seen edge on.
        is_solid = np.isfinite(depth)
        solid_depth = np.where(is_solid, depth, np.float32(0.0))
        facings = []
        rays = tuple(plane[hit] for plane in self._rays)
        for towards in self._towards:
            on_axis = (self._starts @ towards).take(part) + share * (self._alongs @ towards).take(
                part
            )
            reach = np.where(is_solid, solid_depth * _dot(rays, towards), on_axis)
            facings.append(np.clip((reach - on_axis) / radius, -1.0, 1.0))
        light, upward, forward = facings
        shade = _AMBIENT + _DIFFUSE * np.maximum(light, 0.0) + _FROM_ABOVE * upward
        colour = parts.colours[part]
        is_face = (part == parts.head) & (forward > 0.15) & (upward < 0.55)
        colour[is_face] = looks.skin
        cover = np.minimum(self._cover[hit], 1.0)[:, None]
        target = self._box.within(picture)
        blended = target[hit] * (1 - cover) + colour * shade[:, None] * cover
        target[hit] = np.clip(blended, 0, 255).astype(np.uint8)


def _dot(rays: tuple[Floats, ...], vector: NDArray[np.float64]) -> Floats:
    """Product of rays, given as three planes, with one vector.

    Written out: numpy's matrix product wakes all threads of its library for this little.
    """
    x, y, z = (float(axis) for axis in vector)
    product = rays[0] * x
    product += rays[1] * y
    product += rays[2] * z
    return product


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.x0_px, box.y0_px, box.x1_px, box.y1_px
