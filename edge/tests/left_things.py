"""Boxes put exactly where they stand, into any picture: what somebody left, with its truth."""

from __future__ import annotations

import math

import cv2
import msgspec
import numpy as np

from roeh.media.frames import UInt8Image
from roeh.optics.ground import GroundPlane

#: Corners of each face of a box, counted as bits: 1 right, 2 back, 4 top.
_FACES = ((4, 5, 7, 6), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6))
#: How bright each face is beside the box's own: the top, then round.
_SHADES = (1.25, 0.8, 1.0, 0.7, 0.9)
#: OpenCV draws with so many bits below the pixel.
_SHIFT = 4


class Thing(msgspec.Struct, frozen=True):
    """A box that stands on the ground.

    Attributes:
        east_m, north_m: the middle of its foot.
        size_m: width, depth, height.
        turned_deg: about its vertical.
        bgr: its colour.
    """

    east_m: float
    north_m: float
    size_m: tuple[float, float, float] = (0.45, 0.3, 0.5)
    turned_deg: float = 20.0
    bgr: tuple[int, int, int] = (40, 40, 90)


def draw(picture: UInt8Image, plane: GroundPlane, thing: Thing) -> None:
    """Put a box into a sensor's picture (height, width, 3)."""
    wide, deep, tall = thing.size_m
    turn = math.radians(thing.turned_deg)
    across = np.asarray([math.cos(turn), math.sin(turn)])
    along = np.asarray([-math.sin(turn), math.cos(turn)])
    feet = [
        np.asarray([thing.east_m, thing.north_m])
        + across * (wide / 2 if corner & 1 else -wide / 2)
        + along * (deep / 2 if corner & 2 else -deep / 2)
        for corner in range(8)
    ]
    ups = np.asarray([tall if corner & 4 else 0.0 for corner in range(8)])
    pixels = plane.pixels_of(np.asarray(feet), up_m=ups)
    eye = plane.rig.eye_of(plane.sensor)
    spots = np.column_stack([np.asarray(feet), ups])
    faces = sorted(
        zip(_FACES, _SHADES, strict=True),
        key=lambda face: -float(np.linalg.norm(spots[list(face[0])].mean(axis=0) - eye)),
    )
    for corners, shade in faces:
        points = np.round(pixels[list(corners)] * (1 << _SHIFT)).astype(np.int32)
        colour = tuple(min(255.0, shade * level) for level in thing.bgr)
        cv2.fillConvexPoly(picture, points, colour, cv2.LINE_AA, _SHIFT)
