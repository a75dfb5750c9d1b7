"""Which rings of tiles a fisheye is looked at through: a pure function of the rig's geometry.

The criterion: whoever stands, 1.7 m tall, is from foot to head in the middle part of some
tile and, unless one looks down on them, at least `LEAST_PX` tall there. By day drawn people
are found near and far alike down to that height, and of those a tenth smaller half are
(edge/design/detection-quality.md).

- The near ring begins at the foot of the pole. It ends above the head of the farthest
  whom it still shows so tall: it sees farther only if it is wider, and wider it is coarser.
  How high the lens hangs and how many pixels the model takes decide; 5 m and 416 pixels
  make 80 degrees at -46, and 22 m.
- Ground that a rule names beyond that has an outer ring of finer tiles, but only the tiles
  that show such ground, and only as far as the camera itself has `LEAST_PX` of a person:
  finer tiles would enlarge what is not there. Without ground named out there is no outer
  ring, because each tile costs a look a second in a quiet street.
- A coarse camera's near ring is the same: enlarged people are followed better than few
  pixels in wider and fewer tiles.
- A ring has as many tiles as it takes: who is at the side of one leans, and is lost at night.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Size
from roeh.optics.coverage import PERSON_M
from roeh.optics.ground import DEFAULT_MAX_RANGE_M
from roeh.optics.projection import Perspective
from roeh.optics.rig import Sensor
from roeh.optics.tiles import Tile, overhead_tiles

Array = NDArray[np.float64]

#: A person of so many pixels is found.
LEAST_PX = 28.0
#: Where the near ring begins: who stands farther than 0.07 heights from below the lens is whole.
_FOOT_DEG = -86.0
#: So much is left above the head of whoever is farthest.
_OVER_HEAD_DEG = 2.5
#: No higher does the near ring reach: from a low pole wider tiles, with the heads of whoever
#: is far in them, find no more people and more that are none.
_HIGHEST_DEG = -6.0
#: People are within this part of a tile's half width.
_MIDDLE_SHARE = 0.68
#: Neither ring's tiles are narrower or wider than this.
_NARROWEST_DEG, _WIDEST_DEG = 24, 90
#: An outer ring is worth its looks if its tiles are so much narrower than the near one's.
_WORTH = 0.8
_FEWEST_TILES, _MOST_TILES = 4, 24
#: Ranges are tried in such steps, as far as a fix on the ground means anything.
_STEP_M = 0.25
_TRIED_M = np.arange(1.0, DEFAULT_MAX_RANGE_M + _STEP_M, _STEP_M)


class Ring(msgspec.Struct, frozen=True):
    """Tiles round the nadir: how many, how wide and tall each is, and where its middle lies."""

    count: int
    fov_deg: float
    elevation_deg: float

    @property
    def top_deg(self) -> float:
        """Elevation of the upper edges' middles."""
        return self.elevation_deg + self.fov_deg / 2

    def tile(self, sensor: Sensor, size: Size, index: int) -> Tile:
        """One of them; the first lies ahead, the others follow clockwise."""
        (tile,) = overhead_tiles(
            sensor,
            1,
            size,
            fov_h_deg=self.fov_deg,
            elevation_deg=self.elevation_deg,
            first_azimuth_deg=index * 360.0 / self.count,
        )
        return tile

    def people_px(self, size: Size, eye_m: float, ranges_m: Array) -> Array:
        """How tall people in the middle column of a tile of that size are, pixels (n,).

        Args:
            size: of the tile.
            eye_m: how high the lens hangs.
            ranges_m: (n,), from below the lens.
        """
        feet, heads = self._ends_px(size, eye_m, ranges_m, 0.0)
        tall: Array = np.hypot(*(heads - feet).T)
        return tall

    def aside(self, size: Size, eye_m: float, ranges_m: Array) -> float:
        """How far from the middle column whoever stands between two tiles is, in half widths."""
        ends = self._ends_px(size, eye_m, ranges_m, 180.0 / self.count)
        offset = np.abs(ends[..., 0] - (size.width_px - 1) / 2) / (size.width_px / 2)
        return float(np.max(np.nan_to_num(offset, nan=math.inf)))

    def reach_m(self, size: Size, eye_m: float) -> float:
        """The farthest range at which a person is whole and tall enough in a tile; 0 for none."""
        heads_deg = -_depression_deg(eye_m - PERSON_M, _TRIED_M)
        # Half a degree for the rounding of the ring's own.
        whole = heads_deg + _OVER_HEAD_DEG - 0.5 <= self.top_deg
        tall = self.people_px(size, eye_m, _TRIED_M) >= LEAST_PX
        return float(np.max(_TRIED_M[whole & tall], initial=0.0))

    def _ends_px(self, size: Size, eye_m: float, ranges_m: Array, azimuth_deg: float) -> Array:
        """Feet and heads (2, n, 2) in the tile ahead of people at an azimuth; NaN behind it."""
        width_px, height_px = size.width_px, size.height_px
        ahead = Perspective(width_px, height_px, 0.0, self.elevation_deg, self.fov_deg)
        ends = people_at(eye_m, ranges_m, np.full(len(ranges_m), azimuth_deg))
        return ahead.pixels_of(ends.reshape(-1, 3)).reshape(2, -1, 2)


def near_ring(size: Size, eye_m: float) -> Ring:
    """The ring for whoever is not far; it begins at the foot of the pole.

    Args:
        size: of a tile.
        eye_m: how high the lens hangs.
    """
    seen = bisect_left(_TRIED_M, True, key=lambda range_m: _is_too_far(size, eye_m, range_m))
    reach_m = float(_TRIED_M[max(seen - 1, 0)])
    ring = _from_the_foot(min(_top_deg(eye_m, reach_m), _HIGHEST_DEG))
    return _filled(ring, size, eye_m, ring.reach_m(size, eye_m))


def outer_tiles(sensor: Sensor, size: Size, near: Ring, named: Array) -> tuple[Tile, ...]:
    """The tiles for ground that rules name beyond what the near ring reaches; mostly none.

    Args:
        sensor: the fisheye.
        size: of a tile.
        near: the near ring.
        named: outlines of that ground, points (n, 3) from the lens in the pole frame, metres.
    """
    eye_m = sensor.pose.height_m
    reach_m = near.reach_m(size, eye_m)
    azimuths_deg, far_m = _shown_beyond(sensor, named, reach_m)
    farthest_m = float(np.max(far_m, initial=0.0))
    if not farthest_m:
        return ()
    ring = _outer_ring(size, eye_m, farthest_m)
    if ring.fov_deg > _WORTH * near.fov_deg:
        return ()
    step_deg = 360.0 / ring.count
    wanted = set((np.round(azimuths_deg / step_deg) % ring.count).astype(int).tolist())
    return tuple(ring.tile(sensor, size, index) for index in sorted(wanted))


def people_at(eye_m: float, ranges_m: Array, azimuths_deg: Array) -> Array:
    """Feet and heads (2, n, 3) from the lens, pole frame, metres."""
    azimuths = np.radians(azimuths_deg)
    feet = np.column_stack(
        [ranges_m * np.sin(azimuths), ranges_m * np.cos(azimuths), np.full(len(ranges_m), -eye_m)]
    )
    return np.stack([feet, feet + np.asarray([0.0, 0.0, PERSON_M])])


def source_people_px(sensor: Sensor, ranges_m: Array, azimuths_deg: Array) -> Array:
    """How tall people are in the sensor's own picture, pixels (n,); 0 where it does not show them.

    Args:
        sensor: the camera.
        ranges_m: (n,), from below the lens.
        azimuths_deg: (n,), from the forward mark.
    """
    ends = people_at(sensor.pose.height_m, ranges_m, azimuths_deg)
    ends /= np.linalg.norm(ends, axis=2, keepdims=True)
    feet, heads = sensor.pixels_of(ends.reshape(-1, 3)).reshape(2, -1, 2)
    tall: Array = np.nan_to_num(np.hypot(*(heads - feet).T), nan=0.0)
    return tall


def _shown_beyond(sensor: Sensor, named: Array, beyond_m: float) -> tuple[Array, Array]:
    """Azimuths, and how far there, of named ground beyond a range that the camera still shows."""
    named_m = np.hypot(named[:, 0], named[:, 1])
    azimuths_deg = np.degrees(np.arctan2(named[:, 0], named[:, 1]))[named_m > beyond_m]
    named_m = named_m[named_m > beyond_m]
    tried_m = _TRIED_M[beyond_m < _TRIED_M]
    ranges_m = np.tile(tried_m, len(named_m))
    tall_px = source_people_px(sensor, ranges_m, np.repeat(azimuths_deg, len(tried_m)))
    fit = (tall_px.reshape(len(named_m), len(tried_m)) >= LEAST_PX) & (tried_m <= named_m[:, None])
    far_m = np.max(np.where(fit, tried_m, 0.0), axis=1, initial=0.0)
    return azimuths_deg[far_m > 0], far_m[far_m > 0]


def _outer_ring(size: Size, eye_m: float, range_m: float) -> Ring:
    """The widest tiles that show a person tall enough at that range."""
    top_deg = _top_deg(eye_m, range_m)
    ring = Ring(_FEWEST_TILES, float(_NARROWEST_DEG), top_deg - _NARROWEST_DEG / 2)
    for fov_deg in range(_NARROWEST_DEG, _WIDEST_DEG):
        wider = Ring(_FEWEST_TILES, float(fov_deg), top_deg - fov_deg / 2)
        if wider.people_px(size, eye_m, np.asarray([range_m]))[0] < LEAST_PX:
            break
        ring = wider
    return _filled(ring, size, eye_m, range_m)


def _is_too_far(size: Size, eye_m: float, range_m: float) -> bool:
    """Whether a near ring that just holds somebody at that range shows them too small."""
    ring = _from_the_foot(_top_deg(eye_m, range_m))
    return bool(ring.people_px(size, eye_m, np.asarray([range_m]))[0] < LEAST_PX)


def _from_the_foot(top_deg: float) -> Ring:
    """A ring from the foot of the pole up to an elevation, in whole degrees."""
    fov_deg = float(np.clip(round(top_deg - _FOOT_DEG), _NARROWEST_DEG, _WIDEST_DEG))
    return Ring(_FEWEST_TILES, fov_deg, _FOOT_DEG + fov_deg / 2)


def _filled(ring: Ring, size: Size, eye_m: float, range_m: float) -> Ring:
    """The same ring with as many tiles as it takes."""
    ranges_m = _TRIED_M[(range_m / 2 <= _TRIED_M) & (range_m >= _TRIED_M)]
    for count in range(_FEWEST_TILES, _MOST_TILES):
        filled = msgspec.structs.replace(ring, count=count)
        if filled.aside(size, eye_m, ranges_m) <= _MIDDLE_SHARE:
            return filled
    return msgspec.structs.replace(ring, count=_MOST_TILES)


def _top_deg(eye_m: float, range_m: float) -> float:
    """Elevation up to which a tile has to show to hold somebody at that range."""
    return float(_OVER_HEAD_DEG - _depression_deg(eye_m - PERSON_M, np.asarray(range_m)))


def _depression_deg(down_m: float, ranges_m: Array) -> Array:
    angles: Array = np.degrees(np.arctan2(down_m, ranges_m))
    return angles
