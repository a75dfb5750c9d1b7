"""Tiles: the pictures a detector sees, remapped straight from the sensor's picture.

A panorama in between would cost four times as much and blur twice; see
edge/design/geometry.md. Points of a tile are `(n, 2)` with the centre of its top-left
pixel at (0, 0), as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.core.errors import LensError
from roeh.core.types import Size
from roeh.optics.polar import Array, in_frame, rows_of
from roeh.optics.projection import Cylindrical, Perspective, Projection, RowSpacing
from roeh.optics.remap import FixedPointMap, Mask, Picture, pixel_grid
from roeh.optics.rig import Nadir, Sensor

TileKind = Literal["perspective", "cylindrical"]
Interpolation = Literal["linear", "area"]

DEFAULT_TILE_SIZE = Size(320, 320)
# Wide enough that a person 0.8 m wide at 3 m is whole in one of eight tiles.
DEFAULT_FOV_H_DEG = 64.0
DEFAULT_ELEVATION_DEG = -36.0
_BLACK = (0, 0, 0)
_HALF_STEPS = 0.5 * np.asarray([[1, 0], [-1, 0], [0, 1], [0, -1]])


class Tile(Protocol):
    """A picture drawn from a sensor's, with the way there and back."""

    @property
    def name(self) -> str:
        """Which tile of its layout, for logs and counters."""

    @property
    def sensor(self) -> Sensor:
        """The sensor whose picture it is drawn from."""

    @property
    def width_px(self) -> int:
        """Width of the tile."""

    @property
    def height_px(self) -> int:
        """Height of the tile."""

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet, if they are straight lines in it."""

    def render(self, picture: Picture, out: Picture | None = None) -> Picture:
        """The tile (height, width, 3) from the sensor's picture, blue green red.

        `out`, if given, is written and returned.

        Raises:
            LensError: the picture has not the size its lens is for.
        """

    def render_mask(self, mask: Mask) -> Mask:
        """The sensor's mask in the tile: true where any masked pixel is blended in."""

    def to_source_px(self, points: Array) -> Array:
        """Points (n, 2) of the tile to pixels of the sensor; NaN where its lens ends."""

    def from_source_px(self, pixels: Array) -> Array:
        """Pixels (n, 2) of the sensor to points of the tile, also outside its edges."""

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) of the tile to unit directions (n, 3) in the pole frame."""

    def pixels_of(self, pole_directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) in the pole frame to points (n, 2) of the tile.

        NaN where the tile does not show them; `beyond` continues outside its edges.
        """

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Whether points (n, 2) lie within the tile's edges: (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class VirtualCamera:
    """A tile drawn as if by a camera of its own at the sensor's place.

    Its map is computed once, here (about 10 ms for 320 x 320).
    """

    name: str
    sensor: Sensor
    projection: Projection
    map: FixedPointMap

    @classmethod
    def of(cls, name: str, sensor: Sensor, projection: Projection) -> VirtualCamera:
        """The virtual camera of that projection."""
        grid = pixel_grid(projection.width_px, projection.height_px)
        source_px = sensor.pixels_of(projection.pole_directions(grid))
        fixed = FixedPointMap.of(source_px, projection.width_px, projection.height_px)
        return cls(name, sensor, projection, fixed)

    @property
    def width_px(self) -> int:
        """Width of the tile."""
        return self.projection.width_px

    @property
    def height_px(self) -> int:
        """Height of the tile."""
        return self.projection.height_px

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet, if they are straight lines in it."""
        return self.projection.nadir

    def render(self, picture: Picture, out: Picture | None = None) -> Picture:
        """The tile from the sensor's picture, blue green red."""
        check_picture(picture, self.sensor)
        return self.map.render(picture, out)

    def render_mask(self, mask: Mask) -> Mask:
        """The sensor's mask in the tile."""
        check_picture(mask, self.sensor)
        return self.map.render_mask(mask)

    def to_source_px(self, points: Array) -> Array:
        """Points (n, 2) of the tile to pixels of the sensor; NaN where its lens ends."""
        return self.sensor.pixels_of(self.projection.pole_directions(points), beyond=True)

    def from_source_px(self, pixels: Array) -> Array:
        """Pixels (n, 2) of the sensor to points of the tile, also outside its edges."""
        return self.projection.pixels_of(self.sensor.pole_directions(pixels))

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) of the tile to unit directions (n, 3) in the pole frame."""
        return self.projection.pole_directions(points)

    def pixels_of(self, pole_directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) in the pole frame to points (n, 2) of the tile."""
        points = self.projection.pixels_of(pole_directions)
        return points if beyond else np.where(self.contains(points)[:, None], points, np.nan)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Whether points (n, 2) lie within the tile's edges."""
        return in_frame(rows_of(points, 2), self.width_px, self.height_px)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The whole picture of a sensor at a uniform scale, padded to the tile's size.

    Args:
        name: which tile it is.
        sensor: whose picture.
        width_px: width of the tile.
        height_px: height of the tile.
        fill_bgr: colour of the padding.
        interpolation: "linear", or "area" for strong reduction without aliasing.
    """

    name: str
    sensor: Sensor
    width_px: int
    height_px: int
    fill_bgr: tuple[int, int, int] = _BLACK
    interpolation: Interpolation = "linear"

    @property
    def picture_size(self) -> Size:
        """Size of the sensor's picture inside the tile."""
        lens = self.sensor.lens
        scale = min(self.width_px / lens.width_px, self.height_px / lens.height_px)
        return Size(max(1, round(lens.width_px * scale)), max(1, round(lens.height_px * scale)))

    @property
    def padding_px(self) -> tuple[int, int]:
        """Columns left of the picture and rows above it."""
        size = self.picture_size
        return (self.width_px - size.width_px) // 2, (self.height_px - size.height_px) // 2

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet, if the lens keeps them straight."""
        nadir = self.sensor.nadir
        scale = self._scale()
        return nadir and nadir.in_part(scale, 0.5 * scale - 0.5 + self._padding())

    def render(self, picture: Picture, out: Picture | None = None) -> Picture:
        """The tile from the sensor's picture, blue green red."""
        check_picture(picture, self.sensor)
        if out is None:
            out = np.empty((self.height_px, self.width_px, 3), np.uint8)
        (left, top), size = self.padding_px, self.picture_size
        for edge in (
            out[:top],
            out[top + size.height_px :],
            out[:, :left],
            out[:, left + size.width_px :],
        ):
            edge[:] = self.fill_bgr
        self._resize(picture, self._picture_in(out))
        return out

    def render_mask(self, mask: Mask) -> Mask:
        """The sensor's mask in the tile."""
        check_picture(mask, self.sensor)
        blended = np.zeros((self.height_px, self.width_px), np.uint8)
        self._resize(mask.astype(np.uint8) * np.uint8(255), self._picture_in(blended))
        masked: Mask = blended > 0
        return masked

    def to_source_px(self, points: Array) -> Array:
        """Points (n, 2) of the tile to pixels of the sensor, over its edges as well."""
        pixels: Array = (rows_of(points, 2) - self._padding() + 0.5) / self._scale() - 0.5
        return pixels

    def from_source_px(self, pixels: Array) -> Array:
        """Pixels (n, 2) of the sensor to points of the tile."""
        points: Array = (rows_of(pixels, 2) + 0.5) * self._scale() - 0.5 + self._padding()
        return points

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) of the tile to unit directions (n, 3) in the pole frame."""
        return self.sensor.pole_directions(self.to_source_px(points))

    def pixels_of(self, pole_directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) in the pole frame to points (n, 2) of the tile."""
        return self.from_source_px(self.sensor.pixels_of(pole_directions, beyond=beyond))

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Whether points (n, 2) lie in the tile, padding left out."""
        lens = self.sensor.lens
        return in_frame(self.to_source_px(points), lens.width_px, lens.height_px)

    def _padding(self) -> Array:
        return np.asarray(self.padding_px, dtype=np.float64)

    def _scale(self) -> Array:
        # Per axis, because the inner picture has a whole number of pixels.
        size, lens = self.picture_size, self.sensor.lens
        return np.asarray([size.width_px / lens.width_px, size.height_px / lens.height_px])

    def _picture_in(self, tile: Picture) -> Picture:
        (left, top), size = self.padding_px, self.picture_size
        return tile[top : top + size.height_px, left : left + size.width_px]

    def _resize(self, picture: Picture, target: Picture) -> None:
        if picture.shape[:2] == target.shape[:2]:
            target[:] = picture
            return
        how = cv2.INTER_AREA if self.interpolation == "area" else cv2.INTER_LINEAR
        # Written in place: the target is a window of the tile.
        cv2.resize(picture, (target.shape[1], target.shape[0]), dst=target, interpolation=how)


def overhead_tiles(
    sensor: Sensor,
    count: int = 8,
    size: Size = DEFAULT_TILE_SIZE,
    *,
    kind: TileKind = "perspective",
    fov_h_deg: float = DEFAULT_FOV_H_DEG,
    fov_v_deg: float | None = None,
    elevation_deg: float = DEFAULT_ELEVATION_DEG,
    first_azimuth_deg: float = 0.0,
    rows: RowSpacing = "angle",
) -> tuple[Tile, ...]:
    """A ring of tiles round a down-looking fisheye, overlapping at their sides.

    Two rings (a wide one for near, a fine one for far) are two calls.

    Args:
        sensor: the fisheye.
        count: tiles in the ring, `360 / count` degrees apart.
        size: of each tile.
        kind: "perspective" or "cylindrical".
        fov_h_deg: of each tile.
        fov_v_deg: of each tile; default `fov_h_deg` at the tile's aspect.
        elevation_deg: of the middle of each tile.
        first_azimuth_deg: of the first tile's middle, from the forward mark.
        rows: spacing of the rows of a cylindrical tile.

    Raises:
        LensError: no tiles, or angles no tile can have.
    """
    if count < 1:
        raise LensError(what="no tiles", which=f"count = {count}", remedy="give 1 or more")
    tiles: list[Tile] = []
    for index in range(count):
        azimuth_deg = (first_azimuth_deg + index * 360.0 / count) % 360.0
        name = f"{sensor.name}/{azimuth_deg:.0f}{elevation_deg:+.0f}"
        projection: Projection
        if kind == "perspective":
            projection = Perspective(
                size.width_px, size.height_px, azimuth_deg, elevation_deg, fov_h_deg, fov_v_deg
            )
        else:
            tall_deg = fov_v_deg or fov_h_deg * size.height_px / size.width_px
            projection = Cylindrical(
                size.width_px,
                size.height_px,
                azimuth_deg,
                elevation_deg,
                fov_h_deg,
                tall_deg,
                rows,
            )
        tiles.append(VirtualCamera.of(name, sensor, projection))
    return tuple(tiles)


def whole_picture_tile(
    sensor: Sensor,
    size: Size,
    *,
    fill_bgr: tuple[int, int, int] = _BLACK,
    interpolation: Interpolation = "linear",
) -> Letterbox:
    """The sensor's whole picture, never squashed, padded to `size`."""
    return Letterbox(
        f"{sensor.name}/whole", sensor, size.width_px, size.height_px, fill_bgr, interpolation
    )


def source_px_per_tile_px(tile: Tile, points: Array) -> Array:
    """How many pixels of the sensor one pixel of the tile spans at points (n, 2): (n,).

    The larger of the two directions; NaN where the lens ends. With it a detector's
    error in tile pixels becomes the `foot_sigma_px` of `GroundPlane.fix`.
    """
    return span_of(tile.to_source_px(half_steps(points)))


def half_steps(points: Array) -> Array:
    """Half a pixel right, left, down and up of points (n, 2): (4 n, 2), for `span_of`."""
    steps: Array = (rows_of(points, 2)[None] + _HALF_STEPS[:, None]).reshape(-1, 2)
    return steps


def span_of(steps_px: Array) -> Array:
    """The larger of the distances (n,) that the half steps (4 n, 2) have come to."""
    right, left, down, up = steps_px.reshape(4, -1, 2)
    across, along = right - left, down - up
    return np.maximum(np.hypot(across[:, 0], across[:, 1]), np.hypot(along[:, 0], along[:, 1]))


def check_picture(picture: Picture | Mask, sensor: Sensor) -> None:
    """Refuse a picture of another size than the sensor's lens is for.

    Raises:
        LensError: naming both sizes.
    """
    lens = sensor.lens
    height_px, width_px = picture.shape[:2]
    if (width_px, height_px) != (lens.width_px, lens.height_px):
        raise LensError(
            what="the picture has another size than its lens",
            which=f"{width_px}x{height_px} from {sensor.name}, "
            f"lens for {lens.width_px}x{lens.height_px}",
            remedy="set the lens's width_px and height_px to the camera's picture",
        )
