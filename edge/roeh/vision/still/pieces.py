"""What a piece of picture that changed and keeps still is: a thing, a gap, a light, or neither.

- A thing brings edges: along its outline the picture now has more of them than the street
  had. Where something was taken away it is the other way round: the edges were the street's
  (J. Connell et al., "Detection and tracking in the IBM PeopleVision system", ICME 2004).
- A light or a shadow multiplies what is there: the street's own edges stay, as much weaker or
  stronger as the light. A thing covers them.
- And it fits on the ground: 0.2 to 1.5 m where it stands.
"""

from __future__ import annotations

import enum

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.vision.still.backgrounds import Float32Image
from roeh.vision.still.footing import Footing, Stand

Mask = npt.NDArray[np.bool_]

#: How big a thing is that somebody leaves.
_SMALLEST_M, _LARGEST_M = 0.2, 1.5
#: Of whatever it is, this much must be there both ways: a kerb's edge is a line.
_THINNEST_M = 0.1
#: Looked down upon, its depth adds to what seems its height.
_RISE_SLACK_M = 0.3
_MIN_AREA_PX = 12
#: Of the upright or turned rectangle round it so much must be there: a fluttering tape is not.
_SOLID_SHARE = 0.5
#: It differs from the street by so many levels on the whole.
_LEAST_CONTRAST = 12.0
#: Edges along the outline, now and in the street: a thing has so many times more.
_EDGES_GAINED = 1.25
_AROUND_SHARE = 0.8
#: An edge of so many levels a pixel is none.
_LEAST_EDGE = 3.0
#: Of the picture's edges within the piece, the share that the street's own do not explain.
#: A light leaves nearly nothing, a thing nearly everything.
_STRANGE_SHARE = 0.5
#: Levels a pixel that the street's edges need to say anything about light.
_TEXTURE = 1.5
#: A light is the same all over a piece: so much of the change may vary. Darker than half, after
#: a camera's gamma, is no shadow, and brighter than double no lamp.
_EVEN_SHARE = 0.25
_DARKEST, _BRIGHTEST = 0.5, 2.0
#: And its outline is soft: the change grows by no more of itself from pixel to pixel. That of
#: a thing, smoothed over three pixels, grows by a third.
_SOFT_SHARE = 0.23
#: How far the outline's edges may lie beside the outline.
_BAND = np.ones((3, 3), np.uint8)
_MARGIN_PX = 3


class PieceKind(enum.Enum):
    """What a piece is."""

    THING = "thing"
    GAP = "gap"
    LIGHT = "light"
    NEITHER = "neither"


class Piece(msgspec.Struct, frozen=True):
    """A connected piece that changed and keeps still.

    Attributes:
        rows, columns: of its pixels in the luma.
        confidence: in [0, 1] that it is a thing; 0 for what is none.
        stand: how it stands; None where it is on no ground.
    """

    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    kind: PieceKind
    confidence: float
    stand: Stand | None


def pieces_of(
    stands: Mask, slow: Float32Image, fast: Float32Image, footing: Footing
) -> list[Piece]:
    """The connected pieces of a mask, judged.

    Args:
        stands: (height, width), true where something changed and has kept still.
        slow: the street.
        fast: the picture as it is now, as bright.
        footing: of the sensor.
    """
    closed = cv2.morphologyEx(stands.astype(np.uint8), cv2.MORPH_CLOSE, _BAND)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    height, width = stands.shape
    found: list[Piece] = []
    for label in range(1, count):
        x, y, wide, tall, area = (int(value) for value in stats[label])
        if area < _MIN_AREA_PX:
            continue
        top, left = max(0, y - _MARGIN_PX), max(0, x - _MARGIN_PX)
        window = (
            slice(top, min(height, y + tall + _MARGIN_PX)),
            slice(left, min(width, x + wide + _MARGIN_PX)),
        )
        inside = labels[window] == label
        rows, columns = np.nonzero(inside)
        rows, columns = rows + top, columns + left
        stand = footing.stand(rows, columns)
        if stand is None or not _fits(stand) or not _is_solid(rows, columns, stands):
            found.append(Piece(rows, columns, PieceKind.NEITHER, 0.0, stand))
            continue
        kind, confidence = judge(inside, slow[window], fast[window])
        found.append(Piece(rows, columns, kind, confidence, stand))
    return found


def judge(inside: Mask, slow: Float32Image, fast: Float32Image) -> tuple[PieceKind, float]:
    """What a piece is by its edges, and how surely a thing.

    Args:
        inside: (height, width), true in the piece, with a margin round it.
        slow: the street there.
        fast: the picture there now.
    """
    if float(np.mean(cv2.absdiff(fast, slow)[inside])) < _LEAST_CONTRAST:
        return PieceKind.NEITHER, 0.0
    slow_x, slow_y = _gradients(slow)
    fast_x, fast_y = _gradients(fast)
    solid = inside.astype(np.uint8)
    band = (cv2.dilate(solid, _BAND) > 0) & ~(cv2.erode(solid, _BAND) > 0)
    now = float(np.mean(np.hypot(fast_x, fast_y)[band]))
    slow_edges = np.hypot(slow_x, slow_y)
    before = float(np.mean(slow_edges[band]))
    # What lies beside it counts too: a tape in the wind brings no edges, it moves its own.
    around = float(np.quantile(slow_edges, _AROUND_SHARE))
    gained = now / max(before, around, _LEAST_EDGE)
    if now < _LEAST_EDGE or now < before:
        is_gap = before >= _LEAST_EDGE and before > now * _EDGES_GAINED
        return (PieceKind.GAP if is_gap else PieceKind.NEITHER), 0.0
    if _is_even(inside, slow, fast) and _is_soft(band, inside, slow, fast):
        return PieceKind.LIGHT, 0.0
    strange = _strange_share(inside, (slow_x, slow_y), (fast_x, fast_y), slow, fast)
    if strange < _STRANGE_SHARE:
        return PieceKind.LIGHT, 0.0
    if gained < _EDGES_GAINED:
        return PieceKind.NEITHER, 0.0
    sure_of_edges = min(1.0, (gained - 1.0) / 1.0)
    return PieceKind.THING, round(0.5 + 0.5 * sure_of_edges * min(1.0, strange), 3)


def _is_even(inside: Mask, slow: Float32Image, fast: Float32Image) -> bool:
    """Whether a piece became darker or brighter by one factor, as a light makes it."""
    core = cv2.erode(inside.astype(np.uint8), _BAND, iterations=2) > 0
    if np.count_nonzero(core) < _MIN_AREA_PX:
        return False
    low, middle, high = np.quantile((fast[core] + 1) / (slow[core] + 1), (0.15, 0.5, 0.85))
    return bool(_DARKEST <= middle <= _BRIGHTEST and high - low < 2 * _EVEN_SHARE * abs(middle - 1))


def _is_soft(band: Mask, inside: Mask, slow: Float32Image, fast: Float32Image) -> bool:
    """Whether a piece fades into the street, as half shadows and lamps do."""
    change = fast - slow
    across, down = _gradients(change)
    steepest = float(np.quantile(np.hypot(across, down)[band], 0.8))
    return steepest < _SOFT_SHARE * abs(float(np.quantile(change[inside], 0.5)))


def _strange_share(
    inside: Mask,
    slow_xy: tuple[Float32Image, Float32Image],
    fast_xy: tuple[Float32Image, Float32Image],
    slow: Float32Image,
    fast: Float32Image,
) -> float:
    """Share of the edges inside that light falling on the street does not explain.

    1 where the street has no edges there to tell by.
    """
    within = cv2.erode(inside.astype(np.uint8), _BAND) > 0
    if np.count_nonzero(within) < _MIN_AREA_PX:
        within = inside
    light = float(np.mean(fast[within])) / max(float(np.mean(slow[within])), 1.0)
    street = np.concatenate([part[within] for part in slow_xy])
    now = np.concatenate([part[within] for part in fast_xy])
    lit = light * street
    if float(np.sqrt(np.mean(lit**2))) < _TEXTURE:
        return 1.0
    energy = float(np.sum(now**2)) + float(np.sum(lit**2))
    return float(np.sum((now - lit) ** 2)) / max(energy, 1e-6)


def _is_solid(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], stands: Mask) -> bool:
    """Whether a piece is one body, no line and no handful of crumbs."""
    points = np.column_stack([columns, rows]).astype(np.float32)
    _, (long_px, short_px), _ = cv2.minAreaRect(points)
    there = np.count_nonzero(stands[rows, columns])
    return bool(there >= _SOLID_SHARE * (long_px + 1) * (short_px + 1))


def _fits(stand: Stand) -> bool:
    """Whether something that big is left by somebody, give or take a pixel."""
    give_m = stand.pixel_m
    widest_m, thinnest_m = max(stand.width_m, stand.rise_m), min(stand.width_m, stand.rise_m)
    return (
        widest_m >= _SMALLEST_M
        and thinnest_m + give_m >= _THINNEST_M
        and stand.width_m - give_m <= _LARGEST_M
        and stand.rise_m - give_m <= _LARGEST_M + _RISE_SLACK_M
    )


def _gradients(picture: Float32Image) -> tuple[Float32Image, Float32Image]:
    """Levels a pixel to the right and down."""
    return (
        np.asarray(cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32),
        np.asarray(cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32),
    )
