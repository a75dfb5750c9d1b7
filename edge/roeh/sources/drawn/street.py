"""The drawn street: what the sensor sees where nobody stands.

Paving, a carriageway with its markings, a strip of grass, a row of plain fronts round
the horizon and sky; a smooth noise keeps surfaces from being flat. Everything is a
function of the place on the ground, so that it is right through any lens.
"""

from __future__ import annotations

import cv2
import numpy as np

from roeh.media.frames import UInt8Image
from roeh.sources.drawn.sight import Floats, SightField, bands

# Blue, green, red.
_PAVING = np.asarray([128, 134, 138], np.float32)
_CARRIAGEWAY = np.asarray([88, 88, 90], np.float32)
_MARKING = np.asarray([205, 208, 210], np.float32)
_KERB = np.asarray([160, 164, 168], np.float32)
_GRASS = np.asarray([62, 104, 84], np.float32)
_HAZE = np.asarray([176, 172, 166], np.float32)
_SKY = np.asarray([226, 206, 186], np.float32)
_CALM = np.asarray([122, 128, 130], np.float32)

_NOISE_CELLS = 256
_NOISE_CELL_M = 0.12
_HAZE_RANGE_M = 90.0
_FRONT_MIN_DEG, _FRONT_MAX_DEG = 3.0, 12.0
_FRONTS = 40


def street_picture(sight: SightField, seed: int) -> UInt8Image:
    """The empty street (height, width, 3) as the sensor sees it; black beyond its lens."""
    return _paint(sight, seed, plain=False)


def calm_picture(sight: SightField, seed: int = 0) -> UInt8Image:
    """Plain ground under a plain sky, for what footage does not cover."""
    lens = sight.sensor.lens
    # It is smooth, so half the resolution is a quarter of the work and looks the same.
    half = sight.sensor.scaled_to(-(-lens.width_px // 2), -(-lens.height_px // 2))
    picture = _paint(SightField(sight.rig, half), seed, plain=True)
    full = cv2.resize(picture, (lens.width_px, lens.height_px), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, np.uint8)


def _paint(sight: SightField, seed: int, *, plain: bool) -> UInt8Image:
    rng = np.random.default_rng(seed)
    noise = _noise(rng)
    fronts = rng.uniform(0, 1, (_FRONTS, 2)).astype(np.float32)
    picture = np.zeros((*sight.whole.shape, 3), np.uint8)
    east_m, north_m, height_m = sight.eye_m.astype(np.float32)
    for box in bands(sight.whole):
        directions = sight.directions(box)
        below = directions[..., 2] < -1e-3
        down = np.where(below, directions[..., 2], -1.0)
        place = -height_m * directions[..., :2] / down[..., None]
        place += np.asarray([east_m, north_m])
        range_m = np.hypot(place[..., 0], place[..., 1])
        surface = np.broadcast_to(_CALM, (*box.shape, 3)) if plain else _surface(place)
        # Far away a pixel holds more than one grain of the ground: the noise fades.
        grain = _sample(noise, place) * np.clip(10.0 / np.maximum(range_m, 1.0), 0.0, 1.0)
        ground = surface + grain[..., None]
        haze = np.clip(range_m / _HAZE_RANGE_M, 0.0, 1.0)[..., None]
        ground = ground * (1 - haze) + _HAZE * haze
        above = _above(directions, None if plain else fronts)
        shown = np.where(below[..., None], ground, above)
        shown[~sight.seen(box)] = 0.0
        box.within(picture)[:] = np.clip(shown, 0, 255)
    return picture


def _surface(place: Floats) -> Floats:
    """Colour of each place (height, width, 2), metres east and north."""
    east, north = place[..., 0], place[..., 1]
    colour = np.broadcast_to(_PAVING, (*east.shape, 3)).copy()
    # Joints of the paving, 0.8 m apart.
    joint = (np.abs((east / 0.8) % 1 - 0.5) > 0.475) | (np.abs((north / 0.8) % 1 - 0.5) > 0.475)
    colour[joint] -= 9.0
    road = np.abs(north + 9.0) < 3.5
    colour[road] = _CARRIAGEWAY
    colour[road & (np.abs(north + 9.0) < 0.08) & (east % 4.0 < 2.0)] = _MARKING
    colour[np.abs(np.abs(north + 9.0) - 3.6) < 0.12] = _KERB
    crossing = road & (np.abs(east - 4.0) < 1.8) & ((north * 1.0) % 1.0 < 0.5)
    colour[crossing] = _MARKING
    colour[north > 11.0] = _GRASS
    return colour


def _above(directions: Floats, fronts: Floats | None) -> Floats:
    """Sky, and fronts of houses along the horizon."""
    elevation = np.degrees(np.arcsin(np.clip(directions[..., 2], -1.0, 1.0)))
    lift = np.clip(elevation / 30.0, 0.0, 1.0)[..., None]
    colour: Floats = _HAZE * (1 - lift) + _SKY * lift
    if fronts is not None:
        bearing = np.arctan2(directions[..., 0], directions[..., 1]) / (2 * np.pi) % 1.0
        house = np.minimum((bearing * _FRONTS).astype(np.intp), _FRONTS - 1)
        tall = _FRONT_MIN_DEG + (_FRONT_MAX_DEG - _FRONT_MIN_DEG) * fronts[house, 0]
        tint = np.asarray([150, 158, 168], np.float32) + 40 * (fronts[house, 1:] - 0.5)
        colour = np.where((elevation < tall)[..., None], tint, colour)
    return colour


def _noise(rng: np.random.Generator) -> Floats:
    """Smooth noise that wraps round, of about +-8 grey levels."""
    fine = rng.normal(0, 4.0, (_NOISE_CELLS, _NOISE_CELLS)).astype(np.float32)
    coarse = rng.normal(0, 4.0, (_NOISE_CELLS // 16, _NOISE_CELLS // 16)).astype(np.float32)
    tiled = np.tile(coarse, (3, 3))
    spread = cv2.resize(tiled, (3 * _NOISE_CELLS, 3 * _NOISE_CELLS), interpolation=cv2.INTER_CUBIC)
    smooth = spread[_NOISE_CELLS : 2 * _NOISE_CELLS, _NOISE_CELLS : 2 * _NOISE_CELLS]
    return np.asarray(fine + smooth, np.float32)


def _sample(noise: Floats, place: Floats) -> Floats:
    cells = (place / _NOISE_CELL_M) % _NOISE_CELLS
    return np.asarray(
        cv2.remap(
            noise,
            np.ascontiguousarray(cells[..., 0], np.float32),
            np.ascontiguousarray(cells[..., 1], np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        ),
        np.float32,
    )
