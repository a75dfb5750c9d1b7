"""What of a sight is compared: where its edges are, its shapes, how fine its detail is.

Edges and not brightness: lamps, clouds and the infrared filter change brightness, and edges
stay. Everything is worked out when it is asked for first, and kept: mostly a glance is enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.vision.tamper.looks import Float32Image, Sight
from roeh.vision.tamper.plane import Plane

#: Edges are found at this size, beside the brightness round them, less what they are on average.
_EDGE_PX, _BRIGHTNESS_PX, _AROUND_PX = 1.0, 8.0, 6.0
_BROAD_PX = 2.0
#: Fine is what this blur takes away; coarse what is left between it and the next.
_FINE_PX, _COARSE_PX = 1.2, 4.0
#: Large shapes, which are there when nothing is sharp any more: between these.
_SHAPE_PX, _SHAPES_PX = 4.0, 16.0
#: Sharpness is counted in so many columns, each where its strongest fifth of the edges is.
SECTORS = 8
_STRONG_SHARE = 0.2
#: A cell of so many pixels square lives if its fine detail stands out of its noise by a factor,
#: and by so many levels. What is before the lens itself is never sharp.
_CELL_PX = 16
_OVER_NOISE, _LEAST_LEVELS = 1.5, 0.6
_MOST_CELLS = 0.7


class Detail(msgspec.Struct, frozen=True):
    """How much fine and how much coarse detail there is where, (height, width) each."""

    fine: Float32Image
    coarse: Float32Image


class Aspect:
    """A picture in one plane.

    Args:
        plane: how it is looked at.
        sight: the small picture, with its noise.
    """

    def __init__(self, plane: Plane, sight: Sight) -> None:
        self.plane = plane
        self._sight = sight
        self._seen = plane.seen(sight.luma)

    @cached_property
    def white(self) -> Float32Image:
        """How much of the time which pixel is overexposed."""
        return self.plane.seen(self._sight.white)

    @cached_property
    def fine_noise(self) -> Float32Image:
        """How much of the fine detail is noise."""
        noise = self.plane.seen(self._sight.noise)
        return np.asarray(cv2.absdiff(noise, self.plane.blurred(noise, _FINE_PX)), np.float32)

    @cached_property
    def edges(self) -> Float32Image:
        """How much of an edge there is where; mean 0 round each place, spread 1."""
        plane, seen = self.plane, self._seen
        smooth = plane.blurred(seen, _EDGE_PX)
        strength = cv2.magnitude(
            cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        )
        brightness = plane.blurred(seen, _BRIGHTNESS_PX) + _BRIGHTNESS_PX
        edges = np.asarray(np.sqrt(strength / brightness) * plane.counted, np.float32)
        return _normal(plane, edges - plane.blurred(edges, _AROUND_PX))

    @cached_property
    def broad_edges(self) -> Float32Image:
        """Edges that need not lie quite where they lay."""
        return self.plane.blurred(self.edges, _BROAD_PX)

    @cached_property
    def shapes(self) -> Float32Image:
        """Large shapes, which no defocus takes away; mean 0 round each place, spread 1."""
        plane, seen = self.plane, self._seen
        return _normal(plane, plane.blurred(seen, _SHAPE_PX) - plane.blurred(seen, _SHAPES_PX))

    @cached_property
    def detail(self) -> Detail:
        """Fine and coarse."""
        plane, seen = self.plane, self._seen
        smooth = plane.blurred(seen, _FINE_PX)
        return Detail(
            fine=np.asarray(cv2.absdiff(seen, smooth), np.float32),
            coarse=np.asarray(cv2.absdiff(smooth, plane.blurred(seen, _COARSE_PX)), np.float32),
        )

    @cached_property
    def strong(self) -> npt.NDArray[np.bool_]:
        """Of each sector, where its strongest edges are: (sectors, pixels)."""
        coarse = by_sector(np.where(self.plane.counted, self.detail.coarse, np.float32(-1)))
        place = round((1 - _STRONG_SHARE) * (coarse.shape[1] - 1))
        least = np.partition(coarse, place, axis=1)[:, place, None]
        return np.asarray((coarse >= least) & (coarse >= 0), np.bool_)


class View:
    """A sight in all planes of its camera.

    Args:
        planes: of the camera's lens.
        sight: what it sees.
    """

    def __init__(self, planes: Sequence[Plane], sight: Sight) -> None:
        self.sight = sight
        self.aspects = tuple(Aspect(plane, sight) for plane in planes)

    @cached_property
    def lively(self) -> float:
        """Of the picture's cells, the share that shows something and not only noise."""
        fine, noise = self._cells
        lives = (fine >= _OVER_NOISE * noise) & (fine >= _LEAST_LEVELS)
        return float(np.mean(lives)) if lives.size else 0.0

    @cached_property
    def fine_levels(self) -> float:
        """How much fine detail most cells have at most, less what of it is noise."""
        fine, noise = self._cells
        left = np.sqrt(np.maximum(np.square(fine) - np.square(noise), 0.0))
        return float(np.quantile(left, _MOST_CELLS)) if left.size else 0.0

    @cached_property
    def _cells(self) -> tuple[Float32Image, Float32Image]:
        """Fine detail and noise of every cell, in levels."""
        aspect = self.aspects[0]
        plane = aspect.plane
        counted = _cell_sums(plane.counted.astype(np.float32))
        is_full = counted >= 0.5 * _CELL_PX**2
        fine, noise = (
            np.sqrt(_cell_sums(np.square(levels * plane.counted))[is_full] / counted[is_full])
            for levels in (aspect.detail.fine, aspect.fine_noise)
        )
        return fine, noise


def by_sector(picture: Float32Image) -> Float32Image:
    """The picture's columns in so many sectors: (sectors, pixels)."""
    height, width = picture.shape
    columns = width // SECTORS
    parts = picture[:, : columns * SECTORS].reshape(height, SECTORS, columns)
    return np.asarray(parts.transpose(1, 0, 2).reshape(SECTORS, height * columns), np.float32)


def _normal(plane: Plane, picture: Float32Image) -> Float32Image:
    counted = picture * plane.counted
    spread = math.sqrt(float(np.vdot(counted, counted)) / plane.count)
    return np.asarray(counted / (spread + 1e-6), np.float32)


def _cell_sums(picture: Float32Image) -> Float32Image:
    """Sums of whole cells; what is left over at the right and below is left out."""
    rows, columns = (side // _CELL_PX for side in picture.shape)
    whole = picture[: rows * _CELL_PX, : columns * _CELL_PX]
    cells = whole.reshape(rows, _CELL_PX, columns, _CELL_PX)
    return np.asarray(cells.sum(axis=(1, 3)), np.float32)
