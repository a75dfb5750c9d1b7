"""What can stand on the ground: the cheapest strong filter there is.

A spider on the lens fills a box that only something of many metres could fill where it
seems to stand; a bag on a chair one that only a dwarf could.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class HeightRange(msgspec.Struct, frozen=True):
    """Heights that objects of a class have, metres."""

    low_m: float
    high_m: float


#: From a crouching or seated person to a tall one with a bag held up; vehicles with
#: their loads. Wide on purpose: the sigma of the height is allowed for as well.
PLAUSIBLE_HEIGHTS: dict[str, HeightRange] = {
    "person": HeightRange(0.7, 2.5),
    "bicycle": HeightRange(0.5, 2.2),
    "motorcycle": HeightRange(0.6, 2.3),
    "car": HeightRange(0.9, 3.0),
    "bus": HeightRange(1.8, 5.0),
    "truck": HeightRange(1.3, 5.5),
    "dog": HeightRange(0.15, 1.3),
}

#: Depth of a body with its limbs, as a part of the greatest height of its class.
_DEPTH_SHARE = 0.25
#: Parts of a class's least height between which trust in a box falls from full to least.
_FULL_TRUST, _LEAST_TRUST = 1.4, 0.4
_LEAST_TRUST_SHARE = 0.3


def may_stand(
    labels: list[str], height_m: Array, sigma_m: Array, steepness: Array, sigmas: float = 2.0
) -> npt.NDArray[np.bool_]:
    """Whether objects can be as tall as they seem: (n,); a height of NaN tells nothing.

    Args:
        labels: n classes.
        height_m: (n,).
        sigma_m: (n,).
        steepness: (n,), height of the camera over the distance of the foot from below it.
            Looked down upon, a body's depth adds to the height that its box seems to have.
        sigmas: how many of them a height may be off.
    """
    low_m, high_m = _ranges(labels)
    slack_m = sigmas * sigma_m
    tallest_m = high_m * (1 + _DEPTH_SHARE * steepness)
    fits: npt.NDArray[np.bool_] = (height_m + slack_m >= low_m) & (height_m - slack_m <= tallest_m)
    return np.asarray(fits | np.isnan(height_m))


def trust(labels: list[str], height_m: Array) -> Array:
    """What part of its confidence an object keeps for the height it seems to have: (n,).

    Only lowness counts, and softly: near the nadir a box reaches too high, and in
    pictures from elsewhere the camera's height is often a guess.
    """
    low_m, _ = _ranges(labels)
    part = (height_m / low_m - _LEAST_TRUST) / (_FULL_TRUST - _LEAST_TRUST)
    return np.clip(np.nan_to_num(part, nan=1.0), _LEAST_TRUST_SHARE, 1.0)


def _ranges(labels: list[str]) -> tuple[Array, Array]:
    ranges = [PLAUSIBLE_HEIGHTS[label] for label in labels]
    return np.asarray([r.low_m for r in ranges]), np.asarray([r.high_m for r in ranges])
