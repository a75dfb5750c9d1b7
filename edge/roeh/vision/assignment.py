"""The adapter to scipy's solver of the assignment problem."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import (  # type: ignore[import-untyped]  # scipy ships no types
    linear_sum_assignment,
)


def pair_up(reward: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of rows and columns with the greatest sum of rewards, none used twice.

    Args:
        reward: (n, m), not negative; 0 means that the two must not be paired.

    Returns:
        Row and column indices (k,), only pairs with a reward above 0.
    """
    rows, columns = linear_sum_assignment(reward, maximize=True)
    paired = reward[rows, columns] > 0
    return rows[paired], columns[paired]
