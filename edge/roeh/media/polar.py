"""A polar picture: the ground round the pole from above, with tracks, zones and alerts.

North is up. Rings are metres from the foot of the pole. No picture of anybody is in it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.config import ZoneSection
from roeh.core.config.section import PointM
from roeh.media.frames import UInt8Image

Color = tuple[int, int, int]

_SIZE_PX = 1000
_OVERSAMPLING = 2
_MARGIN_PX = 70
#: Labels of alerts nearer to each other than this would cover one another.
_LABEL_WIDTH_PX, _LABEL_HEIGHT_PX = 110, 18
#: Positions on a drawn line are given in parts of a pixel.
_SHIFT = 4

_BACKGROUND: Color = (38, 30, 24)
_GROUND: Color = (52, 42, 34)
_RING: Color = (92, 78, 66)
_TEXT: Color = (205, 195, 185)
_FAINT_TEXT: Color = (150, 138, 126)
_ZONE: Color = (150, 120, 70)
_ALERT: Color = (60, 90, 255)
#: Distinct on the dark ground, also for eyes that mix up red and green.
_TRACKS: tuple[Color, ...] = (
    (235, 190, 90), (120, 200, 255), (170, 225, 150), (220, 150, 235),
    (110, 170, 245), (225, 225, 130), (160, 160, 255), (190, 235, 220),
)  # fmt: skip


class PolarTrack(msgspec.Struct, frozen=True):
    """Where one object went: points east and north of the pole, oldest first."""

    id: int
    points_m: tuple[PointM, ...]


class PolarZone(msgspec.Struct, frozen=True):
    """An outline on the ground and its name; a line has two points."""

    name: str
    outline_m: tuple[PointM, ...]


class PolarAlert(msgspec.Struct, frozen=True):
    """Where an alert was raised."""

    text: str
    east_m: float
    north_m: float
    sigma_m: float


def draw_polar(
    title: str,
    *,
    range_m: float,
    tracks: Sequence[PolarTrack],
    zones: Sequence[PolarZone],
    alerts: Sequence[PolarAlert],
) -> UInt8Image:
    """The picture, (1000, 1000, 3) BGR.

    Args:
        title: one line at the top.
        range_m: of the outermost ring; what lies beyond is not drawn.
        tracks: drawn from faint (old) to bright (new).
        zones: drawn beneath the tracks.
        alerts: drawn above them, with a disc of one sigma.
    """
    canvas = _Canvas(range_m)
    canvas.draw_rings()
    for zone in zones:
        canvas.draw_zone(zone)
    for track in tracks:
        canvas.draw_track(track)
    for alert in alerts:
        canvas.draw_alert(alert)
    canvas.draw_pole()
    canvas.text(title, (24, 36), 0.62, _TEXT)
    return canvas.finished()


class _Canvas:
    def __init__(self, range_m: float) -> None:
        side_px = _SIZE_PX * _OVERSAMPLING
        self._picture = np.full((side_px, side_px, 3), _BACKGROUND, np.uint8)
        self._range_m = range_m
        self._px_per_m = (_SIZE_PX / 2 - _MARGIN_PX) * _OVERSAMPLING / range_m
        self._center_px = side_px / 2
        self._labels: list[tuple[float, float]] = []

    def draw_rings(self) -> None:
        """The ground, metre rings and bearings."""
        center = self._point((0.0, 0.0))
        cv2.circle(
            self._picture, center, self._length(self._range_m), _GROUND, -1, cv2.LINE_AA, _SHIFT
        )
        step_m = _ring_step_m(self._range_m)
        for ring in range(1, int(self._range_m / step_m + 1e-9) + 1):
            radius_m = ring * step_m
            cv2.circle(self._picture, center, self._length(radius_m), _RING, 2, cv2.LINE_AA, _SHIFT)
            place = self._pixel((radius_m * math.sin(math.radians(45)),) * 2)
            self.text(f"{radius_m:g} m", (place[0] + 4, place[1] - 4), 0.42, _FAINT_TEXT)
        for bearing_deg in range(0, 360, 30):
            direction = (
                math.sin(math.radians(bearing_deg)),
                math.cos(math.radians(bearing_deg)),
            )
            outer = (direction[0] * self._range_m, direction[1] * self._range_m)
            inner = (direction[0] * step_m / 2, direction[1] * step_m / 2)
            cv2.line(
                self._picture, self._point(inner), self._point(outer), _RING, 1, cv2.LINE_AA, _SHIFT
            )
            name = {0: "N", 90: "E", 180: "S", 270: "W"}.get(bearing_deg, f"{bearing_deg}")
            place = self._pixel(
                (direction[0] * self._range_m * 1.06, direction[1] * self._range_m * 1.06)
            )
            scale = 0.7 if name.isalpha() else 0.42
            color = _TEXT if name.isalpha() else _FAINT_TEXT
            self.text(name, place, scale, color, centered=True)

    def draw_zone(self, zone: PolarZone) -> None:
        """A zone's ground, lightly, and its edge."""
        points = np.asarray([self._point(point) for point in zone.outline_m], np.int32)
        closed = len(points) > 2
        if closed:
            tinted = self._picture.copy()
            cv2.fillPoly(tinted, [points], _ZONE, cv2.LINE_AA, _SHIFT)
            cv2.addWeighted(tinted, 0.25, self._picture, 0.75, 0, self._picture)
        cv2.polylines(self._picture, [points], closed, _ZONE, 3, cv2.LINE_AA, _SHIFT)
        place = self._pixel(max(zone.outline_m, key=lambda point: point[1]))
        self.text(zone.name, (place[0] + 6, place[1] - 6), 0.42, _ZONE)

    def draw_track(self, track: PolarTrack) -> None:
        """Where somebody went, and where they are now."""
        color = _TRACKS[track.id % len(_TRACKS)]
        points = [point for point in track.points_m if math.hypot(*point) <= self._range_m]
        for number, (start, end) in enumerate(itertools.pairwise(points)):
            share = 0.35 + 0.65 * (number + 1) / len(points)
            shade = tuple(
                int(ground + share * (bright - ground))
                for ground, bright in zip(_GROUND, color, strict=True)
            )
            cv2.line(
                self._picture, self._point(start), self._point(end), shade, 4, cv2.LINE_AA, _SHIFT
            )
        if points:
            cv2.circle(
                self._picture, self._point(points[-1]), 7 << _SHIFT, color, -1, cv2.LINE_AA, _SHIFT
            )

    def draw_alert(self, alert: PolarAlert) -> None:
        """A disc of one sigma, a mark, and the rule."""
        place = (alert.east_m, alert.north_m)
        if math.hypot(*place) > self._range_m:
            return
        tinted = self._picture.copy()
        center, radius = self._point(place), self._length(max(alert.sigma_m, 0.2))
        cv2.circle(tinted, center, radius, _ALERT, -1, cv2.LINE_AA, _SHIFT)
        cv2.addWeighted(tinted, 0.3, self._picture, 0.7, 0, self._picture)
        cv2.circle(self._picture, center, 6 << _SHIFT, _ALERT, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(self._picture, center, 13 << _SHIFT, _ALERT, 3, cv2.LINE_AA, _SHIFT)
        x, y = self._pixel(place)
        if all(
            abs(x - a) > _LABEL_WIDTH_PX or abs(y - b) > _LABEL_HEIGHT_PX for a, b in self._labels
        ):
            self._labels.append((x, y))
            self.text(alert.text, (x + 11, y - 9), 0.45, (140, 165, 255))

    def draw_pole(self) -> None:
        """The pole itself, in the middle."""
        center = self._point((0.0, 0.0))
        cv2.circle(self._picture, center, 13 << _SHIFT, _TEXT, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(self._picture, center, 6 << _SHIFT, _BACKGROUND, -1, cv2.LINE_AA, _SHIFT)

    def text(
        self,
        text: str,
        place_px: tuple[float, float],
        scale: float,
        color: Color,
        *,
        centered: bool = False,
    ) -> None:
        """Text at a place in pixels of the finished picture."""
        size = scale * _OVERSAMPLING
        x, y = place_px[0] * _OVERSAMPLING, place_px[1] * _OVERSAMPLING
        if centered:
            (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 2)
            x, y = x - width / 2, y + height / 2
        place = (round(x), round(y))
        cv2.putText(
            self._picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, color, 2, cv2.LINE_AA
        )

    def finished(self) -> UInt8Image:
        """The picture at its final size."""
        small = cv2.resize(self._picture, (_SIZE_PX, _SIZE_PX), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def _pixel(self, point_m: PointM) -> tuple[float, float]:
        """A place in pixels of the finished picture."""
        east, north = point_m
        return (
            (self._center_px + east * self._px_per_m) / _OVERSAMPLING,
            (self._center_px - north * self._px_per_m) / _OVERSAMPLING,
        )

    def _point(self, point_m: PointM) -> tuple[int, int]:
        x, y = self._pixel(point_m)
        factor = _OVERSAMPLING << _SHIFT
        return round(x * factor), round(y * factor)

    def _length(self, length_m: float) -> int:
        return round(length_m * self._px_per_m) << _SHIFT


def _ring_step_m(range_m: float) -> float:
    """A round step that gives three to six rings."""
    for step_m in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0):
        if range_m / step_m <= 6:
            return step_m
    return 100.0


def sector_outline_m(
    bearing_from_deg: float, bearing_to_deg: float, range_from_m: float, range_to_m: float
) -> tuple[PointM, ...]:
    """The outline of a sector of the ground; bearings may run over north."""
    sweep_deg = (bearing_to_deg - bearing_from_deg) % 360.0 or 360.0
    bearings = np.radians(bearing_from_deg + np.linspace(0.0, sweep_deg, 49))
    outer = _arc(bearings, range_to_m)
    if sweep_deg == 360.0 and range_from_m <= 0:
        # All round: a circle, without a side that would look like a border and hide north.
        return outer
    inner = _arc(bearings[::-1], range_from_m) if range_from_m > 0 else ((0.0, 0.0),)
    return (*outer, *inner)


def zone_outline_m(zone: ZoneSection, *, at_most_m: float = math.inf) -> tuple[PointM, ...]:
    """The outline of a zone, a sector no farther out than `at_most_m`."""
    if zone.bearing_from_deg is None or zone.bearing_to_deg is None or zone.range_to_m is None:
        return zone.polygon_m
    return sector_outline_m(
        zone.bearing_from_deg,
        zone.bearing_to_deg,
        zone.range_from_m,
        min(zone.range_to_m, at_most_m),
    )


def _arc(bearings_rad: npt.NDArray[np.float64], range_m: float) -> tuple[PointM, ...]:
    return tuple(
        (range_m * math.sin(bearing), range_m * math.cos(bearing))
        for bearing in bearings_rad.tolist()
    )
