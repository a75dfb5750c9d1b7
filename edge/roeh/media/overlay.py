"""What is drawn into pictures for people: metre rings, a ground grid, a compass, zones, boxes.

Into a sensor's own picture (`sensor_view`) or any other view: each point of the ground is
drawn where the sensor that shows it there sees it. Privacy masks stay black, whatever was
drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from roeh.core.types import Box, Track
from roeh.media.frames import UInt8Image
from roeh.media.lettering import Color, Edge, text_size, trace, write
from roeh.optics.projection import Cylindrical, Perspective
from roeh.optics.rig import angles_of, wrap_deg
from roeh.optics.view_layout import View
from roeh.optics.view_pane import Pane

_Points = npt.NDArray[np.float64]

#: Near a pole rings lie close together in metres, far from it close together in pixels.
RINGS_M = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0)
DEFAULT_RANGE_M = 30.0
_RING: Color = (255, 230, 140)
_GRID: Color = (190, 215, 170)
_NORTH: Color = (80, 110, 255)
_ZONE: Color = (90, 190, 255)
BOX: Color = (40, 200, 255)
#: A letter's height in a view of this height, and its limits.
_LETTER_PART, _LEAST_LETTER_PX, _MOST_LETTER_PX = 0.022, 7.0, 18.0
#: Rings nearer together than this many letters are not drawn.
_RING_APART = 1.3
#: A strip with room for so many letters has its rings labelled twice as often.
_WIDE_LETTERS = 90
_POINTS_A_RING = 721
_POINTS_A_LINE = 161
_COMPASS = {0: "N", 45: "NE", 90: "E", 135: "SE", 180: "S", 225: "SW", 270: "W", 315: "NW"}


def bearing_name(bearing_deg: float) -> str:
    """North and the other seven by letter, the rest in degrees."""
    whole = round(bearing_deg) % 360
    return _COMPASS.get(whole, f"{whole}\N{DEGREE SIGN}")


def letter_px_of(view: View) -> float:
    """How high capitals are in a view: legible, and not in the way."""
    height_px = view.panes[0].size.height_px
    return min(max(height_px * _LETTER_PART, _LEAST_LETTER_PX), _MOST_LETTER_PX)


class Boxed(NamedTuple):
    """Something seen: points (n, 2) round it in its sensor's picture, and words for its box."""

    sensor: str
    outline_px: _Points
    words: str
    color: Color = BOX


class Overlay:
    """Draws into a picture of a view, in place.

    Args:
        view: where everything is.
        picture: of the view, (height, width, 3) blue green red.
        hidden: true where a privacy mask lies, (height, width); None for nothing.
        letter_px: height of a capital; default by the picture's height.
    """

    def __init__(
        self,
        view: View,
        picture: UInt8Image,
        hidden: npt.NDArray[np.bool_] | None = None,
        *,
        letter_px: float | None = None,
    ) -> None:
        if picture.shape[:2] != (view.size.height_px, view.size.width_px):
            raise ValueError(f"the picture is {picture.shape}, the view {view.size}")
        self._view = view
        self._picture = picture
        self._hidden = hidden
        self._letter_px = letter_px or letter_px_of(view)
        self._taken: list[Box] = []

    def draw_rings(
        self, rings_m: Sequence[float] = RINGS_M, *, range_m: float = DEFAULT_RANGE_M
    ) -> None:
        """Circles on the ground round the pole, each with its metres where there is room."""
        around = np.linspace(0.0, 2 * np.pi, _POINTS_A_RING)
        circle = np.column_stack([np.sin(around), np.cos(around)])
        for pane in self._view.panes:
            for ring_m in self._apart(pane, [ring for ring in rings_m if ring <= range_m]):
                for _, points in pane.ground_points(ring_m * circle):
                    self._draw(pane, points, _RING)
                for bearing in self._label_bearings(pane):
                    self._label(pane, f"{ring_m:g} m", ring_m * _towards(bearing), _RING)

    def draw_grid(self, step_m: float = 2.0, *, range_m: float = 10.0) -> None:
        """Lines to the north and to the east on the ground, `step_m` apart."""
        count = int(range_m / step_m + 1e-9)
        along = np.linspace(-range_m, range_m, _POINTS_A_LINE)
        for at_m in np.arange(-count, count + 1) * step_m:
            across = np.full_like(along, at_m)
            for line in (np.column_stack([across, along]), np.column_stack([along, across])):
                for pane in self._view.panes:
                    for _, points in pane.ground_points(line):
                        self._draw(pane, points, _GRID)

    def draw_compass(self, *, from_m: float = 1.0, to_m: float = 10.0, step_deg: int = 45) -> None:
        """Lines on the ground away from the pole, with their bearings; north stands out."""
        reach = np.linspace(from_m, to_m, _POINTS_A_LINE)[:, None]
        for pane in self._view.panes:
            for bearing in range(0, 360, step_deg):
                is_north = bearing == 0
                color = _NORTH if is_north else _RING
                for _, points in pane.ground_points(reach * _towards(bearing)):
                    self._draw(pane, points, color, thick_px=2 if is_north else 1)
                self._label(
                    pane, bearing_name(bearing), to_m * 1.08 * _towards(bearing), color, bigger=1.4
                )

    def draw_bearings(self) -> None:
        """Whither each virtual camera looks, at the upper edge of its pane."""
        for pane in self._view.panes:
            if isinstance(pane.projection, Perspective):
                bearing = self._view.bearing_of(pane.projection.azimuth_deg)
                words = bearing_name(bearing)
                width, height = text_size(words, 1.4 * self._letter_px)
                middle = ((pane.size.width_px - width) / 2, height + 1.0)
                color = _RING if words != "N" else _NORTH
                self._write_at(pane, words, middle, color, height_px=1.4 * self._letter_px)

    def draw_outline(self, name: str, outline_m: Sequence[tuple[float, float]]) -> None:
        """The edge of a zone, or a line (two points), on the ground, metres east and north."""
        corners = np.asarray(outline_m, np.float64)
        middle: _Points = corners.mean(axis=0)
        if len(corners) > 2:
            corners = np.vstack([corners, corners[:1]])
        edge = _denser(corners)
        for pane in self._view.panes:
            for _, points in pane.ground_points(edge):
                self._draw(pane, points, _ZONE, thick_px=2)
            self._label(pane, name, middle, _ZONE)

    def draw_boxes(self, boxed: Sequence[Boxed]) -> None:
        """Boxes with words; words keep off all boxes where they can, the first ones first."""
        placed = [
            (pane, box, one)
            for one in boxed
            for pane in self._view.panes
            for box in _boxes(
                pane, self._view.rig.sensor(one.sensor).pole_directions(one.outline_px)
            )
        ]
        for pane, box, one in reversed(placed):
            corners = [(box.x0_px, box.y0_px), (box.x1_px, box.y0_px)]
            corners += [(box.x1_px, box.y1_px), (box.x0_px, box.y1_px)]
            trace(self._part(pane), np.asarray(corners), one.color, closed=True)
        boxes = [_in_view(pane, box) for pane, box, _ in placed]
        for pane, box, one in placed:
            if one.words:
                self._write_beside(pane, box, one, boxes)

    def draw_tracks(
        self, tracks: Sequence[Track], words_of: Callable[[Track], str] | None = None
    ) -> None:
        """A box round each, with what it is, how sure, its bearing and its range."""
        words_of = words_of or track_words
        self.draw_boxes(
            [
                Boxed(track.sensor, _outline(track), words_of(track))
                for track in sorted(tracks, key=lambda track: track.range_m)
            ]
        )

    def finished(self) -> UInt8Image:
        """The picture, black again wherever a mask lies."""
        if self._hidden is not None:
            self._picture[self._hidden] = 0
        return self._picture

    def _write_beside(self, pane: Pane, box: Box, one: Boxed, boxes: Sequence[Box]) -> None:
        """Words above, below or beside a box; over another box only where nothing else is free."""
        width, height = text_size(one.words, self._letter_px)
        places = (
            (box.x0_px, box.y0_px - 3),
            (box.x0_px, box.y1_px + height),
            (box.x1_px + 3, box.y0_px + height),
            (box.x0_px - width - 3, box.y0_px + height),
            (box.x1_px - width, box.y0_px - 3),
            (box.x0_px, box.y0_px - 4 - height),
            (box.x0_px, box.y1_px + 2 * height + 1),
        )
        for keep_off in (boxes, ()):
            for place in places:
                if self._write_at(pane, one.words, place, one.color, keep_off=keep_off):
                    return

    def _part(self, pane: Pane) -> UInt8Image:
        """The pane's pixels: what is drawn beyond its edges is not drawn."""
        size = pane.size
        return self._picture[
            pane.top_px : pane.top_px + size.height_px, pane.left_px : pane.left_px + size.width_px
        ]

    def _draw(self, pane: Pane, points: _Points, color: Color, *, thick_px: int = 1) -> None:
        part, period_px = self._part(pane), pane.period_px
        edge: Edge = "shadow" if thick_px == 1 else "outline"
        for run in _runs(points):
            if period_px is None:
                trace(part, run, color, thick_px=thick_px, edge=edge)
                continue
            # Once round, the same line comes again one picture further on.
            flat = np.column_stack([np.unwrap(run[:, 0], period=period_px), run[:, 1]])
            for turn in (-1, 0, 1):
                moved = flat + np.asarray([turn * period_px, 0.0])
                if moved[:, 0].max() >= 0 and moved[:, 0].min() <= pane.size.width_px:
                    trace(part, moved, color, thick_px=thick_px, edge=edge)

    def _apart(self, pane: Pane, rings_m: Sequence[float]) -> list[float]:
        """Those rings between which there is room."""
        bearing = self._label_bearings(pane)[0]
        chosen: list[float] = []
        last: _Points | None = None
        for ring_m in rings_m:
            point = self._place(pane, ring_m * _towards(bearing))
            if point is None:
                chosen.append(ring_m)
                continue
            if last is None or np.hypot(*(point - last)) >= _RING_APART * self._letter_px:
                chosen.append(ring_m)
                last = point
        return chosen

    def _label_bearings(self, pane: Pane) -> list[float]:
        """Where a pane's rings are labelled: in its middle, and where it goes all round, often."""
        middle = np.asarray([[(pane.size.width_px - 1) / 2, (pane.size.height_px - 1) / 2]])
        azimuth, elevation = angles_of(pane.projection.pole_directions(middle))
        goes_round = bool(np.isnan(elevation[0])) or elevation[0] < -60.0
        bearing = self._view.bearing_of(0.0 if goes_round else float(azimuth[0]))
        if isinstance(pane.projection, Cylindrical):
            count = 4 if pane.size.width_px > _WIDE_LETTERS * self._letter_px else 2
            step = 360.0 / count
            return [wrap_deg(bearing + turn * step + step / 4) for turn in range(count)]
        if goes_round:
            return [wrap_deg(bearing + turn) for turn in (22.5, 112.5, 202.5, 292.5)]
        return [bearing]

    def _place(self, pane: Pane, spot_m: _Points) -> _Points | None:
        """Where a pane shows a spot of the ground (2,)."""
        for _, points in pane.ground_points(spot_m.reshape(1, 2)):
            if pane.contains(points)[0]:
                spot: _Points = points[0]
                return spot
        return None

    def _label(
        self, pane: Pane, words: str, spot_m: _Points, color: Color, *, bigger: float = 1.0
    ) -> None:
        point = self._place(pane, spot_m)
        if point is not None:
            height = self._letter_px * bigger
            width, _ = text_size(words, height)
            left = (float(point[0]) - width / 2, float(point[1]) + height / 2)
            self._write_at(pane, words, left, color, height_px=height)

    def _write_at(
        self,
        pane: Pane,
        words: str,
        left_base_px: tuple[float, float],
        color: Color,
        *,
        height_px: float | None = None,
        keep_off: Sequence[Box] = (),
    ) -> bool:
        """Words inside the pane, unless they would cover others; whether they were written."""
        letter = height_px or self._letter_px
        width, height = text_size(words, letter)
        x = min(max(left_base_px[0], 1.0), max(1.0, pane.size.width_px - width - 1.0))
        y = min(max(left_base_px[1], height), pane.size.height_px - 2.0)
        box = _in_view(pane, Box(x0_px=x, y0_px=y - height, x1_px=x + width, y1_px=y))
        if any(_overlap(box, other) for other in (*self._taken, *keep_off)):
            return False
        self._taken.append(box)
        write(self._part(pane), words, (x, y), letter, _bright(color))
        return True


def track_words(track: Track) -> str:
    """What an operator reads at a box: `person 87% 124° 14 m`."""
    return found_words(track.label, track.confidence, track.bearing_deg, track.range_m)


def found_words(label: str, confidence: float, bearing_deg: float, range_m: float) -> str:
    """The same of anything that was found."""
    sure, bearing = f"{confidence * 100:.0f}%", f"{round(bearing_deg) % 360}\N{DEGREE SIGN}"
    return f"{label} {sure} {bearing} {_metres(range_m)}"


def range_words(track: Track) -> str:
    """How far away it is: `8.9 m`."""
    return _metres(track.range_m)


def _metres(range_m: float) -> str:
    return f"{range_m:.1f} m" if range_m < 9.95 else f"{range_m:.0f} m"


def _towards(bearing_deg: float) -> _Points:
    angle = np.radians(bearing_deg)
    return np.asarray([np.sin(angle), np.cos(angle)])


def _runs(points: _Points) -> Iterator[_Points]:
    """Unbroken runs of points (n, 2) between those that are NaN, two at least."""
    is_there = ~np.isnan(points).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_there.astype(np.int8), [0]])))
    for first, past in zip(edges[::2], edges[1::2], strict=True):
        if past - first > 1:
            yield points[first:past]


def _denser(corners: _Points) -> _Points:
    """Points every few decimetres along straight lines through (n, 2)."""
    steps = np.hypot(*np.diff(corners, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.union1d(np.linspace(0.0, at[-1], max(2, int(at[-1] / 0.25))), at)
    dense: _Points = np.column_stack([np.interp(wanted, at, column) for column in corners.T])
    return dense


def _boxes(pane: Pane, sights: _Points) -> Iterator[Box]:
    """Boxes in a pane round directions (n, 3), again where the world comes round again."""
    points = pane.points_of(sights)
    points = points[~np.isnan(points).any(axis=1)]
    if len(points) < 2:
        return
    period_px = pane.period_px
    turns = [0.0]
    if period_px is not None:
        points[:, 0] = np.unwrap(points[:, 0], period=period_px)
        turns = [-period_px, 0.0, period_px]
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    for turn in turns:
        is_across = x1 + turn >= 0 and x0 + turn <= pane.size.width_px - 1
        if is_across and y1 >= 0 and y0 <= pane.size.height_px - 1:
            yield Box(
                x0_px=float(x0 + turn), y0_px=float(y0), x1_px=float(x1 + turn), y1_px=float(y1)
            )


def _outline(track: Track) -> _Points:
    return np.asarray(track.outline_sensor_px, np.float64).reshape(-1, 2)


def _in_view(pane: Pane, box: Box) -> Box:
    left, top = pane.left_px, pane.top_px
    return Box(
        x0_px=box.x0_px + left, y0_px=box.y0_px + top, x1_px=box.x1_px + left, y1_px=box.y1_px + top
    )


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.x0_px < other.x1_px
        and other.x0_px < one.x1_px
        and one.y0_px < other.y1_px
        and other.y0_px < one.y1_px
    )


def _bright(color: Color) -> Color:
    """Nearer to white: letters are thinner than lines."""
    red_green_blue = [(2 * part + 255) // 3 for part in color]
    return red_green_blue[0], red_green_blue[1], red_green_blue[2]
