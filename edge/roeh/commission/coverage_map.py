"""Who sees which ground, from above: north up, the pole in the middle."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from roeh.core.config import NodeConfig
from roeh.media.frames import UInt8Image
from roeh.media.lettering import DARK, Color, text_size, trace
from roeh.media.polar import zone_outline_m
from roeh.optics.configured import rig_from
from roeh.optics.coverage import PERSON_M, coverage_at

_SIDE_PX = 900
_REACH_M = 32.0
RINGS_M = (5.0, 10.0, 15.0, 20.0, 30.0)
_STEP_M = 0.5
_PAPER: Color = (255, 255, 255)
#: By how many sensors see a standing person there; blue green red.
_NOBODY: Color = (205, 205, 245)
_ONE: Color = (205, 235, 200)
_SEVERAL: Color = (165, 215, 155)
_RING: Color = (150, 150, 150)
_ZONE: Color = (40, 120, 220)
_NORTH: Color = (40, 40, 200)
_LETTER_PX = 15.0


def coverage_map(config: NodeConfig) -> UInt8Image:
    """Light green: one sensor shows a person from foot to head; darker: several; red: nobody."""
    rig = rig_from(config)
    ranges_m = np.arange(_STEP_M, _REACH_M, _STEP_M)
    counts = np.asarray([coverage_at(rig, float(r)).seen.sum(axis=0) for r in ranges_m])
    rows, columns = np.indices((_SIDE_PX, _SIDE_PX))
    half = (_SIDE_PX - 1) / 2
    east_m, north_m = (columns - half) / half * _REACH_M, (half - rows) / half * _REACH_M
    range_m = np.hypot(east_m, north_m)
    bearing = np.degrees(np.arctan2(east_m, north_m)) % 360.0
    ring = np.clip((range_m / _STEP_M).astype(int) - 1, 0, len(ranges_m) - 1)
    count = counts[ring, bearing.astype(int) % 360]
    picture = np.full((_SIDE_PX, _SIDE_PX, 3), _PAPER, np.uint8)
    for color, where in ((_NOBODY, count == 0), (_ONE, count == 1), (_SEVERAL, count > 1)):
        picture[where & (range_m < RINGS_M[-1])] = color
    for zone in config.zones:
        _outline(picture, zone.name, zone_outline_m(zone, at_most_m=RINGS_M[-1]), closed=True)
    for line in config.lines:
        _outline(picture, line.name, (line.from_m, line.to_m), closed=False)
    _draw_rings(picture)
    _draw_heading(picture, rig.heading_deg)
    return picture


def seen_shares(config: NodeConfig) -> tuple[tuple[float, float, str], ...]:
    """For each ring: metres, what part of it somebody sees, and where nobody does."""
    rig = rig_from(config)
    rows = []
    for range_m in RINGS_M:
        coverage = coverage_at(rig, range_m, height_m=PERSON_M)
        share = float(np.logical_or.reduce(coverage.seen).mean())
        gaps = ", ".join(f"{arc.from_deg:.0f} to {arc.to_deg:.0f}°" for arc in coverage.gaps)
        if share == 0.0:
            gaps = "0 to 360°"
        rows.append((range_m, share, gaps))
    return tuple(rows)


def _draw_rings(picture: UInt8Image) -> None:
    for ring_m in RINGS_M:
        around = np.linspace(0, 2 * np.pi, 361)
        circle = np.column_stack([np.sin(around), np.cos(around)]) * ring_m
        trace(picture, _pixels(circle), _RING, edge="none")
        _words(picture, f"{ring_m:g} m", (0.7071 * ring_m, -0.7071 * ring_m), DARK)
    for bearing, name in ((0, "N"), (90, "E"), (180, "S"), (270, "W")):
        way = np.radians(bearing)
        at = (31.2 * np.sin(way), 31.2 * np.cos(way))
        _words(picture, name, (float(at[0]), float(at[1])), _NORTH if not bearing else DARK)


def _draw_heading(picture: UInt8Image, heading_deg: float) -> None:
    """The pole, and which way its forward mark points."""
    way = np.radians(heading_deg)
    line = np.asarray([(0.0, 0.0), (3.5 * np.sin(way), 3.5 * np.cos(way))])
    cv2.circle(picture, (_SIDE_PX // 2, _SIDE_PX // 2), 7, DARK, -1, cv2.LINE_AA)
    trace(picture, _pixels(line), DARK, thick_px=3, edge="none")


def _outline(
    picture: UInt8Image, name: str, corners_m: tuple[tuple[float, float], ...], *, closed: bool
) -> None:
    points = np.asarray(corners_m, np.float64)
    trace(picture, _pixels(points), _ZONE, thick_px=2, edge="none", closed=closed)
    middle = points.mean(axis=0)
    _words(picture, name, (float(middle[0]), float(middle[1])), _ZONE)


def _words(picture: UInt8Image, words: str, at_m: tuple[float, float], color: Color) -> None:
    width, height = text_size(words, _LETTER_PX)
    ((x, y),) = _pixels(np.asarray([at_m]))
    left, base = round(x - width / 2), round(y + height / 2)
    cv2.rectangle(picture, (left - 2, base - height - 1), (left + width + 2, base + 4), _PAPER, -1)
    scale = _LETTER_PX / 21.0
    cv2.putText(
        picture, words, (left, base), cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA
    )


def _pixels(east_north_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    half = (_SIDE_PX - 1) / 2
    return np.asarray([1.0, -1.0]) * east_north_m / _REACH_M * half + half
