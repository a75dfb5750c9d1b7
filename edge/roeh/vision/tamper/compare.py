"""How what a camera sees now compares with how it saw before."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from roeh.vision.tamper.looks import Float32Image, Sight
from roeh.vision.tamper.plane import Plane

#: Sharpness is that of the middle one of so many columns: a lorry in one of them that has no
#: edges is not out of focus.
_SECTORS = 8
#: Where the reference has its edges: the strongest fifth.
_EDGE_QUANTILE = 0.8
#: A cell of so many pixels square lives if what it shows stands out of its noise by a factor,
#: and by so many levels.
_CELL_PX = 16
_OVER_NOISE, _LEAST_LEVELS = 3.0, 0.5


class Likeness(msgspec.Struct, frozen=True):
    """How a sight compares with the reference, in one plane.

    Attributes:
        is_ring: in the unrolled picture, where a turn is a shift to the side.
        shared: correlation of the edges, -1 to 1; chance alone gives 0.
        shapes: the same of the large shapes.
        shift_px: where the reference's edges are now, right and down.
        peak: how surely that shift is meant, 0 to 1.
        sharpness: fine detail beside coarse, as a share of the reference's.
    """

    is_ring: bool
    shared: float
    shapes: float
    shift_px: tuple[float, float]
    peak: float
    sharpness: float


class Comparison(msgspec.Struct, frozen=True):
    """A sight beside the reference.

    Attributes:
        planes: the picture as it is, and unrolled where it is all round.
        white_share: of the picture, how much is overexposed ...
        white_before: ... and was in the reference.
        lively: share of the picture's cells that show more than noise ...
        lively_before: ... and did in the reference.
    """

    planes: tuple[Likeness, ...]
    white_share: float
    white_before: float
    lively: float
    lively_before: float


def compare(planes: Sequence[Plane], reference: Sight, sight: Sight) -> Comparison:
    """A sight beside the reference, both of one size.

    Args:
        planes: of the camera's lens, the picture as it is first.
        reference: how the camera saw.
        sight: how it sees.
    """
    return Comparison(
        planes=tuple(_likeness(plane, reference.luma, sight.luma) for plane in planes),
        white_share=sight.white_share,
        white_before=reference.white_share,
        lively=lively_share(planes[0], sight),
        lively_before=lively_share(planes[0], reference),
    )


def lively_share(plane: Plane, sight: Sight) -> float:
    """Of the picture's cells, how many show something rather than nothing but noise.

    Args:
        plane: the picture as it is.
        sight: to be judged by itself alone.
    """
    counted = _cell_sums(plane.counted.astype(np.float32))
    full = counted >= 0.5 * _CELL_PX**2
    detail, noise = (
        np.sqrt(_cell_sums(np.square(plane.bands(picture)[1] * plane.counted))[full])
        / np.sqrt(counted[full])
        for picture in (sight.luma, sight.noise)
    )
    lives = (detail >= _OVER_NOISE * noise) & (detail >= _LEAST_LEVELS)
    return float(np.mean(lives)) if lives.size else 0.0


def _likeness(plane: Plane, reference: Float32Image, sight: Float32Image) -> Likeness:
    before, now = plane.seen(reference), plane.seen(sight)
    edges_before, edges_now = plane.edges(before), plane.edges(now)
    shift_px, peak = plane.shift(edges_before, edges_now)
    return Likeness(
        is_ring=plane.is_ring,
        shared=plane.likeness(edges_before, edges_now),
        shapes=plane.likeness(plane.shapes(before), plane.shapes(now)),
        shift_px=shift_px,
        peak=peak,
        sharpness=_sharpness(plane, before, now),
    )


def _sharpness(plane: Plane, before: Float32Image, now: Float32Image) -> float:
    """Fine detail beside coarse where the reference has its edges, as a share of its own."""
    fine_before, coarse_before = plane.bands(before)
    fine_now, coarse_now = plane.bands(now)
    shares = []
    for columns in np.array_split(np.arange(before.shape[1]), _SECTORS):
        counted = plane.counted[:, columns]
        strong = coarse_before[:, columns]
        if not counted.any():
            continue
        where = counted & (strong >= np.quantile(strong[counted], _EDGE_QUANTILE))
        was, is_now = (
            float(fine[:, columns][where].mean() / (coarse[:, columns][where].mean() + 0.2))
            for fine, coarse in ((fine_before, coarse_before), (fine_now, coarse_now))
        )
        shares.append(is_now / (was + 1e-6))
    return float(np.median(shares)) if shares else 1.0


def _cell_sums(picture: Float32Image) -> Float32Image:
    """Sums of whole cells; what is left over at the right and below is left out."""
    rows, columns = (side // _CELL_PX for side in picture.shape)
    whole = picture[: rows * _CELL_PX, : columns * _CELL_PX]
    cells = whole.reshape(rows, _CELL_PX, columns, _CELL_PX)
    return np.asarray(cells.sum(axis=(1, 3)), np.float32)


def shift_length_px(likeness: Likeness) -> float:
    """How far the scene went in the picture."""
    return math.hypot(*likeness.shift_px)
