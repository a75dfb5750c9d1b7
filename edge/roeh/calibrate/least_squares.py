"""The adapter to scipy's least squares, and what its answer is worth.

All residuals given here are whitened: divided by what they are expected to be, so that
their squares sum up to about as many as there are more of them than unknowns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import (  # type: ignore[import-untyped]  # scipy ships no types
    least_squares,
)

from roeh.optics.polar import Array

#: Unknowns that differ by more than this are not told apart by what was measured.
_MAX_CONDITION = 1e9


@dataclass(frozen=True, slots=True)
class Fit:
    """What least squares found.

    Attributes:
        unknowns: (m,).
        residuals: (r,), whitened.
        covariance: (m, m), of the unknowns as the stated sigmas make it; infinite where
            the measurements do not determine them.
    """

    unknowns: Array
    residuals: Array
    covariance: Array

    @property
    def chi_square(self) -> float:
        """Sum of squares of the whitened residuals."""
        return float(self.residuals @ self.residuals)

    @property
    def freedom(self) -> int:
        """How many more residuals there are than unknowns."""
        return len(self.residuals) - len(self.unknowns)


def fit(residuals: Callable[[Array], Array], start: Array) -> Fit:
    """The unknowns at which the sum of squares is least.

    Args:
        residuals: whitened residuals (r,) of unknowns (m,).
        start: (m,), of about the same scale each.
    """
    begin = np.asarray(start, np.float64)
    found = least_squares(
        residuals, begin, jac="2-point", x_scale=1.0, ftol=1e-7, xtol=1e-9, gtol=1e-6, max_nfev=60
    )
    slopes = np.asarray(found.jac, np.float64)
    return Fit(
        np.asarray(found.x, np.float64), np.asarray(found.fun, np.float64), covariance_of(slopes)
    )


def tamed(residuals: Array, sigmas: float) -> Array:
    """Residuals (r,) of which those beyond so many sigmas pull no harder than that.

    Source: the square root of Charbonnier's smooth form of Huber's loss.
    """
    ratio = np.square(residuals / sigmas)
    size: Array = np.sign(residuals) * sigmas * np.sqrt(2.0 * (np.sqrt(1.0 + ratio) - 1.0))
    return size


def covariance_of(slopes: Array) -> Array:
    """Covariance (m, m) of unknowns from whitened slopes (r, m), by the normal matrix."""
    normal = slopes.T @ slopes
    values, axes = np.linalg.eigh(normal)
    if values[0] <= values[-1] / _MAX_CONDITION:
        return np.full(normal.shape, math.inf)
    covariance: Array = (axes / values) @ axes.T
    return covariance


def chi_square_bound(freedom: int, sigmas: float = 3.0) -> float:
    """The sum of squares that honest measurements exceed as seldom as a Gauss `sigmas`.

    Source: E. B. Wilson and M. M. Hilferty, PNAS 17(12), 1931.
    """
    if freedom <= 0:
        return 0.0
    spread = 2.0 / (9.0 * freedom)
    return freedom * (1.0 - spread + sigmas * math.sqrt(spread)) ** 3
