"""Lines of sight and how far they are off each other, in angles: right for every lens.

A residual in pixels is undefined where a guess puts a point behind the camera; an angle
between two directions never is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roeh.optics.lens import Lens
from roeh.optics.polar import Array, rows_of

_STEP_PX = 0.25


@dataclass(frozen=True, slots=True)
class Sights:
    """Directions in which n pixels look, with their uncertainty, camera frame.

    Attributes:
        directions: (n, 3), unit.
        across: (n, 2, 3), two unit directions across each.
        covariance: (n, 2, 2), square radians, along those two.
    """

    directions: Array
    across: Array
    covariance: Array

    @classmethod
    def through(cls, lens: Lens, pixels: Array, sigma_px: Array) -> Sights:
        """The sights through pixels (n, 2) known to `sigma_px` (n,) each way."""
        points = rows_of(pixels, 2)
        steps = _STEP_PX * np.asarray([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        around = lens.unproject((points[None] + steps[:, None]).reshape(-1, 2))
        directions = around.reshape(5, len(points), 3)
        per_pixel = np.stack(
            [directions[1] - directions[2], directions[3] - directions[4]], axis=2
        ) / (2 * _STEP_PX)
        across = across_of(directions[0])
        slopes = across @ per_pixel
        variance = np.square(np.broadcast_to(sigma_px, len(points)))[:, None, None]
        return cls(directions[0], across, variance * (slopes @ slopes.transpose(0, 2, 1)))

    def off(self, directions: Array) -> Array:
        """How far directions (n, 3), any length, are off the sights: (n, 2) radians."""
        unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        sideways: Array = np.einsum("nij,nj->ni", self.across, unit)
        sine = np.linalg.norm(sideways, axis=1)
        angle = np.arctan2(sine, np.einsum("ni,ni->n", self.directions, unit))
        factor = np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 1.0)
        return sideways * factor[:, None]

    def at(self, rows: NDArray[np.intp]) -> Sights:
        """Some of the sights, by index."""
        return Sights(self.directions[rows], self.across[rows], self.covariance[rows])


def across_of(directions: Array) -> Array:
    """Two unit directions (n, 2, 3) across each of n unit directions (n, 3)."""
    least = np.eye(3)[np.argmin(np.abs(directions), axis=1)]
    first = np.cross(directions, least)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(directions, first)], axis=1)


def whitening(covariance: Array) -> Array:
    """Matrices (n, k, k) that bring residuals of covariance (n, k, k) to unit spread."""
    inverse: Array = np.linalg.inv(np.linalg.cholesky(covariance))
    return inverse
